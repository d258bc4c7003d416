import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from shared.process.logging import REQUEST_ID, JsonFormatter, configure


@pytest.fixture
def _as_before() -> Iterator[None]:
    """Restores the logging configuration of pytest."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def record(message: str = "done", *args: object, **attributes: Any) -> logging.LogRecord:
    values = {
        "name": "shared.http.middleware",
        "levelname": "INFO",
        "msg": message,
        "args": args,
        "created": 1.5,
        "msecs": 500.0,
    }
    return logging.makeLogRecord(values | attributes)


def line(log_record: logging.LogRecord) -> dict[str, Any]:
    text = JsonFormatter("writer-7").format(log_record)
    assert "\n" not in text
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_a_record_is_a_line_of_json() -> None:
    assert line(record("%d links", 5)) == {
        "time": "1970-01-01T00:00:01.500Z",
        "level": "INFO",
        "instance": "writer-7",
        "logger": "shared.http.middleware",
        "message": "5 links",
    }


def test_a_line_names_the_request_it_belongs_to() -> None:
    token = REQUEST_ID.set("5" * 32)
    try:
        assert line(record())["request_id"] == "5" * 32
    finally:
        REQUEST_ID.reset(token)


def test_extra_fields_are_added_to_the_line() -> None:
    assert line(record(fields={"reason": "too long"}))["reason"] == "too long"


def test_a_field_that_is_not_json_is_logged_as_text() -> None:
    assert (
        line(
            record(
                fields={
                    "reason": {
                        1,
                    }
                }
            )
        )["reason"]
        == "{1}"
    )


def test_an_exception_is_logged_with_its_traceback_in_the_same_line() -> None:
    with pytest.raises(ValueError, match="lost") as caught:
        int("lost")
    logged = line(record(exc_info=(caught.type, caught.value, caught.tb)))
    assert logged["exception"].startswith("Traceback")
    assert logged["exception"].endswith("with base 10: 'lost'")


def test_line_breaks_cannot_forge_a_line() -> None:
    assert line(record("a\nb"))["message"] == "a\nb"


@pytest.mark.usefixtures("_as_before")
def test_all_logs_of_the_process_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure("writer-7", "INFO")
    logging.getLogger("anywhere").info("logged")
    captured = capsys.readouterr()
    assert (json.loads(captured.err)["message"], captured.out) == ("logged", "")


@pytest.mark.usefixtures("_as_before")
def test_records_below_the_level_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure("writer-7", "WARNING")
    logging.getLogger("anywhere").info("not logged")
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("_as_before")
def test_gunicorn_logs_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure("writer-7", "INFO")
    logging.getLogger("gunicorn.error").warning("logged")
    assert json.loads(capsys.readouterr().err)["logger"] == "gunicorn.error"
