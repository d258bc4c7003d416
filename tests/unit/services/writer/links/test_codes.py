import re

import pytest

from services.writer.links.codes import ALPHABET, LENGTH, RESERVED, is_reserved, random_code
from shared.domain.codes import CODE_PATTERN


@pytest.mark.parametrize(
    ("number", "code"),
    [(0, ALPHABET[0] * LENGTH), (62**7 - 1, ALPHABET[-1] * LENGTH), (1 + 62 * 2, "bcaaaaa"), (61 * 62**6, "aaaaaa9")],
)
def test_every_number_makes_a_different_code(number: int, code: str) -> None:
    assert random_code(lambda _: number) == code


def test_the_random_number_is_below_the_number_of_codes() -> None:
    drawn_below: list[int] = []

    def draw(limit: int) -> int:
        drawn_below.append(limit)
        return 0

    random_code(draw)
    assert drawn_below == [62**7]


def test_a_random_code_has_seven_characters_of_base_62() -> None:
    assert (len(ALPHABET), len(set(ALPHABET)), LENGTH) == (62, 62, 7)
    assert re.fullmatch(r"[A-Za-z0-9]{7}", random_code())


def test_random_codes_differ() -> None:
    assert len({random_code() for _ in range(500)}) == 500


def test_a_random_code_may_be_requested_too() -> None:
    assert re.match(CODE_PATTERN, random_code())


@pytest.mark.parametrize("code", ["links", "LINKS", "Links", "health", "stats", "docs", "robots"])
def test_a_reserved_word_is_reserved_in_upper_and_lower_case(code: str) -> None:
    assert is_reserved(code)


@pytest.mark.parametrize("code", ["link", "links1", "my-links", "Health-2", "abc"])
def test_other_words_are_not_reserved(code: str) -> None:
    assert not is_reserved(code)


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_the_reserved_words_are_in_lower_case(word: str) -> None:
    assert word == word.lower()
