"""The responses of the fast path, as bytes. They equal those of the application path; a test compares the two."""

from http import HTTPStatus
from typing import Final

from services.resolver.pages.texts import PAGE_OF_STATUS
from services.resolver.redirects.decision import Redirect, cache_control
from shared.domain.errors import LinkGone, LinkNotFound
from shared.domain.models import REDIRECT_STATUSES
from shared.http import problems

_REQUEST_ID: Final = "{request_id}".ljust(32, ".")
"""Stands for a request's id in a rendered response, and is as long."""


class Responses:
    """The responses of one instance."""

    def __init__(self, instance_id: str) -> None:
        self._instance_id = instance_id
        self._around = {
            status: (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nLocation: ".encode(),
                f"\r\nCache-Control: {cache_control(status)}\r\nX-Robots-Tag: noindex\r\n"
                f"X-Upstream: {instance_id}\r\nContent-Length: 0\r\n\r\n".encode(),
            )
            for status in REDIRECT_STATUSES
        }
        self._rendered: dict[tuple[type, str, bool], tuple[int, bytes]] = {}

    def redirect(self, redirect: Redirect) -> bytes:
        """The response of a redirect. Its URL holds nothing that could end a header (`route_records.decode`)."""
        before, after = self._around[redirect.status]
        return before + redirect.url.encode() + after

    def refusal(self, error: LinkNotFound | LinkGone, request_id: str, accept: str) -> tuple[int, bytes]:
        """The status and the response of a refusal: a page where a person reads it, else a problem document."""
        key = (type(error), error.detail, "text/html" in accept)
        if key not in self._rendered:  # a handful: the details are constants of `decision.py`
            self._rendered[key] = self._render(error, as_page=key[2])
        status, rendered = self._rendered[key]
        return status, rendered.replace(_REQUEST_ID.encode(), request_id.encode())

    def _render(self, error: LinkNotFound | LinkGone, *, as_page: bool) -> tuple[int, bytes]:
        problem = problems.of_error(error)
        status = problem.kind.status
        rendered = problems.render_problem(
            problem, _REQUEST_ID, PAGE_OF_STATUS[status] if as_page else None, varies=True
        )
        headers = {
            **rendered.headers,
            "Content-Type": rendered.content_type,
            "Content-Length": str(len(rendered.body)),
            "X-Request-ID": _REQUEST_ID,
            "X-Upstream": self._instance_id,
        }
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            *(f"{key}: {value}" for key, value in headers.items()),
        ]
        return status, "\r\n".join(lines).encode() + b"\r\n\r\n" + rendered.body
