from typing import Any

import pytest
from marshmallow import Schema, ValidationError, fields, validates_schema
from multidict import MultiDict

from shared.domain.errors import InvalidInput
from shared.schemas.parsing import parse, parse_query
from tests.unit.invalid_input import faults_of, query_faults_of


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


def test_a_fault_is_reported_under_the_name_that_the_client_used() -> None:
    assert set(faults_of(_Outer(), {"n": "x"})) == {"n"}


def test_a_fault_of_a_nested_field_is_reported_under_its_path() -> None:
    document = {"inner": [{"number": 1}, {"number": "x"}, {"colour": 1}]}
    assert set(faults_of(_Outer(), document)) == {"inner.1.number", "inner.2.colour"}


def test_a_fault_of_the_whole_document_has_an_empty_field() -> None:
    assert faults_of(_Outer(), {"n": 13}) == {"": ["Bad luck."]}


def test_invalid_input_refers_to_its_errors() -> None:
    with pytest.raises(InvalidInput, match="see errors"):
        parse(_Outer(), {"colour": 1})


@pytest.mark.parametrize("tags", [[], ["a"], ["a", "b", "a"]])
def test_a_repeatable_field_may_be_given_several_times(tags: list[str]) -> None:
    assert parse_query(_Outer(), MultiDict([("tag", tag) for tag in tags]))["tag"] == tags


@pytest.mark.parametrize("name", ["n", "once", "colour"])
def test_any_other_field_may_be_given_once(name: str) -> None:
    faults = query_faults_of(_Outer(), (name, "1"), (name, "1"))
    assert faults[name] == ["Must be given once."]


def test_all_faults_of_a_query_are_reported_at_once() -> None:
    faults = query_faults_of(_Outer(), ("n", "1"), ("n", "2"), ("colour", "blue"), ("inner", "x"))
    assert set(faults) == {"n", "colour", "inner"}
