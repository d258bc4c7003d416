"""The errors of the domain. They know no HTTP: `shared/http/problems.py` maps them to responses."""

from collections.abc import Mapping, Sequence


class BoltLinkError(Exception):
    """An expected failure whose text may be shown to the client."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class InvalidInput(BoltLinkError):
    """One or more fields break a rule; `faults` maps each field to all of its faults."""

    def __init__(self, faults: Mapping[str, Sequence[str]]) -> None:
        super().__init__("Some fields are wrong; see errors.")
        self.faults = faults


class MalformedJson(BoltLinkError):
    """The body is not a JSON document."""


class WrongContentType(BoltLinkError):
    """The `Content-Type` of the body is not JSON."""


class BodyTooLarge(BoltLinkError):
    """The body is longer than the service accepts."""


class LinkNotFound(BoltLinkError):
    """The link does not exist, or does not redirect at present."""


class LinkGone(BoltLinkError):
    """The link has expired, or its clicks are used up."""


class CodeTaken(BoltLinkError):
    """The requested code belongs to another link."""


class ExternalIdTaken(BoltLinkError):
    """The external id belongs to another link."""


class LinkChanged(BoltLinkError):
    """The link was changed after the client read it."""


class IdempotencyKeyReused(BoltLinkError):
    """The Idempotency-Key was used for a different request before."""


class KeyNotFound(BoltLinkError):
    """The API key does not exist, or is revoked."""


class Unauthenticated(BoltLinkError):
    """The request has no valid API key."""


class Forbidden(BoltLinkError):
    """The API key lacks the scope that the call needs."""


class TooManyRequests(BoltLinkError):
    """The API key or the address has exceeded its rate limit; `retry_after` in seconds."""

    def __init__(self, detail: str, retry_after: int, headers: Mapping[str, str]) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.headers = headers


class StoreUnavailable(BoltLinkError):
    """Postgres or Redis cannot be reached, or did not respond in time.

    `contended`: the transaction lost a conflict about a lock with another one; it can be repeated at once.
    """

    def __init__(self, detail: str = "", *, contended: bool = False) -> None:
        super().__init__(detail)
        self.contended = contended


class StoreFull(StoreUnavailable):
    """Redis is full and refused a write. It is not unavailable: it can still be read, and what it holds is current."""


class UniqueViolation(Exception):
    """A row violates the unique index `constraint`. The caller turns this into an error of the domain."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class ForeignKeyViolation(Exception):
    """A row refers to a row that does not exist any more. The caller decides what that means."""


class SettingsError(Exception):
    """One or more settings are missing or wrong; the message lists all of them."""
