"""The answers of the short way, as bytes. They say what the ordinary way says; a test holds the two together."""

from typing import Final

from services.resolver.pages.texts import PAGE_OF_STATUS
from services.resolver.redirects.decision import cache_control
from shared.domain.errors import LinkNotFound
from shared.http import problems
from shared.http.problems import Rendered, render_problem

_PHRASES: Final = {301: "Moved Permanently", 302: "Found", 307: "Temporary Redirect", 308: "Permanent Redirect"}
_IDENTITY: Final = "{request_id}".ljust(32, ".")
"""Stands for a request's id, and is as long."""


class PlainAnswers:
    """The answers of one instance."""

    def __init__(self, instance_id: str) -> None:
        self._instance_id = instance_id
        self._redirects = {
            str(status).encode(): (
                f"HTTP/1.1 {status} {phrase}\r\nLocation: ".encode(),
                f"\r\nCache-Control: {cache_control(status)}\r\nX-Robots-Tag: noindex\r\n"
                f"X-Upstream: {instance_id}\r\nContent-Length: 0\r\n\r\n".encode(),
            )
            for status, phrase in _PHRASES.items()
        }
        problem = problems.of_error(LinkNotFound("There is no link here."))
        self._document = self._not_found(render_problem(problem, _IDENTITY, None, varies=True))
        self._page = self._not_found(render_problem(problem, _IDENTITY, PAGE_OF_STATUS[404], varies=True))

    def redirect(self, status: bytes, url: bytes) -> bytes | None:
        """A redirect; None for what is no redirect's status, or could not be a header."""
        around = self._redirects.get(status)
        if around is None or b"\n" in url or b"\r" in url:
            return None
        return around[0] + url + around[1]

    def not_found(self, identity: str, accept: str) -> bytes:
        """The 404 of a request: a page where people look, else a document."""
        return (self._page if "text/html" in accept else self._document).replace(_IDENTITY.encode(), identity.encode())

    def _not_found(self, rendered: Rendered) -> bytes:
        headers = {
            **rendered.headers,
            "Content-Type": rendered.content_type,
            "Content-Length": str(len(rendered.body)),
            "X-Request-ID": _IDENTITY,
            "X-Upstream": self._instance_id,
        }
        lines = ["HTTP/1.1 404 Not Found", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + rendered.body
