"""wrk, the load generator: it sends the next request as soon as it has received a response, for some seconds."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.common.console import run
from deploy.common.faults import RuntimeFault
from tests.bench.workload import BROWSER_HEADERS

_SCRIPT: Final = Path(__file__).with_name("requests.lua")


@dataclass(frozen=True, kw_only=True, slots=True)
class Responses:
    """What wrk received. `error_responses`: statuses above 399; `failures`: failed connections and late responses."""

    requests: int
    seconds: float
    error_responses: int
    failures: int
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def load(
    url: str,
    requests: Path,
    seconds: int,
    *,
    connections: int = 64,
    direct: bool = False,
    headers: Mapping[str, str] = BROWSER_HEADERS,
) -> Responses:
    """Send the requests of a file again and again. `direct`: to a resolver, with the headers that nginx would add.

    wrk is one thread on the last core, in every measurement alike. Raises RuntimeFault when a request failed.
    """
    given = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    last_core = str(max(os.sched_getaffinity(0)))
    command: list[str | Path] = ["taskset", "-c", last_core, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    command += [*given, "-s", _SCRIPT, url, "--", requests, "direct" if direct else "nginx"]
    responses = read_result(run(command, what=f"wrk against {url} failed"))
    if responses.failures or not responses.requests:
        raise RuntimeFault(
            f"wrk against {url}: {responses.failures} connections broke, {responses.requests} responses came."
        )
    return responses


def read_result(printed: str) -> Responses:
    """Read the result that `requests.lua` printed. Raises RuntimeFault if there is none."""
    found = re.search(r"^result (\{.*\})$", printed, re.MULTILINE)
    if found is None:
        raise RuntimeFault(f"wrk ended without a result:\n{printed}")
    return Responses(**json.loads(found[1]))
