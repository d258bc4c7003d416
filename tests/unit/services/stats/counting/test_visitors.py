import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats.counting.visitors import Agent, agent_of, referrer_of, visitor_of

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"


@pytest.mark.parametrize(
    ("user_agent", "agent"),
    [
        (f"{WINDOWS} Gecko/20100101 Firefox/128.0", Agent("Firefox", "Windows", "desktop", bot=False)),
        (
            f"{WINDOWS} AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
            Agent("Chrome", "Windows", "desktop", bot=False),
        ),
        (
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
                "Version/17.5 Safari/605.1.15"
            ),
            Agent("Safari", "Mac OS X", "desktop", bot=False),
        ),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
                "Version/17.5 Mobile/15E148 Safari/604.1"
            ),
            Agent("Mobile Safari", "iOS", "mobile", bot=False),
        ),
        (
            (
                "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
                "Version/17.5 Mobile/15E148 Safari/604.1"
            ),
            Agent("Mobile Safari", "iOS", "tablet", bot=False),
        ),
        (
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
                "Chrome/126.0.0.0 Mobile Safari/537.36"
            ),
            Agent("Chrome Mobile", "Android", "mobile", bot=False),
        ),
        (
            (
                "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) "
                "Chrome/126.0.0.0 Safari/537.36"
            ),
            Agent("Chrome", "Android", "tablet", bot=False),
        ),
        (
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            Agent("Googlebot", "Other", "bot", bot=True),
        ),
        ("", Agent("unknown", "unknown", "unknown", bot=False)),
        ("???", Agent("unknown", "unknown", "unknown", bot=False)),
    ],
)
def test_a_user_agent_shows_the_software_of_the_visitor(user_agent: str, agent: Agent) -> None:
    found = agent_of(user_agent)
    if agent.bot:
        found = Agent(found.browser, agent.os, found.device, found.bot)  # the operating system of a bot does not matter
    assert found == agent


@pytest.mark.parametrize("user_agent", ["curl/8.5.0", "python-requests/2.32", "Wget/1.21"])
def test_a_program_is_no_bot(user_agent: str) -> None:
    assert not agent_of(user_agent).bot


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        ("", "direct"),
        ("https://example.com/path?secret=1", "example.com"),
        ("https://EXAMPLE.com", "example.com"),
        ("https://www.example.com/", "example.com"),
        ("https://news.example.com:8443/", "news.example.com"),
        ("https://user:secret@example.com/", "example.com"),
        ("https://münchen.de/", "xn--mnchen-3ya.de"),
        ("android-app://com.example.news/", "com.example.news"),
        ("example.com", "unknown"),
        ("about:blank", "unknown"),
        ("https://[::1", "unknown"),
        ("https://a b/", "unknown"),
        ("https://exam\N{REPLACEMENT CHARACTER}ple.com/", "unknown"),
    ],
)
def test_only_the_host_of_a_referrer_is_kept(referrer: str, host: str) -> None:
    assert referrer_of(referrer) == host


@given(st.text())
def test_any_header_gives_some_value(referrer: str) -> None:
    assert referrer_of(referrer)


def test_a_visitor_has_one_pseudonym() -> None:
    assert visitor_of(b"secret", "192.0.2.1", "curl/8") == visitor_of(b"secret", "192.0.2.1", "curl/8")


@pytest.mark.parametrize(
    ("secret", "address", "user_agent"),
    [(b"other", "192.0.2.1", "curl/8"), (b"secret", "192.0.2.2", "curl/8"), (b"secret", "192.0.2.1", "curl/9")],
)
def test_another_visitor_has_another_pseudonym(secret: bytes, address: str, user_agent: str) -> None:
    assert visitor_of(secret, address, user_agent) != visitor_of(b"secret", "192.0.2.1", "curl/8")


def test_a_pseudonym_has_16_hexadecimal_digits() -> None:
    assert len(bytes.fromhex(visitor_of(b"secret", "192.0.2.1", "curl/8"))) == 8
