import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.writer.links.targets import (
    FORBIDDEN_SCHEMES,
    MAX_TARGET_LENGTH,
    TargetPolicy,
    _is_forbidden,
    _is_plain_ascii,
    target_policy,
)

_WEB = frozenset({"http", "https"})
_PLAIN = TargetPolicy()


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://example.com/path?q=1#fragment",
        "HTTPS://EXAMPLE.COM/",
        "https://münchen.de/straße?q=ä",
        "https://例え.テスト/",
        "https://xn--mnchen-3ya.de/",
        "https://example.com:8443/",
        "https://example.com./",
        "https://192.0.2.1/",
        "https://[2001:db8::1]/",
        "https://[2001:db8::1]:8443/",
        "https://localhost/",
        "https://under_score.example.com/",
        "https://example.com/user@host",
        "https://example.com/?next=https://other.example/",
        "https://example.com/%20%zz",
        "https://example.com/😀",
        "https://example.com/{braces}|pipe^",
    ],
)
def test_a_valid_target_has_no_fault(url: str) -> None:
    assert _PLAIN.fault(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "ftp://example.com/",
        "mailto:a@example.com",
        "//example.com/",
        "/path",
        "example.com",
        "",
    ],
)
def test_another_scheme_is_refused(url: str) -> None:
    assert _PLAIN.fault(url) == "Must begin with http: or https:."


@pytest.mark.parametrize(
    "char",
    [" ", "\t", "\n", "\r", "\x00", "\x7f", "\x85", "\u00a0", "\u2028", "\u3000", "\ud800", "<", ">", '"', "\\", "`"],
)
@pytest.mark.parametrize("url", ["https://example.com/a{}b", "https://exam{}ple.com/", "{}https://example.com/"])
def test_a_forbidden_character_is_refused(url: str, char: str) -> None:
    fault = _PLAIN.fault(url.format(char))
    assert fault == "Must not contain spaces, control characters, quotes, angle brackets or backslashes."


@pytest.mark.parametrize(
    "url", ["https://user@example.com/", "https://user:secret@example.com/", "https://@example.com/", "http://a@[::1]/"]
)
def test_credentials_are_refused(url: str) -> None:
    assert _PLAIN.fault(url) == "Must not carry a user name or password."


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "https:///path",
        "https:/example.com",
        "https:example.com",
        "https://:443/",
        "https://?q=1",
        "https://exa%20mple.com/",
        "https://-example.com/",
        "https://a..b/",
        "https://" + "a" * 64 + ".com/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:-1/",
        "https://example.com:http/",
        "https://example.com:８０/",  # noqa: RUF001  # digits of full width on purpose
        "https://[::1/",
        "https://[::g]/",
        "https://[1.2.3.4]/",
        "https://::1/",
        "https://exam℀ple.com/",
    ],
)
def test_an_invalid_host_or_port_is_refused(url: str) -> None:
    assert (_PLAIN.fault(url) or "").startswith("Must be a valid URL: ")


def test_a_target_of_the_maximum_length_is_valid() -> None:
    assert _PLAIN.fault("https://example.com/".ljust(MAX_TARGET_LENGTH, "x")) is None


def test_a_longer_target_is_refused() -> None:
    assert (
        _PLAIN.fault("https://example.com/".ljust(MAX_TARGET_LENGTH + 1, "x")) == "Must have at most 8,192 characters."
    )


def test_a_scheme_may_be_allowed() -> None:
    wide = TargetPolicy(schemes=_WEB | {"mailto", "myapp"})
    assert wide.fault("mailto:jürgen@example.com") is None
    assert wide.fault("myapp://open/this") is None


def test_a_scheme_alone_is_refused() -> None:
    assert TargetPolicy(schemes=frozenset({"mailto"})).fault("mailto:") == "Must have a target after the scheme."


def test_no_setting_allows_a_scheme_that_runs_code_in_a_browser() -> None:
    assert {"javascript", "data", "vbscript", "file"} <= FORBIDDEN_SCHEMES


@pytest.mark.parametrize(
    ("public_url", "target"),
    [
        ("https://sho.rt", "https://sho.rt/abc"),
        ("https://sho.rt", "https://SHO.RT/abc"),
        ("https://sho.rt", "https://sho.rt./abc"),
        ("https://sho.rt", "https://sho.rt:443/abc"),
        ("https://sho.rt", "http://sho.rt:80/abc"),
        ("https://sho.rt", "http://sho.rt/abc"),
        ("https://sho.rt", "https://ｓｈｏ.rt/abc"),  # noqa: RUF001  # full width on purpose
        ("https://kürz.de", "https://xn--krz-hoa.de/abc"),
        ("https://xn--krz-hoa.de", "https://KÜRZ.de/abc"),
        ("http://sho.rt:8080", "http://sho.rt:8080/abc"),
        ("http://localhost:8080", "http://127.0.0.1:8080/abc"),
        ("http://localhost:8080", "http://[::1]:8080/abc"),
        ("http://localhost:8080", "http://[0:0:0:0:0:0:0:1]:8080/abc"),
        ("http://127.0.0.1:8080", "http://LocalHost:8080/abc"),
        ("http://[::1]:8080", "http://localhost:8080/abc"),
        ("http://[::1]:8080", "http://[::1]:8080/abc"),
        ("http://localhost", "http://127.0.0.1:80/abc"),
    ],
)
def test_a_short_url_of_the_installation_is_refused(public_url: str, target: str) -> None:
    assert target_policy(public_url, _WEB).fault(target) == "Must not be a short URL of this installation."


@pytest.mark.parametrize(
    ("public_url", "target"),
    [
        ("https://sho.rt", "https://other.sho.rt/abc"),
        ("https://sho.rt", "https://sho.rt:8443/abc"),
        ("https://sho.rt", "https://example.com/sho.rt"),
        ("http://localhost:8080", "http://localhost:9090/abc"),
        ("http://localhost:8080", "http://localhost/abc"),
        ("https://sho.rt", "http://localhost/abc"),
    ],
)
def test_a_url_of_another_host_is_accepted(public_url: str, target: str) -> None:
    assert target_policy(public_url, _WEB).fault(target) is None


@pytest.mark.parametrize("host", ["old.sho.rt", "OLD.sho.rt", "old.sho.rt."])
def test_a_url_of_an_own_host_is_refused(host: str) -> None:
    assert target_policy("https://sho.rt", _WEB, frozenset({host})).fault("https://old.sho.rt/abc") is not None


def test_an_invalid_own_host_raises_value_error() -> None:
    with pytest.raises(ValueError, match="not a host name"):
        target_policy("https://sho.rt", _WEB, frozenset({"no host"}))


@given(st.text() | st.text().map("https://".__add__) | st.text().map("https://example.com/".__add__))
def test_an_arbitrary_text_has_a_fault_or_none_and_never_raises(url: str) -> None:
    fault = _PLAIN.fault(url)
    assert fault is None or fault.startswith("Must ")


@given(char=st.characters(), place=st.integers(0, 3))
def test_a_plain_ascii_url_has_no_forbidden_character(char: str, place: int) -> None:
    url = "abc"[:place] + char + "abc"[place:]
    assert not (_is_plain_ascii(url) and any(_is_forbidden(one) for one in url))
