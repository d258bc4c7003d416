"""Codes, and the order in which they are requested."""

from collections import Counter
from pathlib import Path

import pytest

from shared.domain.codes import is_code
from tests.bench.workload import DRAWS, codes, write_paths, zipf


def test_codes_are_different_from_each_other_and_the_same_in_every_run() -> None:
    found = codes(1_000)

    assert len(set(found)) == 1_000
    assert found == codes(1_000)
    assert all(is_code(code) for code in found)


def test_a_longer_list_of_codes_starts_with_the_shorter_list() -> None:
    assert codes(2_000)[:1_000] == codes(1_000)


def test_different_kinds_have_different_codes() -> None:
    assert not set(codes(1_000)) & set(codes(1_000, kind="missing"))


def test_the_order_is_the_same_in_every_run() -> None:
    assert zipf(1_000) == zipf(1_000)


def test_the_second_code_is_drawn_half_as_often_as_the_first() -> None:
    drawn = Counter(zipf(1_000))

    assert drawn[0] / drawn[1] == pytest.approx(2, rel=0.1)
    assert drawn[0] / drawn[9] == pytest.approx(10, rel=0.2)


def test_every_drawn_place_is_below_the_count() -> None:
    drawn = zipf(3)

    assert len(drawn) == DRAWS
    assert set(drawn) == {0, 1, 2}


def test_a_file_of_requests_has_one_path_in_each_line(tmp_path: Path) -> None:
    lines = write_paths(tmp_path / "hot", ["first", "second"]).read_text().splitlines()

    assert len(lines) == DRAWS
    assert set(lines) == {"/first", "/second"}


def test_requests_with_a_query_have_the_same_paths_and_a_query_each(tmp_path: Path) -> None:
    plain = write_paths(tmp_path / "plain", ["first", "second"]).read_text().splitlines()
    lines = write_paths(tmp_path / "query", ["first", "second"], with_query=True).read_text().splitlines()

    assert [line.partition("?")[0] for line in lines] == plain
    assert len({line.partition("?q=")[2] for line in lines}) == DRAWS
