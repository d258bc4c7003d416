"""The memory of a resolver after millions of redirects, and the memory of Redis for each link."""

from deploy.common.faults import RuntimeFault
from deploy.common.waiting import wait_until
from tests.bench import clicks
from tests.bench.figures import Bound, Figure, Results
from tests.bench.installations import RESOLVER_NAMES, answers
from tests.bench.measurement import measure_load
from tests.bench.processes import memory_bytes
from tests.bench.setup import Setup

_RESOLVER = RESOLVER_NAMES[0]


def measure(setup: Setup) -> Results:
    """The memory of a newly started resolver after fewer and after more redirects; Redis memory for the run's links."""
    _restart_resolver(setup)
    fewer, more = setup.sizes.redirects
    sizes = [_memory_after(setup, fewer), _memory_after(setup, more - fewer)]
    note = f"here {fewer:,} and {more:,} redirects" if setup.sizes.is_quick else ""
    return Results(
        figures=[
            Figure(
                name="resolver memory after 3 million redirects ÷ after 1 million",
                bound=Bound(direction="at most", must=1.05),
                rounds=[sizes[1] / sizes[0]],
                note=note,
            ),
            Figure(
                name="bytes of Redis memory a link (100-byte target)",
                bound=Bound(direction="at most", goal=250),
                rounds=[setup.redis_bytes / setup.sizes.links],
            ),
        ],
        numbers=[("a resolver's memory (PSS)", ", then ".join(f"{size / 2**20:.1f} MB" for size in sizes))],
    )


def _restart_resolver(setup: Setup) -> None:
    supervisor = setup.product.supervisor
    supervisor.stop(_RESOLVER)
    supervisor.ensure_started(_RESOLVER)
    wait_until(lambda: answers(setup.product.resolver), f"{_RESOLVER} does not start again")


def _memory_after(setup: Setup, redirects: int) -> int:
    """The resolver's memory after at least `redirects` further redirects."""
    done = 0
    while done < redirects:
        responses = measure_load(setup.product, setup.product, setup.hot, setup.sizes.seconds, direct=True).responses
        if responses.error_responses:
            raise RuntimeFault(f"{responses.error_responses} responses were errors.")
        done += responses.requests
        clicks.trim(setup.product.settings)
    return memory_bytes(setup.product.pids(_RESOLVER))
