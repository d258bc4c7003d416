"""Redirects a second through nginx, and CPU a redirect of one resolver, beside the baselines."""

from collections.abc import Sequence
from pathlib import Path

from deploy.local.settings import RuntimeFault
from tests.bench import clicks, misses, workload
from tests.bench.baselines import lua, plain
from tests.bench.drive import CONNECTIONS, Driven, drive, there_and_back
from tests.bench.figures import Bound, Figure, Results, ratios
from tests.bench.installations import Installation
from tests.bench.links import YARDSTICK_DATABASE
from tests.bench.stage import Stage


def measure_door(stage: Stage) -> Results:
    """Redirects a second through nginx: in each round the product and each baseline, one after the other, and back."""
    kinds = {"product": stage.product, "empty": stage.empty, "lua": stage.lua, "plain": stage.plain}
    runs: dict[str, list[Driven]] = {name: [] for name in (*kinds, "missing")}
    for installation in kinds.values():
        redirects(stage, installation, stage.plan.warm_up)

    def drive_one(name: str) -> Driven:
        return _misses(stage) if name == "missing" else redirects(stage, kinds[name])

    for number in range(stage.plan.rounds):
        for name, run in there_and_back(drive_one, list(runs)).items():
            runs[name].append(run)
        say_round(number, stage, {name: f"{found[-1].answers.rate:,.0f}/s" for name, found in runs.items()})
    rates = {name: [run.answers.rate for run in found] for name, found in runs.items()}
    return Results(
        figures=[
            Figure(
                name="redirects a second through nginx and three resolvers ÷ the same nginx and three empty aiohttp",
                bound=Bound(direction="at least", must=0.75, wanted=0.9),
                rounds=ratios(rates["product"], rates["empty"]),
            ),
            Figure(
                name="the same ÷ nginx with Lua doing the same GET and XADD itself",
                bound=Bound(direction="at least", must=0.5, wanted=0.7),
                rounds=ratios(rates["product"], rates["lua"]),
            ),
            Figure(
                name="the same ÷ resolvers written plainly, one command a request",
                bound=Bound(direction="at least", must=2.8, wanted=3.5),
                rounds=ratios(rates["product"], rates["plain"]),
            ),
            Figure(
                name="a code that does not exist (answered from the remembered miss) ÷ one that does",
                bound=Bound(direction="at least", must=0.9),
                rounds=ratios(rates["missing"], rates["product"]),
            ),
        ],
        numbers=[(f"through nginx, {name}", described(found)) for name, found in runs.items()],
    )


def measure_cpu(stage: Stage) -> Results:
    """CPU of one resolver a redirect, without nginx, under load and with one lone connection."""
    kinds = {
        "product": (stage.product, CONNECTIONS),
        "empty": (stage.empty, CONNECTIONS),
        "plain": (stage.plain, CONNECTIONS),
        "product, one connection": (stage.product, 1),
        "plain, one connection": (stage.plain, 1),
    }
    runs: dict[str, list[Driven]] = {name: [] for name in kinds}
    for number in range(stage.plan.rounds):
        for name, (installation, connections) in kinds.items():
            run = redirects(stage, installation, connections=connections, direct=True)
            runs[name].append(run)
        say_round(number, stage, {name: f"{found[-1].cpu['resolvers']:.0f} µs" for name, found in runs.items()})
    spent = {name: [run.cpu["resolvers"] for run in found] for name, found in runs.items()}
    return Results(
        figures=[
            Figure(
                name="CPU of one resolver a redirect ÷ CPU of an empty aiohttp 302",
                bound=Bound(direction="at most", must=1.5, wanted=1.25),
                rounds=ratios(spent["product"], spent["empty"]),
            ),
            Figure(
                name="CPU a redirect with one lone connection ÷ the plain way",
                bound=Bound(direction="at most", must=1.1, wanted=0.8),
                rounds=ratios(spent["product, one connection"], spent["plain, one connection"]),
            ),
        ],
        numbers=[(f"one resolver, no nginx, {name}", described(found)) for name, found in runs.items()],
    )


def redirects(
    stage: Stage,
    installation: Installation,
    seconds: int | None = None,
    *,
    connections: int = CONNECTIONS,
    direct: bool = False,
    requests: Path | None = None,
) -> Driven:
    """One load of redirects; its clicks are then counted in Redis, and taken away."""
    clicks.trim(stage.product.settings)  # those that were under way when the load before ended
    run = drive(
        installation,
        stage.product,
        requests or stage.hot,
        seconds or stage.plan.seconds,
        connections=connections,
        direct=direct,
    )
    answers = run.answers
    if answers.refused:
        raise RuntimeFault(f"{installation.name}: {answers.refused} requests were answered with an error.")
    check_clicks(stage, installation, answers.requests, cut_off=connections, direct=direct)
    return run


def check_clicks(stage: Stage, installation: Installation, answers: int, *, cut_off: int, direct: bool = False) -> None:
    """Hold an installation's clicks in Redis against its answers, and take them away (see `clicks.check`)."""
    settings = stage.product.settings
    if installation is stage.product:
        if twice := clicks.check(settings, answers, cut_off, direct=direct):
            print(f"    of {answers:,} clicks {twice:,} came twice", flush=True)
    elif stream := {"lua": lua.STREAM, "plain": plain.STREAM}.get(installation.name):
        found = clicks.trim(settings, stream, database=YARDSTICK_DATABASE)
        if found < answers:
            raise RuntimeFault(f"{installation.name}: {answers} answers, but {found} entries in its stream.")


def _misses(stage: Stage) -> Driven:
    misses.remember(stage.product, workload.codes(workload.HOT, kind="missing"))
    run = drive(stage.product, stage.product, stage.missing, stage.plan.seconds)
    if run.answers.refused != run.answers.requests:
        raise RuntimeFault("Some codes that do not exist were not answered with an error.")
    return run


def say_round(number: int, stage: Stage, found: dict[str, str]) -> None:
    said = ", ".join(f"{name} {value}" for name, value in found.items())
    print(f"    round {number + 1} of {stage.plan.rounds}: {said}", flush=True)


def described(runs: Sequence[Driven]) -> str:
    """What the middle one of some rounds was like."""
    middle = sorted(runs, key=lambda run: run.answers.rate)[len(runs) // 2]
    cpu = ", ".join(f"{part} {microseconds:.0f}" for part, microseconds in middle.cpu.items() if microseconds >= 0.5)
    answers = middle.answers
    return f"{answers.rate:,.0f}/s, p50 {answers.p50_ms:.1f} ms, p99 {answers.p99_ms:.1f} ms; CPU µs each: {cpu}"
