"""Whether redirects get slower when there are many links."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.bench import links, workload
from tests.bench.figures import Bound, Figure, Results, ratios
from tests.bench.redirects import redirects, say_round
from tests.bench.stage import Stage

_FEW_DATABASE = 2
_MANY_DATABASE = 3


def measure(stage: Stage) -> Results:
    """Redirects a second with few links and with many, each Zipf-shaped over all of them.

    Both are in databases of the same Redis, and take the place of the product's own one in turn (SWAPDB): so they are
    measured in the same minutes, and not one before and the other long after.
    """
    sizes = {stage.plan.few_links: _FEW_DATABASE, stage.plan.many_links: _MANY_DATABASE}
    paths = {count: _fill(stage, count, database) for count, database in sizes.items()}
    rates: dict[int, list[float]] = {count: [] for count in sizes}
    for number in range(stage.plan.rounds):
        for count, database in sizes.items():
            with _in_place(stage, database):
                run = redirects(stage, stage.product, warm_up=number == 0, requests=paths[count])
            rates[count].append(run.answers.rate)
        say_round(number, stage, {f"{count:,} links": f"{found[-1]:,.0f}/s" for count, found in rates.items()})
    few, many = stage.plan.few_links, stage.plan.many_links
    return Results(
        figures=[
            Figure(
                name="redirects a second with 1,000,000 links ÷ with 1,000",
                bound=Bound(direction="at least", must=0.95),
                rounds=ratios(rates[many], rates[few]),
                note=f"here {many:,} and {few:,}" if stage.plan.is_quick else "",
            )
        ]
    )


def _fill(stage: Stage, count: int, database: int) -> Path:
    codes = workload.codes(count)
    links.put_records(stage.product.settings, codes, range(1, count + 1), database)
    return workload.write_paths(stage.folder / f"requests-{count}", codes)


@contextlib.contextmanager
def _in_place(stage: Stage, database: int) -> Iterator[None]:
    """Another of Redis's databases in the place of the product's own one."""
    with links.connect_redis(stage.product.settings) as redis:
        redis.swapdb(0, database)
        try:
            yield
        finally:
            redis.swapdb(0, database)
