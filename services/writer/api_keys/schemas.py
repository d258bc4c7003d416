"""API keys in requests and answers."""

from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates

from shared.domain.models import SCOPES, ApiKey
from shared.schemas.fields import Moment, Text, format_moment


class NewKeySchema(Schema):
    """A key that somebody wants made."""

    name = Text(required=True, validate=validate.Length(min=1, max=128))
    scopes = fields.List(
        fields.String(validate=validate.OneOf(SCOPES)), required=True, validate=validate.Length(min=1, max=len(SCOPES))
    )
    expires_at = Moment(allow_none=True, load_default=None)

    @validates("expires_at")
    def _check_expiry(self, value: datetime | None, data_key: str) -> None:
        if value is not None and value <= datetime.now(UTC):
            raise ValidationError("Must lie in the future.")


class KeySchema(Schema):
    """A key as it is answered: everything but the key itself."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    scopes = fields.List(fields.String(validate=validate.OneOf(SCOPES)), required=True)
    created_at = Moment(required=True)
    expires_at = Moment(required=True, allow_none=True)
    last_used_at = Moment(required=True, allow_none=True, metadata={"description": "To the minute."})


class MadeKeySchema(KeySchema):
    """The only answer that holds the key itself."""

    key = fields.String(required=True, metadata={"description": "Shown this once; only its hash is kept."})


class KeysSchema(Schema):
    keys = fields.List(fields.Nested(KeySchema), required=True)


def dump_key(key: ApiKey) -> dict[str, Any]:
    """A key as it is answered."""
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": format_moment(key.created_at),
        "expires_at": key.expires_at and format_moment(key.expires_at),
        "last_used_at": key.last_used_at and format_moment(key.last_used_at),
    }
