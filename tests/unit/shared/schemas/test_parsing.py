from typing import Any

import pytest
from marshmallow import Schema, ValidationError, fields, validates_schema
from multidict import MultiDict

from shared.domain.errors import InvalidInput
from shared.schemas.parsing import parse, parse_query
from tests.unit.faults import faults_of, query_faults_of


class _Inner(Schema):
    number = fields.Integer()


class _Outer(Schema):
    number = fields.Integer(data_key="n")
    inner = fields.List(fields.Nested(_Inner))
    tag = fields.List(fields.String(), load_default=[], metadata={"repeatable": True})
    once = fields.List(fields.String())

    @validates_schema
    def _check(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if data.get("number") == 13:
            raise ValidationError("Bad luck.")


@pytest.mark.parametrize("document", [None, [], "text", 7, True, [{"n": 1}]])
def test_a_body_has_to_be_an_object(document: object) -> None:
    assert faults_of(_Outer(), document) == {"": ["The body must be a JSON object."]}


def test_a_document_is_read() -> None:
    assert parse(_Outer(), {"n": 5}) == {"number": 5, "tag": []}


def test_a_fault_stands_under_the_name_that_the_client_used() -> None:
    assert set(faults_of(_Outer(), {"n": "x"})) == {"n"}


def test_the_path_of_a_fault_leads_to_it() -> None:
    document = {"inner": [{"number": 1}, {"number": "x"}, {"colour": 1}]}
    assert set(faults_of(_Outer(), document)) == {"inner.1.number", "inner.2.colour"}


def test_a_fault_of_the_whole_has_no_field() -> None:
    assert faults_of(_Outer(), {"n": 13}) == {"": ["Bad luck."]}


def test_a_fault_says_what_broke_a_rule() -> None:
    with pytest.raises(InvalidInput, match="see errors"):
        parse(_Outer(), {"colour": 1})


@pytest.mark.parametrize("tags", [[], ["a"], ["a", "b", "a"]])
def test_a_list_of_a_query_comes_again_and_again(tags: list[str]) -> None:
    assert parse_query(_Outer(), MultiDict([("tag", tag) for tag in tags]))["tag"] == tags


@pytest.mark.parametrize("name", ["n", "once", "colour"])
def test_anything_else_comes_once(name: str) -> None:
    faults = query_faults_of(_Outer(), (name, "1"), (name, "1"))
    assert faults[name] == ["Must be given once."]


def test_all_faults_of_a_query_are_told_at_once() -> None:
    faults = query_faults_of(_Outer(), ("n", "1"), ("n", "2"), ("colour", "blue"), ("inner", "x"))
    assert set(faults) == {"n", "colour", "inner"}
