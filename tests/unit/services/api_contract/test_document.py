import json
from typing import Any

import pytest
from openapi_spec_validator import validate

from services.api_contract.command import FILE, text
from services.api_contract.document import OPERATIONS, document
from shared.http.contract import Operation


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    """The document as a client reads it."""
    read: dict[str, Any] = json.loads(json.dumps(document()))
    return read


def operation_object(openapi: dict[str, Any], operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = openapi["paths"][operation.path][operation.method.lower()]
    return found


def test_the_document_is_valid(openapi: dict[str, Any]) -> None:
    validate(openapi)


def test_the_committed_document_equals_the_generated_one() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "run: make openapi"


def test_the_document_describes_exactly_the_operations_of_the_services(openapi: dict[str, Any]) -> None:
    described = {(path, method) for path, methods in openapi["paths"].items() for method in methods}
    assert described == {(operation.path, operation.method.lower()) for operation in OPERATIONS}


def test_the_name_of_an_operation_is_unique() -> None:
    names = [operation.name for operation in OPERATIONS]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_states_whether_it_needs_a_key(openapi: dict[str, Any], operation: Operation) -> None:
    text = operation_object(openapi, operation)
    assert ("security" in text) == ({"401", "403"} <= set(text["responses"])) == (operation.scope is not None)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_a_problem_of_an_operation_is_a_problem_document(openapi: dict[str, Any], operation: Operation) -> None:
    responses = operation_object(openapi, operation)["responses"]
    problems = [response for status, response in responses.items() if status >= "400"]
    assert {content for problem in problems for content in problem["content"]} == {"application/problem+json"}


@pytest.mark.parametrize("operation", [op for op in OPERATIONS if op.query], ids=lambda operation: operation.name)
def test_a_parameter_is_described_under_the_name_that_clients_use(
    openapi: dict[str, Any], operation: Operation
) -> None:
    assert operation.query is not None
    parameters = [part["name"] for part in operation_object(openapi, operation)["parameters"] if part["in"] == "query"]
    assert parameters == [field.data_key or name for name, field in operation.query().fields.items()]


def test_an_unknown_field_is_refused_in_the_document_too(openapi: dict[str, Any]) -> None:
    assert openapi["components"]["schemas"]["NewLink"]["additionalProperties"] is False


def test_a_code_in_a_path_has_its_pattern(openapi: dict[str, Any]) -> None:
    (code,) = openapi["paths"]["/links/{code}"]["get"]["parameters"]
    assert code["schema"] == {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
