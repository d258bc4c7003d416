"""docs/problems.md has every problem that a client may get, and no other."""

import json
import re
from collections.abc import Iterator

from deploy.common.checkout import CHECKOUT
from shared.domain.errors import BoltLinkError
from shared.http import problems
from tests.unit.documentation import page, sections


def _nginx_problems() -> dict[str, int]:
    text = (CHECKOUT / "nginx" / "problems.conf").read_text(encoding="utf-8")
    return {
        slug: int(status) for status, slug in re.findall(r"return (\d{3}) '{\"type\":\"/problems/([a-z-]+)\"", text)
    }


def _kinds() -> list[problems.ProblemType]:
    plain = [problems.of_status(status).kind for status in (400, 404, 405)]
    return [*problems.CATALOGUE.values(), *plain, problems.internal_error().kind]


def test_every_problem_has_its_heading_and_no_heading_is_without_a_problem() -> None:
    statuses = {kind.slug: kind.status for kind in _kinds()} | _nginx_problems()
    documented = sections("problems.md", 3)
    assert set(documented) == set(statuses)
    for slug, text in documented.items():
        assert re.match(rf"\nStatus {statuses[slug]}[.,]", text), slug


def test_nginx_and_the_services_use_a_slug_for_the_same_status() -> None:
    statuses = {kind.slug: kind.status for kind in _kinds()}
    for slug, status in _nginx_problems().items():
        assert statuses.get(slug, status) == status


def test_every_example_of_a_problem_agrees_with_the_catalogue() -> None:
    kinds = {f"/problems/{kind.slug}": kind for kind in _kinds()}
    examples = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", page("problems.md"), re.DOTALL)]
    assert examples
    for example in examples:
        kind = kinds[example["type"]]
        assert (example["title"], example["status"]) == (kind.title, kind.status)


def test_every_error_of_the_domain_is_in_the_catalogue() -> None:
    assert set(_descendants(BoltLinkError)) == set(problems.CATALOGUE)


def _descendants(kind: type[BoltLinkError]) -> Iterator[type[BoltLinkError]]:
    for child in kind.__subclasses__():
        if child.__module__ == BoltLinkError.__module__:
            yield child
        yield from _descendants(child)
