"""The schemas of API keys in requests and responses."""

from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates

from shared.domain.models import SCOPES, ApiKey
from shared.schemas.fields import Moment, Text, format_moment


class NewKeySchema(Schema):
    """A request for an API key."""

    name = Text(required=True, validate=validate.Length(min=1, max=128))
    scopes = fields.List(
        fields.String(validate=validate.OneOf(SCOPES)), required=True, validate=validate.Length(min=1, max=len(SCOPES))
    )
    expires_at = Moment(allow_none=True, load_default=None)

    @validates("expires_at")
    def _check_expiry(self, value: datetime | None, data_key: str) -> None:
        if value is not None and value <= datetime.now(UTC):
            raise ValidationError("Must be in the future.")


class KeySchema(Schema):
    """An API key in a response, without its secret."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    scopes = fields.List(fields.String(validate=validate.OneOf(SCOPES)), required=True)
    created_at = Moment(required=True)
    expires_at = Moment(required=True, allow_none=True)
    last_used_at = Moment(
        required=True, allow_none=True, metadata={"description": "Time of the last use, to the minute."}
    )


class CreatedKeySchema(KeySchema):
    """A new API key with its secret."""

    key = fields.String(
        required=True, metadata={"description": "The secret. It is not shown again, because only its hash is stored."}
    )


class KeysSchema(Schema):
    keys = fields.List(fields.Nested(KeySchema), required=True)


def dump_key(key: ApiKey) -> dict[str, Any]:
    """The document of a key in a response."""
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": format_moment(key.created_at),
        "expires_at": key.expires_at and format_moment(key.expires_at),
        "last_used_at": key.last_used_at and format_moment(key.last_used_at),
    }
