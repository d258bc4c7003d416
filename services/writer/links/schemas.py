"""The schemas of links in requests and responses."""

from collections.abc import Mapping
from dataclasses import MISSING
from dataclasses import fields as dataclass_fields
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates

from services.writer.links.codes import LENGTH
from services.writer.links.targets import MAX_TARGET_LENGTH, TargetPolicy
from shared.domain.codes import CODE_PATTERN, CODE_RULE, is_code
from shared.domain.models import LINK_SORTS, LINK_STATUSES, OPTION_NAMES, REDIRECT_STATUSES, Link, LinkOptions
from shared.schemas.fields import Moment, QueryBoolean, StrictBoolean, Text, UnparsedNested, format_moment
from shared.schemas.problems import ProblemSchema

MAX_EXACT_INTEGER: Final = 2**53 - 1
"""The largest whole number that every JSON parser reads exactly."""

MAX_PAGE_SIZE: Final = 1_000

MAX_BATCH: Final = 1_000
"""The maximum number of links in one batch."""

_DEFAULTS: Final[Mapping[str, Any]] = {
    field.name: field.default
    for field in dataclass_fields(LinkOptions)
    if field.default is not MISSING and field.default is not None
}
"""The values that replace `null` in fields with a default."""

_TAG: Final = Text(validate=validate.Length(min=1, max=64))


def _check_code(text: str) -> None:
    if not is_code(text):
        raise ValidationError(f"Must be {CODE_RULE}.")


