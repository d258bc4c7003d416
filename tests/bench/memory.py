"""What memory is used: of a resolver over millions of redirects, of Redis a link."""

from deploy.local.settings import RuntimeFault
from deploy.local.supervision import wait_until
from tests.bench import clicks
from tests.bench.drive import drive
from tests.bench.figures import Bound, Figure, Results
from tests.bench.installations import RESOLVER_NAMES, answers
from tests.bench.processes import memory_bytes
from tests.bench.stage import Stage

_RESOLVER = RESOLVER_NAMES[0]


def measure(stage: Stage) -> Results:
    """A resolver that has just been started, after some redirects and after more; Redis for the links of this run."""
    _start_anew(stage)
    fewer, more = stage.plan.redirects
    sizes = [_size_after(stage, fewer), _size_after(stage, more - fewer)]
    note = f"here {fewer:,} and {more:,} redirects" if stage.plan.is_quick else ""
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
                bound=Bound(direction="at most", wanted=250),
                rounds=[stage.redis_bytes / stage.plan.links],
            ),
        ],
        numbers=[("a resolver's memory (PSS)", ", then ".join(f"{size / 2**20:.1f} MB" for size in sizes))],
    )


def _start_anew(stage: Stage) -> None:
    supervisor = stage.product.supervisor
    supervisor.stop(_RESOLVER)
    supervisor.ensure_started(_RESOLVER)
    wait_until(lambda: answers(stage.product.resolver), f"{_RESOLVER} does not come back")


def _size_after(stage: Stage, redirects: int) -> int:
    """The resolver's memory after so many redirects more."""
    done = 0
    while done < redirects:
        run = drive(stage.product, stage.product, stage.hot, stage.plan.seconds, direct=True)
        if run.answers.refused:
            raise RuntimeFault(f"{run.answers.refused} redirects were answered with an error.")
        done += run.answers.requests
        clicks.trim(stage.product.settings)
    return memory_bytes(stage.product.pids(_RESOLVER))
