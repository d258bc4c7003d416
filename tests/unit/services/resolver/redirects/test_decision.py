from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.resolver.handlers import RequestVisit
from services.resolver.redirects.decision import (
    Decision,
    PermitNeeded,
    Redirect,
    Refusal,
    cache_control,
    decide,
    exhausted,
)
from services.resolver.redirects.query import merge_query
from shared.domain.errors import LinkGone, LinkNotFound
from shared.domain.models import Route

URL = "https://example.com/"
EXPIRED_URL = "https://example.com/over"


def route(**fields: Any) -> Route:
    values: dict[str, Any] = {"version": 1, "link_id": 5, "live": True, "url": URL}
    return Route(**(values | fields))


def redirect_of(route: Route, now: float, query: str) -> Redirect:
    """The redirect of a visit. Raises the error of a refusal."""
    return redirect(decide(route, RequestVisit(query), now))


def redirect(decision: Decision) -> Redirect:
    if isinstance(decision, Refusal):
        raise decision.error
    return decision.redirect if isinstance(decision, PermitNeeded) else decision


def test_a_limited_link_needs_a_permit() -> None:
    decision = decide(route(limited=True), RequestVisit(""), 0.0)
    assert decision == PermitNeeded(Redirect(URL, 302, is_click=True))


@pytest.mark.parametrize("now", [100.0, 99.0])
def test_a_limited_link_outside_of_its_time_needs_no_permit(now: float) -> None:
    fields = {"valid_until": 100.0} if now == 100.0 else {"valid_since": 100.0}
    assert isinstance(decide(route(limited=True, **fields), RequestVisit(""), now), Refusal)


def test_a_live_link_redirects_to_its_target() -> None:
    assert redirect_of(route(), 0.0, "") == Redirect(URL, 302, is_click=True)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_link_redirects_with_its_own_status(status: int) -> None:
    assert redirect_of(route(redirect_status=status), 0.0, "").status == status


def test_a_dead_link_is_not_found() -> None:
    with pytest.raises(LinkNotFound):
        redirect_of(Route(version=1), 0.0, "")


def test_a_dead_link_does_not_redirect_to_its_expired_url() -> None:
    with pytest.raises(LinkNotFound):
        redirect_of(route(live=False, expired_url=EXPIRED_URL), 0.0, "")


def test_a_link_before_valid_since_is_not_found() -> None:
    with pytest.raises(LinkNotFound):
        redirect_of(route(valid_since=100.0), 99.999, "")


def test_a_link_redirects_from_valid_since_on() -> None:
    assert redirect_of(route(valid_since=100.0), 100.0, "").url == URL


def test_a_link_redirects_until_just_before_valid_until() -> None:
    assert redirect_of(route(valid_until=100.0), 99.999, "").url == URL


@pytest.mark.parametrize("now", [100.0, 1e10])
def test_a_link_is_gone_from_valid_until_on(now: float) -> None:
    with pytest.raises(LinkGone):
        redirect_of(route(valid_until=100.0), now, "")


def test_a_link_that_expired_at_the_epoch_is_gone() -> None:
    with pytest.raises(LinkGone):
        redirect_of(route(valid_until=0.0), 1.0, "")


@pytest.mark.parametrize("conditions", [{"valid_since": 100.0}, {"valid_until": 10.0}])
def test_a_link_outside_of_its_time_redirects_to_expired_url_without_a_click(conditions: dict[str, float]) -> None:
    link_route = route(expired_url=EXPIRED_URL, redirect_status=301, **conditions)
    assert redirect_of(link_route, 50.0, "") == Redirect(EXPIRED_URL, 302, is_click=False)


def test_an_exhausted_link_is_gone() -> None:
    with pytest.raises(LinkGone):
        redirect(exhausted(route(limited=True)))


def test_an_exhausted_link_redirects_to_expired_url_without_a_click() -> None:
    assert exhausted(route(limited=True, expired_url=EXPIRED_URL)) == Redirect(EXPIRED_URL, 302, is_click=False)


