"""The rate of redirects with few links and with many."""

import contextlib
from collections.abc import Iterator

from shared.redis import keys as redis_keys
from tests.bench import links, workload
from tests.bench.figures import Bound, Figure, Results, ratios
from tests.bench.measurement import Measurement, forwards_and_backwards
from tests.bench.redirects import describe, measure_redirects, print_round
from tests.bench.setup import Setup

_FEW_DATABASE = 2
_MANY_DATABASE = 3


def measure(setup: Setup) -> Results:
    """Redirects a second with few links and with many, of which the same ones are hot; and with every link requested.

    The few and the many links are in two databases of the same Redis. Each takes the place of the product's own
    database in turn (SWAPDB), so that both are measured in the same minutes.
    """
    few, many = setup.sizes.few_links, setup.sizes.many_links
    few_codes, many_codes = workload.codes(few), workload.codes(many)
    links.put_records(setup.product.settings, few_codes, range(1, few + 1), _FEW_DATABASE)
    links.put_records(setup.product.settings, many_codes, range(1, many + 1), _MANY_DATABASE)
    loads = {f"{few:,} links": (_FEW_DATABASE, setup.hot), f"{many:,} links": (_MANY_DATABASE, setup.hot)}
    if not setup.sizes.is_quick:
        every = workload.write_paths(setup.folder / "every", many_codes)
        loads[f"{many:,} links, all requested"] = (_MANY_DATABASE, every)
    found: dict[str, list[Measurement]] = {name: [] for name in loads}
    setup.rewrite_redis_file()

    def measure_one(name: str) -> Measurement:
        database, requests = loads[name]
        with _in_place(setup, database):
            return measure_redirects(setup, setup.product, requests=requests)

    for number in range(setup.sizes.rounds):
        for name, measurement in forwards_and_backwards(measure_one, list(loads)).items():
            found[name].append(measurement)
        print_round(number, setup, {name: f"{rounds[-1].responses.rate:,.0f}/s" for name, rounds in found.items()})
    few_rates, many_rates, *_ = ([measurement.responses.rate for measurement in rounds] for rounds in found.values())
    return Results(
        figures=[
            Figure(
                name="redirects a second with 1,000,000 links ÷ with 1,000",
                bound=Bound(direction="at least", must=0.95),
                rounds=ratios(many_rates, few_rates),
                note=f"here {many:,} and {few:,}" if setup.sizes.is_quick else "",
            )
        ],
        numbers=[(f"through nginx, {name}", describe(rounds)) for name, rounds in found.items()],
    )


@contextlib.contextmanager
def _in_place(setup: Setup, database: int) -> Iterator[None]:
    """Put another database of Redis in the place of the product's own one while the block runs."""
    settings = setup.product.settings
    with links.connect_redis(settings) as redis, links.connect_redis(settings, database) as other:
        # The stream's mark must be the same in both databases, or the resolvers conclude that the stream was lost.
        other.set(redis_keys.STREAM_MARK, redis.get(redis_keys.STREAM_MARK) or b"")
        redis.swapdb(0, database)
        try:
            yield
        finally:
            redis.swapdb(0, database)
