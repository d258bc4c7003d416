"""One load on one installation, and the CPU time that the parts of the installation used for it."""

import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.common.names import NGINX
from tests.bench import wrk
from tests.bench.installations import RESOLVER_NAMES, Installation
from tests.bench.processes import cpu_between, cpu_seconds
from tests.bench.wrk import Responses

CONNECTIONS: Final = 64


@dataclass(frozen=True, slots=True)
class Measurement:
    """The responses to a load, and the CPU time for each response in µs, by part: resolvers, nginx, redis, wrk."""

    responses: Responses
    cpu: Mapping[str, float]


def measure_load(
    installation: Installation,
    stores: Installation,
    requests: Path,
    seconds: int,
    *,
    connections: int = CONNECTIONS,
    direct: bool = False,
) -> Measurement:
    """Load an installation through its nginx, or (`direct`) one of its resolvers. `stores`: whose Redis it uses."""
    parts = {
        "resolvers": installation.pids(*RESOLVER_NAMES),
        "nginx": installation.pids(NGINX),
        "redis": stores.pids("redis"),
    }
    before, own_before = {part: cpu_seconds(pids) for part, pids in parts.items()}, _own_children()
    responses = wrk.load(
        installation.resolver if direct else installation.nginx,
        requests,
        seconds,
        connections=connections,
        direct=direct,
    )
    used = {part: cpu_between(before[part], cpu_seconds(pids)) for part, pids in parts.items()}
    used["wrk"] = _own_children() - own_before
    return Measurement(responses, {part: seconds / responses.requests * 1e6 for part, seconds in used.items()})


def forwards_and_backwards(measure_one: Callable[[str], Measurement], names: Sequence[str]) -> dict[str, Measurement]:
    """Measure the loads in order and then in reverse order, so that a machine that gets slower affects all alike."""
    first = {name: measure_one(name) for name in names}
    second = {name: measure_one(name) for name in reversed(names)}
    return {name: _combine(first[name], second[name]) for name in names}


def _combine(one: Measurement, other: Measurement) -> Measurement:
    """Combine two measurements of one load; of the response times, the longer ones are kept."""
    requests = one.responses.requests + other.responses.requests
    share = one.responses.requests / requests
    return Measurement(
        Responses(
            requests=requests,
            seconds=one.responses.seconds + other.responses.seconds,
            error_responses=one.responses.error_responses + other.responses.error_responses,
            failures=one.responses.failures + other.responses.failures,
            p50_ms=max(one.responses.p50_ms, other.responses.p50_ms),
            p99_ms=max(one.responses.p99_ms, other.responses.p99_ms),
        ),
        {part: share * used + (1 - share) * other.cpu[part] for part, used in one.cpu.items()},
    )


def _own_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
