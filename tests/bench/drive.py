"""One load on one installation, and the CPU time that its parts spent on it."""

import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.configuration import NGINX
from tests.bench import wrk
from tests.bench.installations import RESOLVER_NAMES, Installation
from tests.bench.processes import cpu_seconds, spent
from tests.bench.wrk import Answers

CONNECTIONS: Final = 64


@dataclass(frozen=True, slots=True)
class Driven:
    """What came back, and microseconds of CPU an answer, by part: resolvers, nginx, redis, wrk."""

    answers: Answers
    cpu: Mapping[str, float]


def drive(
    installation: Installation,
    stores: Installation,
    requests: Path,
    seconds: int,
    *,
    connections: int = CONNECTIONS,
    direct: bool = False,
) -> Driven:
    """Load an installation through its nginx, or (`direct`) one of its resolvers; its stores belong to another one."""
    parts = {
        "resolvers": installation.pids(*RESOLVER_NAMES),
        "nginx": installation.pids(NGINX),
        "redis": stores.pids("redis"),
    }
    before, own_before = {part: cpu_seconds(pids) for part, pids in parts.items()}, _own_children()
    answers = wrk.load(
        installation.resolver if direct else installation.nginx,
        requests,
        seconds,
        connections=connections,
        direct=direct,
    )
    used = {part: spent(before[part], cpu_seconds(pids)) for part, pids in parts.items()}
    used["wrk"] = _own_children() - own_before
    return Driven(answers, {part: seconds / answers.requests * 1e6 for part, seconds in used.items()})


def there_and_back(drive_one: Callable[[str], Driven], names: Sequence[str]) -> dict[str, Driven]:
    """Each load once in turn and once backwards: a machine that gets slower or quicker meanwhile is fair to all."""
    first = {name: drive_one(name) for name in names}
    second = {name: drive_one(name) for name in reversed(names)}
    return {name: _together(first[name], second[name]) for name in names}


def _together(one: Driven, other: Driven) -> Driven:
    """Two loads as if they had been one; of the times, those of the slower one."""
    requests = one.answers.requests + other.answers.requests
    share = one.answers.requests / requests
    return Driven(
        Answers(
            requests=requests,
            seconds=one.answers.seconds + other.answers.seconds,
            refused=one.answers.refused + other.answers.refused,
            broken=one.answers.broken + other.answers.broken,
            p50_ms=max(one.answers.p50_ms, other.answers.p50_ms),
            p99_ms=max(one.answers.p99_ms, other.answers.p99_ms),
        ),
        {part: share * used + (1 - share) * other.cpu[part] for part, used in one.cpu.items()},
    )


def _own_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
