"""Codes, and the order in which they are asked for."""

from collections import Counter
from pathlib import Path

import pytest

from shared.domain.codes import is_code
from tests.bench.workload import DRAWS, codes, write_paths, zipf


def test_codes_differ_and_are_the_same_every_time() -> None:
    found = codes(1_000)

    assert len(set(found)) == 1_000
    assert found == codes(1_000)
    assert all(is_code(code) for code in found)


def test_more_codes_begin_with_the_fewer() -> None:
    assert codes(2_000)[:1_000] == codes(1_000)


def test_codes_of_another_kind_are_others() -> None:
    assert not set(codes(1_000)) & set(codes(1_000, kind="missing"))


def test_the_order_is_the_same_every_time() -> None:
    assert zipf(1_000) == zipf(1_000)


def test_the_second_code_is_drawn_half_as_often_as_the_first() -> None:
    drawn = Counter(zipf(1_000))

    assert drawn[0] / drawn[1] == pytest.approx(2, rel=0.1)
    assert drawn[0] / drawn[9] == pytest.approx(10, rel=0.2)


def test_only_codes_that_there_are_are_drawn() -> None:
    drawn = zipf(3)

    assert len(drawn) == DRAWS
    assert set(drawn) == {0, 1, 2}


def test_a_file_of_requests_has_a_path_a_line(tmp_path: Path) -> None:
    lines = write_paths(tmp_path / "hot", ["first", "second"]).read_text().splitlines()

    assert len(lines) == DRAWS
    assert set(lines) == {"/first", "/second"}
