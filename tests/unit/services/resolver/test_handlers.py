import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from services.resolver.handlers import _event, home, page, robots
from shared.domain.errors import BoltLinkError, Forbidden, LinkGone, LinkNotFound, StoreUnavailable
from shared.http import problems
from shared.process.logging import REQUEST_ID
from shared.redis.click_events import decode


def request(**headers: str) -> web.Request:
    return make_mocked_request(
        "GET", "/abc", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


@pytest.mark.parametrize("error", [LinkNotFound("x"), LinkGone("x"), StoreUnavailable("x")])
def test_a_person_gets_a_page_that_names_the_request(error: BoltLinkError) -> None:
    text = page(request(Accept="text/html,*/*;q=0.8"), problems.of_error(error))
    assert text is not None
    assert "{request_id}" in text


@pytest.mark.parametrize("accept", ["application/json", "*/*", ""])
def test_a_program_gets_no_page(accept: str) -> None:
    assert page(request(Accept=accept), problems.of_error(LinkNotFound("x"))) is None


def test_not_every_problem_has_a_page() -> None:
    assert page(request(Accept="text/html"), problems.of_error(Forbidden("x"))) is None


async def test_no_short_url_is_for_crawlers() -> None:
    assert (await robots(request())).text == "User-agent: *\nDisallow: /\n"


async def test_the_root_path_is_a_page() -> None:
    assert (await home(request())).content_type == "text/html"


def test_a_click_has_the_id_and_the_time_that_nginx_gave_the_request() -> None:
    token = REQUEST_ID.set("5" * 32)
    try:
        event = decode(_event(request(X_Request_Start="1772366400.123", X_Real_IP="192.0.2.1"), 5))
    finally:
        REQUEST_ID.reset(token)
    assert (event.id, event.at_ms, event.link_id, event.address) == ("5" * 32, 1_772_366_400_123, 5, "192.0.2.1")


@pytest.mark.parametrize("start", ["", "soon", "1772366400", "1772366400.1234", "-1772366400.123", "99999999999.123"])
def test_a_time_in_another_format_than_that_of_nginx_is_ignored(start: str) -> None:
    token = REQUEST_ID.set("5" * 32)
    try:
        event = decode(_event(request(X_Request_Start=start), 5))
    finally:
        REQUEST_ID.reset(token)
    assert event.at_ms > 1_772_366_400_123


def test_a_click_has_the_user_agent_and_the_referrer() -> None:
    token = REQUEST_ID.set("5" * 32)
    try:
        event = decode(_event(request(User_Agent="curl/8", Referer="https://example.com/"), 5))
    finally:
        REQUEST_ID.reset(token)
    assert (event.user_agent, event.referrer) == ("curl/8", "https://example.com/")
