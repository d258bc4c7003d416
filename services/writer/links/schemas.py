"""Links in requests and answers."""

from dataclasses import fields as dataclass_fields
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates

from services.writer.links.targets import LENGTH_LIMIT, TargetPolicy
from shared.domain.codes import CODE_PATTERN, is_code
from shared.domain.models import LINK_SORTS, LINK_STATUSES, REDIRECT_STATUSES, Link, LinkOptions
from shared.schemas.fields import Moment, QueryBoolean, ReadLater, StrictBoolean, Text, format_moment
from shared.schemas.problems import ProblemSchema

MAX_MAX_CLICKS: Final = 2**53 - 1
"""The largest whole number that every JSON reader keeps exact."""

MAX_LIMIT: Final = 1_000

MAX_BATCH: Final = 1_000
"""Links that one call may make."""

_DEFAULTS_OF_NULL: Final = {"tags": [], "redirect_status": 302, "forward_query": False, "enabled": True}
"""What `null` means for a field that has a default."""

_TAG: Final = Text(validate=validate.Length(min=1, max=64))


def _check_code(text: str) -> None:
    if not is_code(text):
        raise ValidationError("Must be 1 to 64 of A-Z, a-z, 0-9, - and _.")


class LinkOptionsSchema(Schema):
    """What a client may say of a link, apart from its code."""

    url = fields.String(
        required=True,
        validate=validate.Length(min=1, max=LENGTH_LIMIT),
        metadata={"description": "Where the link leads: http or https, any IRI, no credentials."},
    )
    title = Text(allow_none=True, validate=validate.Length(max=512))
    notes = Text(allow_none=True, multiline=True, validate=validate.Length(max=4_096))
    tags = fields.List(_TAG, allow_none=True, validate=validate.Length(max=32))
    redirect_status = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.OneOf(REDIRECT_STATUSES),
        metadata={"description": "Default 302."},
    )
    valid_since = Moment(allow_none=True, metadata={"description": "Before this time the link leads nowhere (404)."})
    valid_until = Moment(allow_none=True, metadata={"description": "From this time on the link is gone (410)."})
    max_clicks = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(min=1, max=MAX_MAX_CLICKS),
        metadata={"description": "At most so many redirects, then 410."},
    )
    expired_url = fields.String(
        allow_none=True,
        validate=validate.Length(min=1, max=LENGTH_LIMIT),
        metadata={"description": "Where the link leads when it leads no more."},
    )
    forward_query = StrictBoolean(
        allow_none=True, metadata={"description": "Merge the visitor's query into the target's; the visitor's wins."}
    )
    enabled = StrictBoolean(allow_none=True, metadata={"description": "false: 404, without losing anything."})
    external_id = Text(
        allow_none=True,
        validate=validate.Length(min=1, max=256),
        metadata={"description": "The client's own name for the link; unique."},
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
        for name, default in _DEFAULTS_OF_NULL.items():
            if name in loaded and loaded[name] is None:
                loaded[name] = default
        if "tags" in loaded:
            loaded["tags"] = tuple(dict.fromkeys(loaded["tags"]))
        return loaded


class NewLinkSchema(LinkOptionsSchema):
    """A link that somebody wants made."""

    code = fields.String(
        allow_none=True,
        validate=_check_code,
        metadata={"description": "The wanted code; absent: 7 random characters.", "pattern": CODE_PATTERN},
    )


class LinkPatchSchema(LinkOptionsSchema):
    """Changes of a link, as a JSON merge patch (RFC 7396): what is absent stays, what is null is cleared."""

    def __init__(self, policy: TargetPolicy | None = None, **kwargs: Any) -> None:
        super().__init__(policy, partial=True, **kwargs)


class LinkSchema(LinkOptionsSchema):
    """A link as it is answered."""

    code = fields.String(required=True)
    short_url = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(LINK_STATUSES))
    clicks = fields.Integer(required=True, metadata={"description": "Clicks by people since the link was made."})
    created_at = Moment(required=True)
    updated_at = Moment(required=True)
    version = fields.Integer(required=True, metadata={"description": "Grows with every change."})
    has_password = fields.Boolean(required=True)


_OPTION_NAMES: Final = tuple(field.name for field in dataclass_fields(LinkOptions))


def dump_link(link: Link, public_url: str) -> dict[str, Any]:
    """A link as it is answered."""
    options = link.options
    document: dict[str, Any] = {"code": link.code, "short_url": f"{public_url}/{link.code}"}
    document |= {name: getattr(options, name) for name in _OPTION_NAMES}
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
    """Links that somebody wants made at once."""

    links = fields.List(
        ReadLater(NewLinkSchema),
        required=True,
        validate=validate.Length(max=MAX_BATCH, error="At most {max} links."),
    )


class BatchItemSchema(Schema):
    """What became of one link of a batch."""

    status = fields.Integer(required=True, metadata={"description": "What `POST /links` would have answered."})
    link = fields.Nested(LinkSchema, metadata={"description": "With the status 201."})
    problem = fields.Nested(ProblemSchema, metadata={"description": "With any other status."})


class BatchAnswerSchema(Schema):
    """What became of each link, in order."""

    items = fields.List(fields.Nested(BatchItemSchema), required=True)


class LinkPageSchema(Schema):
    """Some links, and how to get the next ones."""

    links = fields.List(fields.Nested(LinkSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata={"description": "null on the last page."})


class ReuseQuery(Schema):
    reuse = QueryBoolean(
        load_default=False, metadata={"description": "true: 200 with an equal link of yours, if there is one."}
    )


class PurgeQuery(Schema):
    purge = QueryBoolean(
        load_default=False, metadata={"description": "true (scope admin): remove the link and its clicks for good."}
    )


class ListQuery(Schema):
    """The filters and orders of `GET /links`."""

    limit = fields.Integer(load_default=100, validate=validate.Range(min=1, max=MAX_LIMIT))
    cursor = Text(
        validate=validate.Length(min=1, max=1_024), metadata={"description": "`next_cursor` of the page before."}
    )
    q = Text(
        validate=validate.Length(min=1, max=256),
        metadata={"description": "Part of the code, URL, title or a tag; case does not matter."},
    )
    tag = fields.List(
        _TAG,
        load_default=[],
        validate=validate.Length(max=32),
        metadata={"repeatable": True, "description": "All of these tags."},
    )
    any_tag = fields.List(
        _TAG,
        load_default=[],
        validate=validate.Length(max=32),
        metadata={"repeatable": True, "description": "At least one of these tags."},
    )
    status = fields.String(
        validate=validate.OneOf(LINK_STATUSES), metadata={"description": "Deleted links come only with `deleted`."}
    )
    created_after = Moment()
    created_before = Moment()
    sort = fields.String(
        load_default="-created_at",
        validate=validate.OneOf([sign + name for name in LINK_SORTS for sign in ("", "-")]),
        metadata={"description": "With - in front: descending."},
    )