def test_a_query_is_not_forwarded_by_default() -> None:
    assert redirect_of(route(), 0.0, "a=1").url == URL


def test_a_query_is_forwarded_if_the_link_says_so() -> None:
    assert redirect_of(route(forward_query=True), 0.0, "a=1").url == f"{URL}?a=1"


def test_without_a_query_the_target_is_unchanged() -> None:
    link_route = route(url=f"{URL}?&a=1#f", forward_query=True)
    assert redirect_of(link_route, 0.0, "").url == f"{URL}?&a=1#f"


def test_a_query_is_not_forwarded_to_expired_url() -> None:
    link_route = route(expired_url=EXPIRED_URL, valid_until=10.0, forward_query=True)
    assert redirect_of(link_route, 50.0, "a=1").url == EXPIRED_URL


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, "private, max-age=90"),
        (302, "private, no-store"),
        (307, "private, no-store"),
        (308, "private, max-age=90"),
    ],
)
def test_no_redirect_is_cached_for_long(status: int, expected: str) -> None:
    assert cache_control(status) == expected


@pytest.mark.parametrize(
    ("url", "query", "merged"),
    [
        ("https://e.com/", "a=1", "https://e.com/?a=1"),
        ("https://e.com", "a=1", "https://e.com?a=1"),
        ("https://e.com/?", "a=1", "https://e.com/?a=1"),
        ("https://e.com/?b=2", "a=1", "https://e.com/?b=2&a=1"),
        ("https://e.com/?a=2", "a=1", "https://e.com/?a=1"),
        ("https://e.com/?a=2&a=3&b=4", "a=1&a=0", "https://e.com/?b=4&a=1&a=0"),
        ("https://e.com/?a", "a=1", "https://e.com/?a=1"),
        ("https://e.com/?%61=2", "a=1", "https://e.com/?a=1"),
        ("https://e.com/?a+b=2", "a%20b=1", "https://e.com/?a%20b=1"),
        ("https://e.com/?A=2", "a=1", "https://e.com/?A=2&a=1"),
        ("https://e.com/?b=2#f?a=3", "a=1", "https://e.com/?b=2&a=1#f?a=3"),
        ("https://e.com/#f", "a=1", "https://e.com/?a=1#f"),
        ("https://e.com/", "a=%zz&b=%C3%BC", "https://e.com/?a=%zz&b=%C3%BC"),
        ("https://e.com/", "a=ü", "https://e.com/?a=%C3%BC"),
        ("https://e.com/", "a=\udcfc", "https://e.com/?a=%FC"),
        ("https://e.com/", "a=1?b=2", "https://e.com/?a=1?b=2"),
    ],
)
def test_a_query_is_merged_and_the_visitors_values_win(url: str, query: str, merged: str) -> None:
    assert merge_query(url, query) == merged


_NAMES = st.sampled_from(["a", "b", "ü", "a b", "a&b", "=", "", "#", "?"])
_PAIRS = st.lists(st.tuples(_NAMES, st.text(st.characters(exclude_categories=["Cs"]), max_size=5)), max_size=6)


@given(own=_PAIRS, given=_PAIRS.filter(bool), fragment=st.sampled_from(["", "#top", "#a?b=1"]))
def test_a_merged_query_has_all_parameters_of_the_visitor_and_the_other_ones_of_the_target(
    own: list[tuple[str, str]], given: list[tuple[str, str]], fragment: str
) -> None:
    url = f"https://example.com/path?{urlencode(own)}{fragment}"
    parts = urlsplit(merge_query(url, urlencode(given)))
    names = {name for name, _ in given}
    kept = [(name, value) for name, value in own if name not in names]
    assert parse_qsl(parts.query, keep_blank_values=True) == kept + given
    assert (parts.path, parts.fragment) == ("/path", fragment.removeprefix("#"))


@given(st.text(min_size=1))
def test_a_target_with_any_query_is_printable_ascii(query: str) -> None:
    url = merge_query(URL, query.encode("utf-8", "replace").decode("utf-8", "surrogateescape"))
    assert all("!" <= char <= "~" for char in url)