class LinkOptionsSchema(Schema):
    """The properties of a link that a client may set, except its code."""

    url = fields.String(
        required=True,
        validate=validate.Length(min=1, max=MAX_TARGET_LENGTH),
        metadata={"description": "The target: an http or https URL, also an IRI, without credentials."},
    )
    title = Text(allow_none=True, validate=validate.Length(max=512))
    notes = Text(allow_none=True, multiline=True, validate=validate.Length(max=4_096))
    tags = fields.List(_TAG, allow_none=True, validate=validate.Length(max=32))
    redirect_status = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.OneOf(REDIRECT_STATUSES),
        metadata={"description": f"Default {_DEFAULTS['redirect_status']}."},
    )
    valid_since = Moment(
        allow_none=True, metadata={"description": "Before this time the link does not redirect (404)."}
    )
    valid_until = Moment(
        allow_none=True, metadata={"description": "From this time on the link does not redirect (410)."}
    )
    max_clicks = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(min=1, max=MAX_EXACT_INTEGER),
        metadata={"description": "The maximum number of redirects; after them 410."},
    )
    expired_url = fields.String(
        allow_none=True,
        validate=validate.Length(min=1, max=MAX_TARGET_LENGTH),
        metadata={
            "description": "The target before `valid_since`, after `valid_until`, and when `max_clicks` are used up."
        },
    )
    forward_query = StrictBoolean(
        allow_none=True,
        metadata={"description": "Merge the visitor's query into that of the target; the visitor's values win."},
    )
    enabled = StrictBoolean(
        allow_none=True, metadata={"description": "false: 404, while the link and its statistics are kept."}
    )
    external_id = Text(
        allow_none=True,
        validate=validate.Length(min=1, max=256),
        metadata={"description": "The client's own identifier of the link; unique."},
    )

    def __init__(self, policy: TargetPolicy | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._policy = policy or TargetPolicy()

    @validates("url", "expired_url")
    def _check_target(self, value: str | None, data_key: str) -> None:
        fault = self._policy.fault(value) if value is not None else None
        if fault:
            raise ValidationError(fault)

    @post_load
    def _fill_in(self, loaded: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        for name, default in _DEFAULTS.items():
            if name in loaded and loaded[name] is None:
                loaded[name] = default
        if "tags" in loaded:
            loaded["tags"] = tuple(dict.fromkeys(loaded["tags"]))
        return loaded


class NewLinkSchema(LinkOptionsSchema):
    """A request for a link."""

    code = fields.String(
        allow_none=True,
        validate=_check_code,
        metadata={"description": f"The requested code; absent: {LENGTH} random characters.", "pattern": CODE_PATTERN},
    )


class LinkPatchSchema(LinkOptionsSchema):
    """Changes of a link, as a JSON merge patch (RFC 7396): an absent field stays, a null field is cleared."""

    def __init__(self, policy: TargetPolicy | None = None, **kwargs: Any) -> None:
        super().__init__(policy, partial=True, **kwargs)


class LinkSchema(LinkOptionsSchema):
    """A link in a response."""

    code = fields.String(required=True)
    short_url = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(LINK_STATUSES))
    clicks = fields.Integer(required=True, metadata={"description": "Clicks by people since the link was created."})
    created_at = Moment(required=True)
    updated_at = Moment(required=True)
    version = fields.Integer(required=True, metadata={"description": "Grows with every change."})
    has_password = fields.Boolean(required=True)


def dump_link(link: Link, public_url: str) -> dict[str, Any]:
    """The document of a link in a response."""
    options = link.options
    document: dict[str, Any] = {"code": link.code, "short_url": f"{public_url}/{link.code}"}
    document |= {name: getattr(options, name) for name in OPTION_NAMES}
    document["tags"] = list(options.tags)
    document |= {"status": link.status, "clicks": link.clicks, "has_password": False, "version": link.version}
    for name, moment in (
        ("valid_since", options.valid_since),
        ("valid_until", options.valid_until),
        ("created_at", link.created_at),
        ("updated_at", link.updated_at),
    ):
        document[name] = moment and format_moment(moment)
    return document


class BatchSchema(Schema):
    """A request for several links."""

    links = fields.List(
        UnparsedNested(NewLinkSchema),
        required=True,
        validate=validate.Length(max=MAX_BATCH, error="At most {max} links."),
    )


class BatchItemSchema(Schema):
    """The result of one link of a batch."""

    status = fields.Integer(
        required=True, metadata={"description": "The status that `POST /links` would have responded with."}
    )
    link = fields.Nested(LinkSchema, metadata={"description": "With the status 201."})
    problem = fields.Nested(ProblemSchema, metadata={"description": "With any other status."})


class BatchResponseSchema(Schema):
    """The result of each link, in order."""

    items = fields.List(fields.Nested(BatchItemSchema), required=True)


class LinkPageSchema(Schema):
    """A page of links, and the cursor of the next page."""

    links = fields.List(fields.Nested(LinkSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata={"description": "null on the last page."})


class ReuseQuery(Schema):
    reuse = QueryBoolean(
        load_default=False,
        metadata={"description": "true: 200 with an equal link of the same API key, if there is one."},
    )


class PurgeQuery(Schema):
    purge = QueryBoolean(
        load_default=False, metadata={"description": "true (scope admin): remove the link and its clicks permanently."}
    )


class ListQuery(Schema):
    """The filters and sort orders of `GET /links`."""

    limit = fields.Integer(load_default=100, validate=validate.Range(min=1, max=MAX_PAGE_SIZE))
    cursor = Text(
        validate=validate.Length(min=1, max=1_024), metadata={"description": "The `next_cursor` of the previous page."}
    )
    q = Text(
        validate=validate.Length(min=1, max=256),
        metadata={"description": "A part of the code, the URL, the title or a tag, in upper or lower case."},
    )
    tag = fields.List(
        _TAG,
        load_default=[],
        validate=validate.Length(max=32),
        metadata={"repeatable": True, "description": "Only links with all of these tags."},
    )
    any_tag = fields.List(
        _TAG,
        load_default=[],
        validate=validate.Length(max=32),
        metadata={"repeatable": True, "description": "Only links with at least one of these tags."},
    )
    status = fields.String(
        validate=validate.OneOf(LINK_STATUSES),
        metadata={"description": "Deleted links are listed only with `deleted`."},
    )
    created_after = Moment()
    created_before = Moment()
    sort = fields.String(
        load_default="-created_at",
        validate=validate.OneOf([sign + name for name in LINK_SORTS for sign in ("", "-")]),
        metadata={"description": "A leading - sorts in descending order."},
    )
