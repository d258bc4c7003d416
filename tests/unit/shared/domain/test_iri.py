import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.iri import ascii_host, authority, to_uri


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.Com", "example.com"),
        ("münchen.de", "xn--mnchen-3ya.de"),
        ("MÜNCHEN.de", "xn--mnchen-3ya.de"),
        ("faß.de", "xn--fa-hia.de"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("ｅｘａｍｐｌｅ.com", "example.com"),  # noqa: RUF001  # full width on purpose
        ("with_underscore.example.com", "with_underscore.example.com"),
        ("example.com.", "example.com."),
        ("127.0.0.1", "127.0.0.1"),
        ("a" * 63 + ".de", "a" * 63 + ".de"),
    ],
)
def test_a_host_name_is_written_in_lower_case_ascii(host: str, name: str) -> None:
    assert ascii_host(host) == name


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "a..b",
        ".example.com",
        "-example.com",
        "example-.com",
        "exa mple.com",
        "exa%6dple.com",
        "a" * 64 + ".de",
        "a." * 127 + "toolong",
        "ü" * 64 + ".de",
        "☃\u200d.de",
        "example.com\n",
    ],
)
def test_an_invalid_host_name_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="not a host name"):
        ascii_host(host)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://sho.rt/abc", "sho.rt"),
        ("http://sho.rt:80/", "sho.rt"),
        ("https://sho.rt:443/", "sho.rt"),
        ("https://sho.rt:80/", "sho.rt:80"),
        ("http://sho.rt:8080", "sho.rt:8080"),
        ("HTTP://SHO.RT:80", "sho.rt"),
        ("http://sho.rt./", "sho.rt"),
        ("http://sho.rt:/", "sho.rt"),
        ("http://münchen.de:8080/ä", "xn--mnchen-3ya.de:8080"),
        ("http://[::1]:8080/", "[::1]:8080"),
    ],
)
def test_an_authority_is_normalized(url: str, name: str) -> None:
    assert authority(url) == name


def test_all_spellings_of_an_ipv6_address_are_one_authority() -> None:
    assert authority("http://[0:0:0:0:0:0:0:1]/") == authority("http://[::1]/")


@pytest.mark.parametrize("url", ["http://sho.rt:99999/", "http://sho.rt:x/", "http://[::1/", "http://"])
def test_a_url_without_a_valid_authority_raises_value_error(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        authority(url)


@pytest.mark.parametrize(
    ("iri", "uri"),
    [
        ("https://example.com/path?q=ü", "https://example.com/path?q=%C3%BC"),
        ("https://münchen.de/straße?q=ä#ö", "https://xn--mnchen-3ya.de/stra%C3%9Fe?q=%C3%A4#%C3%B6"),
        ("https://münchen.de:8080/", "https://xn--mnchen-3ya.de:8080/"),
        ("https://münchen.de/münchen.de", "https://xn--mnchen-3ya.de/m%C3%BCnchen.de"),
        ("https://[::1]/ü", "https://[::1]/%C3%BC"),
        ("https://example.com/%C3%BC/ü", "https://example.com/%C3%BC/%C3%BC"),
        ("https://example.com/😀", "https://example.com/%F0%9F%98%80"),
        ("mailto:jürgen@example.com", "mailto:j%C3%BCrgen@example.com"),
    ],
)
def test_an_iri_becomes_a_uri(iri: str, uri: str) -> None:
    assert to_uri(iri) == uri


@pytest.mark.parametrize(
    "uri",
    ["https://Example.COM/a%2fb?x=1&y=%zz#f", "https://example.com", "mailto:a@b", "https://example.com/a+b'!*()"],
)
def test_an_ascii_target_is_unchanged(uri: str) -> None:
    assert to_uri(uri) == uri


@given(path=st.text(st.characters(exclude_categories=("Cs", "Cc", "Z"))))
def test_a_uri_is_always_printable_ascii(path: str) -> None:
    uri = to_uri(f"https://example.com/{path}")
    assert all("!" <= char <= "~" for char in uri)
