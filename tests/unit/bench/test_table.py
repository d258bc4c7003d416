"""The table of the results, and its place in docs/performance.md."""

from pathlib import Path

import pytest

from tests.bench import table
from tests.bench.figures import Bound, Figure, NotMeasured, Results

LOWER = Bound(direction="at least", must=0.75, goal=0.9)
UPPER = Bound(direction="at most", goal=250)


def line_of(figure: Figure | NotMeasured) -> str:
    lines = table.render(Results(figures=[figure]), []).splitlines()
    (found,) = [line for line in lines if line.startswith("| the figure |")]
    return found


@pytest.mark.parametrize(
    ("value", "measured", "result"),
    [
        (0.95, "0.95", "yes, as tried for"),
        (0.8, "0.80", "yes, less than tried for"),
        (0.7, "0.70", "**no**"),
    ],
)
def test_a_line_shows_the_limit_the_goal_the_value_and_the_result(value: float, measured: str, result: str) -> None:
    line = line_of(Figure(name="the figure", bound=LOWER, rounds=[value]))

    assert line == f"| the figure | ≥ 0.75 | ≥ 0.9 | {measured} | | {result} |"


def test_a_value_near_its_limit_has_enough_digits_to_show_its_side() -> None:
    line = line_of(Figure(name="the figure", bound=LOWER, rounds=[0.7499]))

    assert line == "| the figure | ≥ 0.75 | ≥ 0.9 | 0.7499 | | **no** |"


def test_a_figure_without_a_limit_is_only_reported() -> None:
    line = line_of(Figure(name="the figure", bound=UPPER, rounds=[262.4]))

    assert line == "| the figure | report | ≤ 250 | 262 | | less than tried for |"


def test_a_line_shows_the_rounds_beside_their_median() -> None:
    line = line_of(Figure(name="the figure", bound=LOWER, rounds=[0.9, 1.25, 0.8]))

    assert "| 0.90 | 0.9, 1.25, 0.8 | yes, as tried for |" in line


def test_a_line_shows_the_note_beside_the_value() -> None:
    line = line_of(Figure(name="the figure", bound=LOWER, rounds=[1], note="here 10 links"))

    assert "| 1.00 (here 10 links) |" in line


def test_a_part_that_failed_shows_its_reason_in_one_cell() -> None:
    line = line_of(NotMeasured("the figure", "405: a | b"))

    assert line == "| the figure | | | not measured: 405: a \\| b | | **no** |"


def test_writing_the_table_keeps_the_text_around_it(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- made by make bench -->\nold\nold\n<!-- end of what make bench made -->\nafter\n")

    table.write("new", page)
    table.write("newer", page)

    assert page.read_text() == (
        "before\n<!-- made by make bench -->\nnewer\n<!-- end of what make bench made -->\nafter\n"
    )


def test_a_page_without_the_marks_is_not_changed(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("by hand")

    with pytest.raises(ValueError, match="marks"):
        table.write("new", page)

    assert page.read_text() == "by hand"


def test_the_page_of_the_docs_has_the_marks(tmp_path: Path) -> None:
    copy = tmp_path / "performance.md"
    copy.write_text(table.PAGE.read_text(encoding="utf-8"), encoding="utf-8")

    table.write("new", copy)

    assert "\nnew\n" in copy.read_text(encoding="utf-8")
