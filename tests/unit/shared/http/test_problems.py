from collections.abc import Iterator

import pytest
from aiohttp import web

from shared.domain import errors
from shared.http import problems
from shared.http.problems import CATALOGUE, Problem


def _children(kind: type[errors.BoltLinkError]) -> Iterator[type[errors.BoltLinkError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _children(child)


def test_every_error_has_a_problem_type() -> None:
    assert set(CATALOGUE) == set(_children(errors.BoltLinkError))


def test_every_problem_type_has_its_own_slug() -> None:
    slugs = [kind.slug for kind in set(CATALOGUE.values())]
    assert sorted(slugs) == sorted(set(slugs))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.MalformedJson("x"), 400),
        (errors.Unauthenticated("x"), 401),
        (errors.Forbidden("x"), 403),
        (errors.LinkNotFound("x"), 404),
        (errors.CodeTaken("x"), 409),
        (errors.LinkGone("x"), 410),
        (errors.LinkChanged("x"), 412),
        (errors.BodyTooLarge("x"), 413),
        (errors.WrongContentType("x"), 415),
        (errors.InvalidInput({}), 422),
        (errors.IdempotencyKeyReused("x"), 422),
        (errors.StoreUnavailable("x"), 503),
    ],
)
def test_an_error_has_the_status_that_clients_are_promised(error: errors.BoltLinkError, status: int) -> None:
    assert problems.of_error(error).kind.status == status


def test_a_problem_document_follows_rfc_9457() -> None:
    assert problems.of_error(errors.CodeTaken("The code abc is already in use.")).document("5" * 32) == {
        "type": "/problems/code-taken",
        "title": "Code already in use",
        "status": 409,
        "detail": "The code abc is already in use.",
        "request_id": "5" * 32,
    }


def test_a_problem_without_detail_has_no_detail_field() -> None:
    assert "detail" not in Problem(kind=CATALOGUE[errors.LinkGone]).document("")


def test_every_fault_of_every_field_is_reported() -> None:
    problem = problems.of_error(errors.InvalidInput({"url": ["Too long.", "No host."], "code": ["Reserved."]}))
    assert problem.document("")["errors"] == [
        {"field": "url", "message": "Too long."},
        {"field": "url", "message": "No host."},
        {"field": "code", "message": "Reserved."},
    ]


def test_a_missing_key_is_reported_with_www_authenticate() -> None:
    headers = problems.of_error(errors.Unauthenticated("x")).headers
    assert headers == {"WWW-Authenticate": 'Bearer realm="BoltLink"'}


def test_an_unavailable_store_is_reported_with_retry_after() -> None:
    assert problems.of_error(errors.StoreUnavailable("x")).headers == {"Retry-After": "2"}


def test_a_wrong_method_keeps_the_allow_header() -> None:
    problem = problems.of_http_error(web.HTTPMethodNotAllowed("PUT", ["GET", "HEAD"]))
    assert (problem.kind.slug, problem.headers) == ("method-not-allowed", {"Allow": "GET,HEAD"})


def test_a_body_that_aiohttp_refuses_as_too_large_is_body_too_large() -> None:
    problem = problems.of_http_error(web.HTTPRequestEntityTooLarge(1_024, 2_048))
    assert problem.kind == CATALOGUE[errors.BodyTooLarge]


def test_an_internal_error_reveals_only_the_request_id() -> None:
    assert problems.internal_error().document("5" * 32) == {
        "type": "/problems/internal-error",
        "title": "Something went wrong on our side",
        "status": 500,
        "request_id": "5" * 32,
    }
