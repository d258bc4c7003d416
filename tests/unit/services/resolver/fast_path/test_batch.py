from typing import Any

import pytest

from services.resolver.fast_path.batch import PendingVisit


class RecordingConnection:
    """Records what a visit does with its connection."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fails = False

    def respond(self, response: bytes) -> None:
        if self.fails:
            raise RuntimeError
        self.calls.append(response.decode())

    def pass_to_application(self) -> None:
        self.calls.append("passed")


@pytest.fixture
def connection() -> RecordingConnection:
    return RecordingConnection()


def visit(connection: Any) -> PendingVisit:
    return PendingVisit(connection, "/abc?a=1", "id", "", b"", 0.0)


def test_a_visit_gets_one_response(connection: RecordingConnection) -> None:
    pending = visit(connection)
    pending.respond(b"first")
    pending.respond(b"second")
    assert connection.calls == ["first"]


def test_a_visit_that_was_passed_on_gets_no_late_response(connection: RecordingConnection) -> None:
    """The connection may have the next request by then."""
    pending = visit(connection)
    pending.pass_on()
    pending.respond(b"late")
    pending.pass_on()
    assert connection.calls == ["passed"]


def test_a_visit_whose_response_failed_can_still_be_passed_on(connection: RecordingConnection) -> None:
    pending = visit(connection)
    connection.fails = True
    with pytest.raises(RuntimeError):
        pending.respond(b"")
    pending.pass_on()
    assert connection.calls == ["passed"]


def test_the_query_of_a_visit_is_raw(connection: RecordingConnection) -> None:
    assert visit(connection).query == "a=1"
