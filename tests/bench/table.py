"""The table of the results, and its place in docs/performance.md."""

import re
from pathlib import Path
from typing import Final

from deploy.common.checkout import CHECKOUT
from tests.bench.figures import Bound, Figure, NotMeasured, Results

PAGE: Final = CHECKOUT / "docs" / "performance.md"
_BEGIN: Final = "<!-- made by make bench -->"
_END: Final = "<!-- end of what make bench made -->"


def render(results: Results, about: list[tuple[str, str]]) -> str:
    """All results as Markdown: the machine, the figures, and the bare numbers behind them."""
    return "\n\n".join(
        [
            "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in about)]),
            "\n".join(
                [
                    "| figure | must | try for | measured | in each round | holds |",
                    "| --- | --- | --- | --- | --- | --- |",
                ]
                + [_line(figure) for figure in results.figures]
            ),
            "\n".join(
                ["| behind them | |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in results.numbers)]
            ),
        ]
    )


def write(text: str, page: Path = PAGE) -> None:
    """Replace the text between the marks of the page; the text around them stays."""
    old = page.read_text(encoding="utf-8")
    new, count = re.subn(
        f"(?<={re.escape(_BEGIN)}\n).*(?=\n{re.escape(_END)})", lambda _: text, old, count=1, flags=re.DOTALL
    )
    if not count:
        raise ValueError(f"{page} does not contain the marks {_BEGIN} and {_END}")
    page.write_text(new, encoding="utf-8")


def _line(figure: Figure | NotMeasured) -> str:
    if isinstance(figure, NotMeasured):
        reason = figure.reason.replace("|", "\\|")
        return f"| {figure.part} | | | not measured: {reason} | | **no** |"
    bound = figure.bound
    measured = _number(figure.value, bound) + (f" ({figure.note})" if figure.note else "")
    rounds = " " + ", ".join(f"{value:,.3g}" for value in figure.rounds) if len(figure.rounds) > 1 else ""
    result = _result(bound, figure.value)
    must = "report" if bound.must is None else _limit(bound, bound.must)
    return f"| {figure.name} | {must} | {_limit(bound, bound.goal)} | {measured} |{rounds} | {result} |"


def _limit(bound: Bound, value: float | None) -> str:
    if value is None:
        return ""
    return f"{'≥' if bound.direction == 'at least' else '≤'} {value:,g}"


def _result(bound: Bound, value: float) -> str:
    holds, meets_goal = bound.holds(value), bound.meets_goal(value)
    if holds is False:
        return "**no**"
    if meets_goal is None:
        return "yes" if holds else ""
    if meets_goal:
        return "yes, as tried for"
    return "yes, less than tried for" if holds else "less than tried for"


def _number(value: float, bound: Bound) -> str:
    """A value with enough digits to show on which side of each limit it is."""
    if value >= 100:
        return f"{value:,.0f}"
    for digits in (2, 3, 4):
        shown = round(value, digits)
        if bound.holds(shown) is bound.holds(value) and bound.meets_goal(shown) is bound.meets_goal(value):
            return f"{value:.{digits}f}"
    return f"{value:g}"
