from dataclasses import fields as dataclass_fields
from datetime import UTC, datetime
from typing import Any

import pytest

from services.api_contract.document import document
from services.writer.links.schemas import (
    MAX_EXACT_INTEGER,
    BatchSchema,
    LinkOptionsSchema,
    LinkPatchSchema,
    NewLinkSchema,
    PurgeQuery,
    ReuseQuery,
)
from services.writer.links.targets import target_policy
from shared.domain.models import LinkOptions
from shared.schemas.parsing import parse
from tests.unit.invalid_input import faults_of

URL = "https://example.com/"


def new_link(**fields: Any) -> dict[str, Any]:
    """The parsed request for a link."""
    return parse(NewLinkSchema(), {"url": URL} | fields)


def new_link_faults(**fields: Any) -> set[str]:
    """The wrong fields of a request for a link."""
    return set(faults_of(NewLinkSchema(), {"url": URL} | fields))


def test_a_url_is_enough() -> None:
    assert new_link() == {"url": URL}


def test_a_url_is_required() -> None:
    assert faults_of(NewLinkSchema(), {}) == {"url": ["Missing data for required field."]}


def test_an_iri_is_stored_unchanged() -> None:
    assert new_link(url="https://münchen.de/ä")["url"] == "https://münchen.de/ä"


@pytest.mark.parametrize("field", ["url", "expired_url"])
@pytest.mark.parametrize("value", ["javascript:alert(1)", "https://a b/", "https://u:p@example.com/", "x" * 8_193, ""])
def test_an_invalid_target_is_refused(field: str, value: str) -> None:
    assert new_link_faults(**{field: value}) == {field}


def test_a_short_url_of_the_installation_is_refused_as_a_target() -> None:
    schema = NewLinkSchema(target_policy("https://sho.rt", frozenset({"https"})))
    faults = faults_of(schema, {"url": "https://sho.rt/abc", "expired_url": "https://sho.rt/"})
    assert set(faults) == {"url", "expired_url"}


@pytest.mark.parametrize("code", ["a", "a" * 64, "A-Z_09", "-", "_"])
def test_a_code_may_be_requested(code: str) -> None:
    assert new_link(code=code)["code"] == code


@pytest.mark.parametrize(
    "code", ["", "a" * 65, "a b", "a/b", "a.b", "ä", "٣", "a+", "a%20", "abc\n", "\nabc", "\ud800", 7, ["a"]]
)
def test_an_invalid_code_is_refused(code: object) -> None:
    assert new_link_faults(code=code) == {"code"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "x" * 512),
        ("notes", "x" * 4_096),
        ("notes", "two\nlines"),
        ("redirect_status", 308),
        ("max_clicks", 1),
        ("max_clicks", MAX_EXACT_INTEGER),
        ("forward_query", True),
        ("enabled", False),
        ("external_id", "x" * 256),
        ("expired_url", "https://example.com/over"),
    ],
)
def test_an_option_is_read(field: str, value: object) -> None:
    assert new_link(**{field: value})[field] == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", 7),
        ("url", None),
        ("title", 7),
        ("title", "x" * 513),
        ("title", "two\nlines"),
        ("notes", "x" * 4_097),
        ("notes", "a\x00b"),
        ("redirect_status", 303),
        ("redirect_status", "302"),
        ("redirect_status", 302.0),
        ("redirect_status", True),
        ("valid_since", "2026-01-31T12:00:00"),
        ("valid_until", 1_772_366_400),
        ("max_clicks", 0),
        ("max_clicks", -1),
        ("max_clicks", 1.5),
        ("max_clicks", "1"),
        ("max_clicks", True),
        ("max_clicks", float("inf")),
        ("max_clicks", MAX_EXACT_INTEGER + 1),
        ("max_clicks", 10**400),
        ("forward_query", "true"),
        ("forward_query", 1),
        ("enabled", "false"),
        ("enabled", 0),
        ("external_id", ""),
        ("external_id", "x" * 257),
        ("external_id", "a\ud800"),
        ("tags", "tag"),
        ("tags", {"a": 1}),
        ("tags", ["x"] * 33),
    ],
)
def test_an_invalid_option_is_refused(field: str, value: object) -> None:
    assert new_link_faults(**{field: value}) == {field}


@pytest.mark.parametrize("tag", ["", "x" * 65, "a\nb", 7, None])
def test_the_fault_of_a_tag_names_its_position(tag: object) -> None:
    assert new_link_faults(tags=["good", tag]) == {"tags.1"}


def test_repeated_tags_are_stored_once() -> None:
    assert new_link(tags=["b", "a", "b"])["tags"] == ("b", "a")


def test_a_time_is_read_as_utc() -> None:
    assert new_link(valid_until="2026-01-31T12:00:00+02:00")["valid_until"] == datetime(2026, 1, 31, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", None),
        ("notes", None),
        ("tags", ()),
        ("redirect_status", 302),
        ("valid_since", None),
        ("valid_until", None),
        ("max_clicks", None),
        ("expired_url", None),
        ("forward_query", False),
        ("enabled", True),
        ("external_id", None),
    ],
)
def test_null_clears_a_field(field: str, value: object) -> None:
    assert parse(LinkPatchSchema(), {field: None}) == {field: value}


def test_null_resets_a_field_to_its_default() -> None:
    options = {field.name for field in dataclass_fields(LinkOptions)} - {"url"}
    cleared = parse(LinkPatchSchema(), dict.fromkeys(options))
    assert LinkOptions(url=URL, **cleared) == LinkOptions(url=URL)


def test_the_schema_has_every_option() -> None:
    assert set(LinkOptionsSchema().fields) == {field.name for field in dataclass_fields(LinkOptions)}


def test_a_patch_may_be_empty() -> None:
    assert parse(LinkPatchSchema(), {}) == {}


def test_a_patch_cannot_clear_the_url() -> None:
    assert set(faults_of(LinkPatchSchema(), {"url": None})) == {"url"}


@pytest.mark.parametrize("field", ["code", "version", "id", "clicks", "short_url"])
def test_a_patch_cannot_change_other_fields(field: str) -> None:
    assert faults_of(LinkPatchSchema(), {field: "x"}) == {field: ["Unknown field."]}


def test_an_unknown_field_is_refused() -> None:
    assert faults_of(NewLinkSchema(), {"url": URL, "colour": 1}) == {"colour": ["Unknown field."]}


def test_all_faults_are_reported_at_once() -> None:
    document = {"url": "ftp://x/", "code": "a b", "max_clicks": 0, "tags": [""], "valid_since": "now", "colour": 1}
    assert set(faults_of(NewLinkSchema(), document)) == {
        "url",
        "code",
        "max_clicks",
        "tags.0",
        "valid_since",
        "colour",
    }


@pytest.mark.parametrize(("schema", "name"), [(ReuseQuery(), "reuse"), (PurgeQuery(), "purge")])
def test_a_purge_has_to_be_requested_explicitly(schema: ReuseQuery | PurgeQuery, name: str) -> None:
    assert parse(schema, {}) == {name: False}


def test_a_batch_does_not_parse_its_links() -> None:
    links: list[Any] = [{"url": "nonsense", "more": 1}, None, 7]
    assert BatchSchema().load({"links": links}) == {"links": links}


def test_the_links_of_a_batch_have_the_schema_of_a_new_link() -> None:
    schemas = document()["components"]["schemas"]
    assert schemas["Batch"]["properties"]["links"]["items"] == {"$ref": "#/components/schemas/NewLink"}
