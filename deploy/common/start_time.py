"""When a process started, which shows whether it has restarted."""

import re


def read_start_time(metrics: str) -> str | None:
    """The start time that the response to GET /metrics contains; None when it contains none."""
    found = re.search(r"^boltlink_start_seconds (\S+)", metrics, re.MULTILINE)
    return found[1] if found else None
