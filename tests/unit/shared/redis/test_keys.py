import pytest

from shared.domain.codes import LinkName, in_default_domain
from shared.redis.keys import name_of, route


@pytest.mark.parametrize(
    "name", [in_default_domain("abc"), LinkName("go.example.com", "a-b_c"), in_default_domain("r")]
)
def test_the_name_of_a_link_can_be_read_from_the_key_of_its_record(name: LinkName) -> None:
    assert name_of(route(name).encode()) == name


def test_the_same_code_in_two_domains_has_two_keys() -> None:
    assert route(in_default_domain("abc")) != route(LinkName("go.example.com", "abc"))


def test_the_key_of_a_random_code_fits_into_the_smallest_block_of_redis() -> None:
    assert len(route(in_default_domain("AbCdEf1"))) <= 13  # 16 bytes with what Redis adds
