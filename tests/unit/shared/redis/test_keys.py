import pytest

from shared.domain.codes import DEFAULT_DOMAIN
from shared.redis.keys import domain_and_code, route


@pytest.mark.parametrize(
    ("domain", "code"), [(DEFAULT_DOMAIN, "abc"), ("go.example.com", "a-b_c"), (DEFAULT_DOMAIN, "r")]
)
def test_a_records_key_tells_whose_it_is(domain: str, code: str) -> None:
    assert domain_and_code(route(domain, code).encode()) == (domain, code)


def test_codes_of_two_domains_have_keys_of_their_own() -> None:
    assert route(DEFAULT_DOMAIN, "abc") != route("go.example.com", "abc")


def test_the_key_of_a_random_code_fits_into_what_redis_gives_the_smallest() -> None:
    assert len(route(DEFAULT_DOMAIN, "AbCdEf1")) <= 13  # 16 bytes with what Redis adds
