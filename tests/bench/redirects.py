"""Redirects a second through nginx, and the CPU time of one resolver for each redirect, beside the baselines."""

from collections.abc import Sequence
from pathlib import Path

from deploy.common.faults import RuntimeFault
from tests.bench import clicks, conditional_links, misses, workload
from tests.bench.baselines import lua, plain
from tests.bench.figures import Bound, Figure, Results, ratios
from tests.bench.installations import Installation
from tests.bench.links import BASELINE_DATABASE
from tests.bench.measurement import CONNECTIONS, Measurement, forwards_and_backwards, measure_load
from tests.bench.setup import Setup


def measure_nginx(setup: Setup) -> Results:
    """Redirects a second through nginx: each round measures the product and every baseline, forwards and backwards."""
    installations = {"product": setup.product, "empty": setup.empty, "lua": setup.lua, "plain": setup.plain}
    found: dict[str, list[Measurement]] = {name: [] for name in (*installations, "missing")}
    for installation in installations.values():
        measure_redirects(setup, installation, setup.sizes.warm_up)

    def measure_one(name: str) -> Measurement:
        return _measure_misses(setup) if name == "missing" else measure_redirects(setup, installations[name])

    for number in range(setup.sizes.rounds):
        for name, measurement in forwards_and_backwards(measure_one, list(found)).items():
            found[name].append(measurement)
        print_round(number, setup, {name: f"{rounds[-1].responses.rate:,.0f}/s" for name, rounds in found.items()})
    rates = {name: [measurement.responses.rate for measurement in rounds] for name, rounds in found.items()}
    return Results(
        figures=[
            Figure(
                name="redirects a second through nginx and three resolvers ÷ the same nginx and three empty aiohttp",
                bound=Bound(direction="at least", must=0.75, goal=0.9),
                rounds=ratios(rates["product"], rates["empty"]),
            ),
            Figure(
                name="the same ÷ nginx with Lua doing the same GET and XADD itself",
                bound=Bound(direction="at least", must=0.5, goal=0.7),
                rounds=ratios(rates["product"], rates["lua"]),
            ),
            Figure(
                name="the same ÷ resolvers written plainly, one command a request",
                bound=Bound(direction="at least", must=2.8, goal=3.5),
                rounds=ratios(rates["product"], rates["plain"]),
            ),
            Figure(
                name="a code that does not exist (answered from the remembered miss) ÷ one that does",
                bound=Bound(direction="at least", must=0.9),
                rounds=ratios(rates["missing"], rates["product"]),
            ),
        ],
        numbers=[(f"through nginx, {name}", describe(rounds)) for name, rounds in found.items()],
    )


def measure_cpu(setup: Setup) -> Results:
    """CPU time of one resolver for each redirect, without nginx, with 64 connections and with a single one."""
    conditional = conditional_links.create(setup)
    loads = {
        "product": (setup.product, setup.hot, CONNECTIONS),
        "product, links with conditions": (setup.product, conditional, CONNECTIONS),
        "empty": (setup.empty, setup.hot, CONNECTIONS),
        "plain": (setup.plain, setup.hot, CONNECTIONS),
        "product, one connection": (setup.product, setup.hot, 1),
        "plain, one connection": (setup.plain, setup.hot, 1),
    }
    found: dict[str, list[Measurement]] = {name: [] for name in loads}
    for number in range(setup.sizes.rounds):
        for name, (installation, requests, connections) in loads.items():
            measurement = measure_redirects(
                setup, installation, connections=connections, direct=True, requests=requests
            )
            found[name].append(measurement)
        print_round(number, setup, {name: f"{rounds[-1].cpu['resolvers']:.0f} µs" for name, rounds in found.items()})
    cpu = {name: [measurement.cpu["resolvers"] for measurement in rounds] for name, rounds in found.items()}
    return Results(
        figures=[
            Figure(
                name="CPU of one resolver a redirect ÷ CPU of an empty aiohttp 302",
                bound=Bound(direction="at most", must=1.5, goal=1.25),
                rounds=ratios(cpu["product"], cpu["empty"]),
            ),
            Figure(
                name="CPU of one resolver a redirect of a link with conditions (a `valid_until` window and "
                "`forward_query` with a query) ÷ CPU of a plain redirect",
                bound=Bound(direction="at most", must=1.5),
                rounds=ratios(cpu["product, links with conditions"], cpu["product"]),
            ),
            Figure(
                name="CPU a redirect with one lone connection ÷ the plain way",
                bound=Bound(direction="at most", must=1.1, goal=0.8),
                rounds=ratios(cpu["product, one connection"], cpu["plain, one connection"]),
            ),
        ],
        numbers=[(f"one resolver, no nginx, {name}", describe(rounds)) for name, rounds in found.items()],
    )


def measure_redirects(
    setup: Setup,
    installation: Installation,
    seconds: int | None = None,
    *,
    connections: int = CONNECTIONS,
    direct: bool = False,
    requests: Path | None = None,
) -> Measurement:
    """Measure one load of redirects, and compare its clicks in Redis with its responses."""
    clicks.trim(setup.product.settings)  # the clicks of requests that were under way when the previous load ended
    measurement = measure_load(
        installation,
        setup.product,
        requests or setup.hot,
        seconds or setup.sizes.seconds,
        connections=connections,
        direct=direct,
    )
    responses = measurement.responses
    if responses.error_responses:
        raise RuntimeFault(f"{installation.name}: {responses.error_responses} responses were errors.")
    check_clicks(setup, installation, responses.requests, cut_off=connections, direct=direct)
    return measurement


def check_clicks(
    setup: Setup, installation: Installation, responses: int, *, cut_off: int, direct: bool = False
) -> None:
    """Compare the clicks of an installation in Redis with its responses, and remove them (see `clicks.check`)."""
    settings = setup.product.settings
    if installation is setup.product:
        if repeated := clicks.check(settings, responses, cut_off, direct=direct):
            print(f"    of {responses:,} clicks {repeated:,} were stored twice", flush=True)
    elif stream := {"lua": lua.STREAM, "plain": plain.STREAM}.get(installation.name):
        stored = clicks.trim(settings, stream, database=BASELINE_DATABASE)
        if stored < responses:
            raise RuntimeFault(f"{installation.name}: {responses} responses, but {stored} entries in its stream.")


def _measure_misses(setup: Setup) -> Measurement:
    misses.look_up_again(setup.product, workload.codes(workload.HOT, kind="missing"))
    measurement = measure_load(setup.product, setup.product, setup.missing, setup.sizes.seconds)
    if measurement.responses.error_responses != measurement.responses.requests:
        raise RuntimeFault("Some codes that do not exist did not get an error response.")
    return measurement


def print_round(number: int, setup: Setup, values: dict[str, str]) -> None:
    """Print what a round measured."""
    text = ", ".join(f"{name} {value}" for name, value in values.items())
    print(f"    round {number + 1} of {setup.sizes.rounds}: {text}", flush=True)


def describe(rounds: Sequence[Measurement]) -> str:
    """The bare numbers of the round with the median rate."""
    median = sorted(rounds, key=lambda measurement: measurement.responses.rate)[len(rounds) // 2]
    cpu = ", ".join(f"{part} {microseconds:.0f}" for part, microseconds in median.cpu.items() if microseconds >= 0.5)
    responses = median.responses
    return f"{responses.rate:,.0f}/s, p50 {responses.p50_ms:.1f} ms, p99 {responses.p99_ms:.1f} ms; CPU µs each: {cpu}"
