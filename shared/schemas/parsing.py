"""Parse what a client sent by a schema: all faults are reported at once, each under its field."""

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import Schema, ValidationError
from multidict import MultiMapping

from shared.domain.errors import InvalidInput


def parse(schema: Schema, document: Any, what: str = "The body") -> dict[str, Any]:
    """Parse a document. Raises InvalidInput with all faults of all fields; `what` names the document in its message."""
    if not isinstance(document, Mapping):
        raise InvalidInput({"": [f"{what} must be a JSON object."]})
    try:
        loaded: dict[str, Any] = schema.load(document)
    except ValidationError as fault:
        raise InvalidInput(_by_field(fault.messages)) from fault
    return loaded


def parse_query(schema: Schema, query: MultiMapping[str]) -> dict[str, Any]:
    """Parse the query of a URL. Only fields that the schema marks as `repeatable` may be given more than once."""
    faults: dict[str, list[str]] = {}
    document: dict[str, Any] = {}
    for name in dict.fromkeys(query):
        values = query.getall(name)
        field = schema.fields.get(name)
        if field is not None and field.metadata.get("repeatable"):
            document[name] = values
        elif len(values) > 1:
            faults[name] = ["Must be given once."]
        else:
            document[name] = values[0]
    try:
        loaded: dict[str, Any] = schema.load(document)
    except ValidationError as fault:
        raise InvalidInput(_by_field(fault.messages) | faults) from fault
    if faults:
        raise InvalidInput(faults)
    return loaded


def _by_field(messages: Any) -> dict[str, list[str]]:
    flat: dict[str, list[str]] = {}
    for field, message in _flattened(messages, ""):
        flat.setdefault(field, []).append(message)
    return flat


def _flattened(messages: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            name = "" if key == "_schema" else str(key)
            yield from _flattened(inner, f"{path}.{name}" if path and name else path or name)
    elif isinstance(messages, list):
        for inner in messages:
            yield from _flattened(inner, path)
    else:
        yield path, str(messages)
