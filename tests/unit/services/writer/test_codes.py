import re
from itertools import cycle

import pytest

from services.writer.codes import ALPHABET, LENGTH, RESERVED, TRIES, candidates, is_reserved
from shared.schemas.links import CODE_PATTERN


def test_a_wanted_code_is_the_only_candidate() -> None:
    assert list(candidates("abc")) == ["abc"]


def test_without_a_wish_there_are_a_few_candidates() -> None:
    assert len(list(candidates(None))) == TRIES


def test_every_character_of_a_code_is_chosen_from_the_alphabet() -> None:
    chosen = cycle("abcdefg")

    def choose(alphabet: str) -> str:
        assert alphabet == ALPHABET
        return next(chosen)

    assert list(candidates(None, choose)) == ["abcdefg"] * TRIES


def test_a_random_code_has_seven_characters_of_base_62() -> None:
    assert (len(ALPHABET), len(set(ALPHABET)), LENGTH) == (62, 62, 7)
    assert all(re.fullmatch(r"[A-Za-z0-9]{7}", code) for code in candidates(None))


def test_random_codes_differ() -> None:
    codes = [code for _ in range(100) for code in candidates(None)]
    assert len(set(codes)) == len(codes)


def test_a_random_code_may_be_wished_for_too() -> None:
    assert all(re.match(CODE_PATTERN, code) for code in candidates(None))


@pytest.mark.parametrize("code", ["links", "LINKS", "Links", "health", "stats", "docs", "robots"])
def test_a_word_of_ours_is_reserved_in_any_case(code: str) -> None:
    assert is_reserved(code)


@pytest.mark.parametrize("code", ["link", "links1", "my-links", "Health-2", "abc"])
def test_other_words_are_free(code: str) -> None:
    assert not is_reserved(code)


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_a_reserved_word_is_written_as_it_is_compared(word: str) -> None:
    assert word == word.lower()
