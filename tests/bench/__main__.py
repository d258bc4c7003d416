"""`python -m tests.bench [--quick] [--only PART …]`: measure BoltLink beside its baselines (tests/bench/README.md)."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Final

from deploy.common.console import step
from deploy.common.faults import RuntimeFault
from tests.bench import latency, listing, machine, many_links, memory, new_links, programs, redirects, table
from tests.bench.figures import NotMeasured, Results
from tests.bench.setup import Setup, running_setup
from tests.bench.sizes import FULL, QUICK, Sizes

PARTS: Final[Mapping[str, Callable[[Setup], Results]]] = {
    "nginx": redirects.measure_nginx,
    "cpu": redirects.measure_cpu,
    "latency": latency.measure,
    "memory": memory.measure,
    "size": many_links.measure,
    "calls": new_links.measure_calls,
    "batches": new_links.measure_batches,
    "listing": listing.measure,
}


def main() -> int:
    """Run the benchmark. Return the exit code: 0 if every part was measured, whether its figures hold or not."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="measure less, in under three minutes; write no file")
    parser.add_argument(
        "--only", nargs="*", choices=list(PARTS), default=[], help="measure these parts only; write no file"
    )
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


def measure(sizes: Sizes, parts: list[str]) -> tuple[Results, str]:
    """Measure some parts. Return the results and their table."""
    programs.install()
    results = Results()
    with running_setup(sizes) as setup:
        setup.product.supervisor.stop("consumer-1")
        for name in parts:
            results.add(_measure_part(name, setup))
        facts = machine.describe(setup)
    return results, table.render(results, facts)


def _measure_part(name: str, setup: Setup) -> Results:
    """Measure one part. If that fails, the table says so, and the other parts are still measured."""
    try:
        with step(f"Measuring: {name}"):
            setup.rewrite_redis_file()
            return PARTS[name](setup)
    except RuntimeFault as fault:
        print(f"    {fault}", flush=True)
        return Results(figures=[NotMeasured(name, str(fault).splitlines()[0])])


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
