"""The slowest response times at half of the highest rate that the product reaches."""

import json
import os
import sys
from collections.abc import Sequence

from deploy.common.checkout import CHECKOUT
from deploy.common.console import run
from tests.bench.figures import Bound, Figure, Results, ratios
from tests.bench.installations import Installation
from tests.bench.measurement import CONNECTIONS
from tests.bench.redirects import check_clicks, measure_redirects, print_round
from tests.bench.setup import Setup
from tests.bench.workload import BROWSER_HEADERS


def measure(setup: Setup) -> Results:
    """p99 of the product and of nginx with Lua, at the same rate."""
    rate = measure_redirects(setup, setup.product).responses.rate / 2
    installations = {"product": setup.product, "lua": setup.lua}
    found: dict[str, list[list[float]]] = {name: [] for name in installations}
    for number in range(setup.sizes.rounds):
        for name, installation in installations.items():
            found[name].append(_response_times(setup, installation, rate))
        p99 = {name: f"p99 {percentile(rounds[-1], 99) * 1e3:.1f} ms" for name, rounds in found.items()}
        print_round(number, setup, p99)
    slowest = {name: [percentile(seconds, 99) for seconds in rounds] for name, rounds in found.items()}
    return Results(
        figures=[
            Figure(
                name="p99 at half of the highest rate ÷ p99 of nginx with Lua at the same rate",
                bound=Bound(direction="at most", goal=2),
                rounds=ratios(slowest["product"], slowest["lua"]),
            )
        ],
        numbers=[(f"at {rate:,.0f}/s, {name}", _describe(rounds)) for name, rounds in found.items()],
    )


def _response_times(setup: Setup, installation: Installation, rate: float) -> list[float]:
    """The response times in seconds, sorted. The client is a process on the core that wrk otherwise uses."""
    task = {
        "host": "127.0.0.1",
        "port": installation.settings.port,
        "connections": CONNECTIONS,
        "requests": str(setup.hot),
        "headers": BROWSER_HEADERS,
        "rate": rate,
        "ignored": 0.5,
        "seconds": setup.sizes.seconds + 0.5,
    }
    command = ["taskset", "-c", str(max(os.sched_getaffinity(0))), sys.executable, "-m", "tests.bench.open_loop"]
    printed = run(command, what=f"The load on {installation.name} failed", cwd=CHECKOUT, text=json.dumps(task))
    seconds: list[float] = json.loads(printed)
    check_clicks(setup, installation, len(seconds), cut_off=int(rate))
    return seconds


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The value of a sorted list that `percent` percent of its values do not exceed."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _describe(rounds: Sequence[list[float]]) -> str:
    seconds = sorted(rounds, key=lambda found: percentile(found, 99))[len(rounds) // 2]
    return ", ".join(f"p{percent} {percentile(seconds, percent) * 1e3:.1f} ms" for percent in (50, 90, 99))
