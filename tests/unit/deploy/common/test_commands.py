import argparse
from typing import Any

import pytest

from deploy.common import commands
from deploy.common.checkout import CHECKOUT
from deploy.common.faults import RuntimeFault
from deploy.common.names import SCOPES
from shared.domain import models


class Keys:
    """A runtime that only records how it is asked for a key."""

    def __init__(self) -> None:
        self.words: tuple[str, ...] = ()

    def keys(self, *words: str) -> str:
        self.words = words
        return "bl_secret"


def make_key(monkeypatch: pytest.MonkeyPatch, **environ: str) -> Keys:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    parser, _ = commands.create_parser("local", None)
    options: argparse.Namespace = parser.parse_args(["key"])
    runtime: Any = Keys()
    commands.key(runtime, options)
    found: Keys = runtime
    return found


def test_a_key_without_scopes_is_said_to_be_an_admin_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_key(monkeypatch)
    assert tuple(capsys.readouterr()) == ("bl_secret\n", "An admin key:\n")


def test_a_name_and_scopes_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_key(monkeypatch, BOLTLINK_KEY_NAME='it\'s "mine"', BOLTLINK_KEY_SCOPES="links:read, stats:read")
    assert made.words == ("make", "--name", 'it\'s "mine"', "--scope", "links:read", "--scope", "stats:read")


def test_a_mistyped_scope_is_named_with_those_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeFault) as found:
        make_key(monkeypatch, BOLTLINK_KEY_SCOPES="links:wirte")
    expected = "There is no scope links:wirte. SCOPES may be links:read, links:write, stats:read, admin, "
    assert str(found.value) == f"{expected}separated by commas."


def test_the_scopes_are_those_of_the_services() -> None:
    assert set(SCOPES) == set(models.SCOPES)


def test_no_recipe_puts_a_name_between_quotes_of_the_shell() -> None:
    text = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    assert '"$(NAME)"' not in text
    assert '"$(SCOPES)"' not in text
