"""`python -m tests.bench [--quick] [--only PART …]`: measure BoltLink beside its baselines (tests/bench/README.md)."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Final

from deploy.local.console import step
from deploy.local.settings import RuntimeFault
from tests.bench import latency, listing, machine, making, memory, programs, redirects, size, table
from tests.bench.figures import Failed, Results
from tests.bench.plan import FULL, QUICK, Plan
from tests.bench.stage import Stage, standing

PARTS: Final[Mapping[str, Callable[[Stage], Results]]] = {
    "nginx": redirects.measure_door,
    "cpu": redirects.measure_cpu,
    "latency": latency.measure,
    "memory": memory.measure,
    "size": size.measure,
    "calls": making.measure_calls,
    "batches": making.measure_batches,
    "listing": listing.measure,
}


def main() -> int:
    """The exit code: 0 when every figure was measured, whatever it is."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="what fits into three minutes; writes no file")
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=[], help="some parts; writes no file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    started = time.monotonic()
    try:
        results, text = measure(QUICK if options.quick else FULL, options.only or list(PARTS))
    except RuntimeFault as fault:
        print(f"\n{fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; nothing is left running.", file=sys.stderr)
        return 130
    print(f"\n{text}\n\nIn {time.monotonic() - started:.0f} s.", flush=True)
    if options.quick or options.only:
        print("A quick or partial run: docs/performance.md stays as it is.")
    else:
        table.write(text)
        print(f"Written to {table.PAGE}.")
    return 1 if results.failed else 0


def measure(plan: Plan, parts: list[str]) -> tuple[Results, str]:
    """What a run found, and its table."""
    programs.install()
    results = Results()
    with standing(plan) as stage:
        stage.product.supervisor.stop("consumer-1")
        for name in parts:
            results.add(_measured(name, stage))
        about = machine.described(stage)
    return results, table.rendered(results, about)


def _measured(name: str, stage: Stage) -> Results:
    """A part's results. One that cannot be measured says so in the table, and stops no other."""
    try:
        with step(f"Measuring: {name}"):
            stage.rest()
            return PARTS[name](stage)
    except RuntimeFault as fault:
        print(f"    {fault}", flush=True)
        return Results(figures=[Failed(name, str(fault).splitlines()[0])])


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
