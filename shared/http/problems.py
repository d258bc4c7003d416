"""Everything a client can be told when something is wrong, on one page (RFC 9457)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from shared.domain import errors

CONTENT_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A kind of problem: its slug in `type`, its title, its HTTP status."""

    slug: str
    title: str
    status: int


_STORE_UNAVAILABLE: Final = ProblemType("store-unavailable", "Try again shortly", 503)

CATALOGUE: Final[Mapping[type[errors.BoltLinkError], ProblemType]] = {
    errors.InvalidInput: ProblemType("invalid-input", "A field is wrong", 422),
    errors.MalformedJson: ProblemType("malformed-json", "The body is no JSON", 400),
    errors.WrongContentType: ProblemType("wrong-content-type", "The body must be JSON", 415),
    errors.BodyTooLarge: ProblemType("body-too-large", "The body is too large", 413),
    errors.LinkNotFound: ProblemType("link-not-found", "No such link", 404),
    errors.LinkGone: ProblemType("link-gone", "This link is no longer available", 410),
    errors.CodeTaken: ProblemType("code-taken", "Code already in use", 409),
    errors.ExternalIdTaken: ProblemType("external-id-taken", "External id already in use", 409),
    errors.LinkChanged: ProblemType("link-changed", "The link was changed meanwhile", 412),
    errors.IdempotencyKeyReused: ProblemType("idempotency-key-reused", "Idempotency-Key used for another request", 422),
    errors.KeyNotFound: ProblemType("key-not-found", "No such key", 404),
    errors.Unauthenticated: ProblemType("unauthenticated", "A valid API key is needed", 401),
    errors.Forbidden: ProblemType("forbidden", "The API key does not allow this", 403),
    errors.TooManyRequests: ProblemType("too-many-requests", "Too many requests", 429),
    errors.StoreUnavailable: _STORE_UNAVAILABLE,
    errors.StoreRefused: _STORE_UNAVAILABLE,
}

RETRY_AFTER_SECONDS: Final = 2
"""What a client is told to wait when a store is away."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One answer that says what went wrong."""

    kind: ProblemType
    detail: str = ""
    faults: Mapping[str, Sequence[str]] | None = None
    headers: Mapping[str, str] | None = None

    def document(self, request_id: str) -> dict[str, Any]:
        """The body that a program gets."""
        document: dict[str, Any] = {
            "type": f"/problems/{self.kind.slug}",
            "title": self.kind.title,
            "status": self.kind.status,
            "request_id": request_id,
        }
        if self.detail:
            document["detail"] = self.detail
        if self.faults is not None:
            document["errors"] = [
                {"field": field, "message": message} for field, messages in self.faults.items() for message in messages
            ]
        return document


def of_error(error: errors.BoltLinkError) -> Problem:
    """The answer to an expected failure."""
    headers: dict[str, str] = {}
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="BoltLink"'
    elif isinstance(error, errors.StoreUnavailable):
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    elif isinstance(error, errors.TooManyRequests):
        headers |= {"Retry-After": str(error.retry_after), **error.headers}
    return Problem(
        kind=CATALOGUE[type(error)],
        detail=error.detail,
        faults=error.faults if isinstance(error, errors.InvalidInput) else None,
        headers=headers,
    )


def of_http_error(error: web.HTTPException) -> Problem:
    """The answer to what aiohttp itself refuses: no such path, no such method. Its headers, such as Allow, are kept."""
    if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return of_error(errors.BodyTooLarge())
    kept = {
        name: value for name, value in error.headers.items() if name.lower() not in ("content-type", "content-length")
    }
    return of_status(error.status, kept)


def of_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """The answer to what HTTP itself has a status for, and we have nothing to add to."""
    phrase = HTTPStatus(status).phrase
    return Problem(kind=ProblemType(phrase.lower().replace(" ", "-"), phrase, status), headers=headers)


def of_fault() -> Problem:
    """The answer to a fault of ours: nothing for the client but the request's id, by which the log can be searched."""
    return Problem(kind=ProblemType("internal-error", "Something went wrong on our side", 500))


@dataclass(frozen=True, slots=True)
class Rendered:
    """A problem on its way to a client."""

    headers: Mapping[str, str]
    content_type: str
    body: bytes


def render_problem(problem: Problem, identity: str, html: str | None, *, varies: bool) -> Rendered:
    """A problem as a document, or as a page where there is one; `varies`: whether others may get the other form."""
    headers = {"Cache-Control": "no-store", **(problem.headers or {})}
    if varies:
        headers["Vary"] = "Accept"
    if html is not None:
        return Rendered(headers, "text/html; charset=utf-8", html.replace("{request_id}", identity).encode())
    body = json.dumps(problem.document(identity)).encode()  # ASCII: it may quote half a surrogate pair
    return Rendered(headers, CONTENT_TYPE, body)
