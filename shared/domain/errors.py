"""What can go wrong, in the words of the domain. No HTTP here: `shared/http/problems.py` has the answers."""

from collections.abc import Mapping, Sequence


class BoltLinkError(Exception):
    """An expected failure whose text may be shown to the client."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class InvalidInput(BoltLinkError):
    """One or more fields break a rule; `faults` maps each field to everything that is wrong with it."""

    def __init__(self, faults: Mapping[str, Sequence[str]]) -> None:
        super().__init__("Some fields are wrong; see errors.")
        self.faults = faults


class MalformedJson(BoltLinkError):
    """The body is no JSON document."""


class WrongContentType(BoltLinkError):
    """The body is declared as something else than JSON."""


class BodyTooLarge(BoltLinkError):
    """The body is longer than the service accepts."""


class LinkNotFound(BoltLinkError):
    """No such link, or one that does not lead anywhere for now."""


class LinkGone(BoltLinkError):
    """The link led somewhere once and leads nowhere any more."""


class CodeTaken(BoltLinkError):
    """The wanted code belongs to another link."""


class ExternalIdTaken(BoltLinkError):
    """The client's own name is already the name of another link."""


class LinkChanged(BoltLinkError):
    """Somebody changed the link since the client read it."""


class IdempotencyKeyReused(BoltLinkError):
    """The same Idempotency-Key came with another request."""


class KeyNotFound(BoltLinkError):
    """No such API key."""


class Unauthenticated(BoltLinkError):
    """No API key, or none that is valid."""


class Forbidden(BoltLinkError):
    """The API key lacks the scope that the call needs."""


class TooManyRequests(BoltLinkError):
    """The key or the address asked more often than it may."""

    def __init__(self, detail: str, retry_after: int, headers: Mapping[str, str]) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.headers = headers


class StoreUnavailable(BoltLinkError):
    """Postgres or Redis did not answer in time.

    `contended`: Postgres undid the transaction for another one that wanted the same; it may be tried again at once.
    """

    def __init__(self, detail: str = "", *, contended: bool = False) -> None:
        super().__init__(detail)
        self.contended = contended


class StoreRefused(StoreUnavailable):
    """Redis replied that it does not take a write, as when it is full. It still reads, so it is not unavailable."""


class UniqueViolation(Exception):
    """A value is already taken; `constraint` names the index that says so. Repositories turn it into a domain error."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class ReferenceGone(Exception):
    """A row that another one has to refer to is gone. Repositories turn it into what that means."""


class SettingsError(Exception):
    """One or more settings are missing or wrong; the text lists them all."""
