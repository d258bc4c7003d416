"""The catalogue of problems, and the responses for them (RFC 9457)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from shared.domain import errors
from shared.http.caching import NO_STORE

CONTENT_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A type of problem: its slug (the last part of `type`), its title, its HTTP status."""

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
    errors.StoreFull: _STORE_UNAVAILABLE,
}

RETRY_AFTER_SECONDS: Final = 2
"""The `Retry-After` of a response when a store is unavailable."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """A problem that is reported to a client; `faults` maps each wrong field to its faults."""

    kind: ProblemType
    detail: str = ""
    faults: Mapping[str, Sequence[str]] | None = None
    headers: Mapping[str, str] | None = None

    def document(self, request_id: str) -> dict[str, Any]:
        """The problem document, the body of the response to a program."""
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
    """The problem for an expected failure."""
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
    """The problem for an error of aiohttp, such as an unknown path or method. Its headers, such as Allow, are kept."""
    if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return of_error(errors.BodyTooLarge())
    kept = {
        name: value for name, value in error.headers.items() if name.lower() not in ("content-type", "content-length")
    }
    return of_status(error.status, kept)


def of_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """The problem for an HTTP status, with the phrase of the status as its title."""
    phrase = HTTPStatus(status).phrase
    return Problem(kind=ProblemType(phrase.lower().replace(" ", "-"), phrase, status), headers=headers)


def internal_error() -> Problem:
    """The problem for an unexpected exception. It reveals only the request id, under which the log has the details."""
    return Problem(kind=ProblemType("internal-error", "Something went wrong on our side", 500))


@dataclass(frozen=True, slots=True)
class Rendered:
    """The headers and the body of the response for a problem."""

    headers: Mapping[str, str]
    content_type: str
    body: bytes


def render_problem(problem: Problem, identity: str, html: str | None, *, varies: bool) -> Rendered:
    """Render a problem as the page `html`, or as a problem document when there is no page.

    `varies`: whether the choice depends on the `Accept` header of the request.
    """
    headers = {"Cache-Control": NO_STORE, **(problem.headers or {})}
    if varies:
        headers["Vary"] = "Accept"
    if html is not None:
        return Rendered(headers, "text/html; charset=utf-8", html.replace("{request_id}", identity).encode())
    body = json.dumps(problem.document(identity)).encode()  # ASCII, because it may quote half a surrogate pair
    return Rendered(headers, CONTENT_TYPE, body)
