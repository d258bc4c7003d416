"""How long the slowest answers take when there is room: at half of the rate that the product reaches at most."""

import json
import os
import sys
from collections.abc import Sequence

from deploy.local.console import run
from deploy.local.settings import CHECKOUT
from tests.bench.drive import CONNECTIONS
from tests.bench.figures import Bound, Figure, Results, ratios
from tests.bench.installations import Installation
from tests.bench.redirects import check_clicks, redirects, say_round
from tests.bench.stage import Stage
from tests.bench.workload import BROWSER


def measure(stage: Stage) -> Results:
    """p99 of the product and of nginx with Lua, at the same rate."""
    rate = redirects(stage, stage.product).answers.rate / 2
    kinds = {"product": stage.product, "lua": stage.lua}
    found: dict[str, list[list[float]]] = {name: [] for name in kinds}
    for number in range(stage.plan.rounds):
        for name, installation in kinds.items():
            found[name].append(_seconds(stage, installation, rate))
        say_round(number, stage, {name: f"p99 {percentile(each[-1], 99) * 1e3:.1f} ms" for name, each in found.items()})
    slowest = {name: [percentile(seconds, 99) for seconds in each] for name, each in found.items()}
    return Results(
        figures=[
            Figure(
                name="p99 at half of the highest rate ÷ p99 of nginx with Lua at the same rate",
                bound=Bound(direction="at most", wanted=2),
                rounds=ratios(slowest["product"], slowest["lua"]),
            )
        ],
        numbers=[(f"at {rate:,.0f}/s, {name}", _described(each)) for name, each in found.items()],
    )


def _seconds(stage: Stage, installation: Installation, rate: float) -> list[float]:
    """How long the answers took, sorted. The client is a process of its own, on the core where wrk is."""
    order = {
        "host": "127.0.0.1",
        "port": installation.settings.port,
        "connections": CONNECTIONS,
        "requests": str(stage.hot),
        "headers": BROWSER,
        "rate": rate,
        "ignored": 0.5,
        "seconds": stage.plan.seconds + 0.5,
    }
    command = ["taskset", "-c", str(max(os.sched_getaffinity(0))), sys.executable, "-m", "tests.bench.open_loop"]
    printed = run(command, what=f"The load on {installation.name} failed", cwd=CHECKOUT, text=json.dumps(order))
    seconds: list[float] = json.loads(printed)
    check_clicks(stage, installation, len(seconds), cut_off=int(rate))
    return seconds


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The value that so many percent of a sorted list do not exceed."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _described(rounds: Sequence[list[float]]) -> str:
    seconds = sorted(rounds, key=lambda found: percentile(found, 99))[len(rounds) // 2]
    return ", ".join(f"p{percent} {percentile(seconds, percent) * 1e3:.1f} ms" for percent in (50, 90, 99))
