"""wrk, the load generator: as many requests as are answered, for some seconds."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.console import run
from deploy.local.settings import RuntimeFault
from tests.bench.workload import BROWSER

_SCRIPT: Final = Path(__file__).with_name("requests.lua")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What came back. `refused`: with a status above 399; `broken`: connections that failed, answers that came late."""

    requests: int
    seconds: float
    refused: int
    broken: int
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
    headers: Mapping[str, str] = BROWSER,
) -> Answers:
    """Send the requests of a file over and over. `direct`: to a resolver, with what nginx would have added.

    wrk is one thread, kept on the last core, whoever is measured. Raises RuntimeFault when an answer is missing.
    """
    given = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    last_core = str(max(os.sched_getaffinity(0)))
    command: list[str | Path] = ["taskset", "-c", last_core, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    command += [*given, "-s", _SCRIPT, url, "--", requests, "direct" if direct else "nginx"]
    answers = read_answers(run(command, what=f"wrk against {url} failed"))
    if answers.broken or not answers.requests:
        raise RuntimeFault(f"wrk against {url}: {answers.broken} connections broke, {answers.requests} answers came.")
    return answers


def read_answers(printed: str) -> Answers:
    """What `requests.lua` said at its end. Raises RuntimeFault where it did not."""
    found = re.search(r"^result (\{.*\})$", printed, re.MULTILINE)
    if found is None:
        raise RuntimeFault(f"wrk ended without a result:\n{printed}")
    return Answers(**json.loads(found[1]))
