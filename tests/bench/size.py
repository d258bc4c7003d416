"""Whether redirects get slower when there are many links."""

import contextlib
from collections.abc import Iterator

from shared.redis import keys as redis_keys
from tests.bench import links, workload
from tests.bench.drive import Driven, there_and_back
from tests.bench.figures import Bound, Figure, Results, ratios
from tests.bench.redirects import described, redirects, say_round
from tests.bench.stage import Stage

_FEW_DATABASE = 2
_MANY_DATABASE = 3


def measure(stage: Stage) -> Results:
    """Redirects a second with few links and with many, of which the same ones are hot; and where all are asked for.

    Both are in databases of the same Redis, and take the place of the product's own one in turn (SWAPDB): so they are
    measured in the same minutes, and not one before and the other long after.
    """
    few, many = stage.plan.few_links, stage.plan.many_links
    few_codes, many_codes = workload.codes(few), workload.codes(many)
    links.put_records(stage.product.settings, few_codes, range(1, few + 1), _FEW_DATABASE)
    links.put_records(stage.product.settings, many_codes, range(1, many + 1), _MANY_DATABASE)
    kinds = {f"{few:,} links": (_FEW_DATABASE, stage.hot), f"{many:,} links": (_MANY_DATABASE, stage.hot)}
    if not stage.plan.is_quick:
        every = workload.write_paths(stage.folder / "every", many_codes)
        kinds[f"{many:,} links, all asked for"] = (_MANY_DATABASE, every)
    runs: dict[str, list[Driven]] = {name: [] for name in kinds}
    stage.rest()

    def drive_one(name: str) -> Driven:
        database, requests = kinds[name]
        with _in_place(stage, database):
            return redirects(stage, stage.product, requests=requests)

    for number in range(stage.plan.rounds):
        for name, run in there_and_back(drive_one, list(kinds)).items():
            runs[name].append(run)
        say_round(number, stage, {name: f"{found[-1].answers.rate:,.0f}/s" for name, found in runs.items()})
    of_few, of_many, *_ = ([run.answers.rate for run in found] for found in runs.values())
    return Results(
        figures=[
            Figure(
                name="redirects a second with 1,000,000 links ÷ with 1,000",
                bound=Bound(direction="at least", must=0.95),
                rounds=ratios(of_many, of_few),
                note=f"here {many:,} and {few:,}" if stage.plan.is_quick else "",
            )
        ],
        numbers=[(f"through nginx, {name}", described(found)) for name, found in runs.items()],
    )


@contextlib.contextmanager
def _in_place(stage: Stage, database: int) -> Iterator[None]:
    """Another of Redis's databases in the place of the product's own one."""
    settings = stage.product.settings
    with links.connect_redis(settings) as redis, links.connect_redis(settings, database) as other:
        # The same mark beside both streams, or the resolvers would think that Redis has lost theirs.
        other.set(redis_keys.STREAM_MARK, redis.get(redis_keys.STREAM_MARK) or b"")
        redis.swapdb(0, database)
        try:
            yield
        finally:
            redis.swapdb(0, database)
