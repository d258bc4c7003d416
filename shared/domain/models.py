"""The model: frozen values, under the names that `docs/glossary.md` defines."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final, Literal, NamedTuple, get_args

from shared.domain.codes import DEFAULT_DOMAIN, LinkName

LinkStatus = Literal["active", "scheduled", "expired", "exhausted", "disabled", "deleted"]
LINK_STATUSES: Final[tuple[LinkStatus, ...]] = get_args(LinkStatus)

LINK_SORTS: Final = ("created_at", "updated_at", "clicks", "code")
"""The fields by which links can be sorted."""

REDIRECT_STATUSES: Final = (301, 302, 307, 308)

Scope = Literal["links:read", "links:write", "stats:read", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

MAX_API_KEY_LENGTH: Final = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkOptions:
    """The properties of a link that its owner sets and may change."""

    url: str
    title: str | None = None
    notes: str | None = None
    tags: tuple[str, ...] = ()
    redirect_status: int = 302
    valid_since: datetime | None = None
    valid_until: datetime | None = None
    max_clicks: int | None = None
    expired_url: str | None = None
    forward_query: bool = False
    enabled: bool = True
    external_id: str | None = None


OPTION_NAMES: Final = tuple(field.name for field in fields(LinkOptions))


@dataclass(frozen=True, kw_only=True, slots=True)
class NewLink:
    """A requested link: its options, its domain, and its code (None: any free code)."""

    options: LinkOptions
    code: str | None = None
    domain: str = DEFAULT_DOMAIN


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A link as stored in Postgres. `version` grows with every change, even across a purge of its code."""

    id: int
    domain: str
    code: str
    options: LinkOptions
    status: LinkStatus
    clicks: int
    created_at: datetime
    updated_at: datetime
    version: int

    @property
    def name(self) -> LinkName:
        """The domain and the code."""
        return LinkName(self.domain, self.code)


class Route(NamedTuple):
    """The part of a link that a resolver needs. `live` is false for a deleted, disabled or unknown link.

    The fields after `redirect_status` are the conditions of the link (`CONDITIONS`); a plain link has none.

    A tuple, because a resolver makes one for nearly every redirect, and a frozen dataclass takes twice as long to make.
    """

    version: int
    link_id: int = 0
    live: bool = False
    url: str = ""
    redirect_status: int = 302
    valid_since: float | None = None
    valid_until: float | None = None
    limited: bool = False
    expired_url: str | None = None
    forward_query: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether every visit is redirected to `url`, whoever the visitor is and whenever it happens."""
        return self.live and self[_FIRST_CONDITION:] == _NO_CONDITIONS


_FIRST_CONDITION: Final[int] = Route._fields.index("redirect_status") + 1

CONDITIONS: Final = Route._fields[_FIRST_CONDITION:]
"""The names of the fields that are conditions of a link."""

_NO_CONDITIONS: Final = tuple(Route._field_defaults[name] for name in CONDITIONS)


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """An API key without its secret, of which only a hash is stored."""

    id: int
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ClickEvent:
    """One redirect as the resolver saw it. A retry has the same `id` and the same `at_ms` (Unix time, milliseconds)."""

    id: str
    at_ms: int
    link_id: int
    address: str
    user_agent: str
    referrer: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Click:
    """One click as it is counted: a click event after parsing and anonymization."""

    id: str
    at: datetime
    link_id: int
    visitor: str
    bot: bool
    referrer: str
    browser: str
    os: str
    device: str
