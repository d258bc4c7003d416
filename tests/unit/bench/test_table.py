"""The table, and its place in the page."""

from pathlib import Path

import pytest

from tests.bench import table
from tests.bench.figures import Bound, Failed, Figure, Results

AT_LEAST = Bound(direction="at least", must=0.75, wanted=0.9)
AT_MOST = Bound(direction="at most", wanted=250)


def line_of(figure: Figure | Failed) -> str:
    lines = table.rendered(Results(figures=[figure]), []).splitlines()
    (found,) = [line for line in lines if line.startswith("| the figure |")]
    return found


@pytest.mark.parametrize(
    ("value", "measured", "verdict"),
    [
        (0.95, "0.95", "yes, as tried for"),
        (0.8, "0.80", "yes, less than tried for"),
        (0.7, "0.70", "**no**"),
    ],
)
def test_a_line_says_what_must_be_what_was_tried_for_and_what_is(value: float, measured: str, verdict: str) -> None:
    line = line_of(Figure(name="the figure", bound=AT_LEAST, rounds=[value]))

    assert line == f"| the figure | ≥ 0.75 | ≥ 0.9 | {measured} | | {verdict} |"


def test_a_value_that_rounds_to_its_limit_shows_on_which_side_it_is() -> None:
    line = line_of(Figure(name="the figure", bound=AT_LEAST, rounds=[0.7499]))

    assert line == "| the figure | ≥ 0.75 | ≥ 0.9 | 0.7499 | | **no** |"


def test_a_figure_that_is_only_reported_has_no_must() -> None:
    line = line_of(Figure(name="the figure", bound=AT_MOST, rounds=[262.4]))

    assert line == "| the figure | report | ≤ 250 | 262 | | less than tried for |"


def test_the_rounds_stand_beside_their_median() -> None:
    line = line_of(Figure(name="the figure", bound=AT_LEAST, rounds=[0.9, 1.25, 0.8]))

    assert "| 0.90 | 0.9, 1.25, 0.8 | yes, as tried for |" in line


def test_a_note_stands_beside_what_was_measured() -> None:
    line = line_of(Figure(name="the figure", bound=AT_LEAST, rounds=[1], note="here 10 links"))

    assert "| 1.00 (here 10 links) |" in line


def test_a_part_that_failed_says_why_without_breaking_the_table() -> None:
    line = line_of(Failed("the figure", "405: a | b"))

    assert line == "| the figure | | | not measured: 405: a \\| b | | **no** |"


def test_the_page_keeps_what_people_wrote_around_the_table(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- made by make bench -->\nold\nold\n<!-- end of what make bench made -->\nafter\n")

    table.write("new", page)
    table.write("newer", page)

    assert page.read_text() == (
        "before\n<!-- made by make bench -->\nnewer\n<!-- end of what make bench made -->\nafter\n"
    )


def test_a_page_without_its_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("by hand")

    with pytest.raises(ValueError, match="marks"):
        table.write("new", page)

    assert page.read_text() == "by hand"


def test_our_own_page_has_its_marks(tmp_path: Path) -> None:
    copy = tmp_path / "performance.md"
    copy.write_text(table.PAGE.read_text(encoding="utf-8"), encoding="utf-8")

    table.write("new", copy)

    assert "\nnew\n" in copy.read_text(encoding="utf-8")
