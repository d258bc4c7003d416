"""The faults of invalid input, by field, as a client reads them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from marshmallow import Schema
from multidict import MultiDict

from shared.domain.errors import InvalidInput
from shared.schemas.parsing import parse, parse_query


def faults_of(schema: Schema, document: Any) -> Mapping[str, Sequence[str]]:
    """The faults of a document that a schema must refuse."""
    with pytest.raises(InvalidInput) as caught:
        parse(schema, document)
    return caught.value.faults


def query_faults_of(schema: Schema, *pairs: tuple[str, str]) -> Mapping[str, Sequence[str]]:
    """The faults of a query that a schema must refuse."""
    with pytest.raises(InvalidInput) as caught:
        parse_query(schema, MultiDict(pairs))
    return caught.value.faults
