"""Messages for the user: steps with their duration, and faults that say what to do."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deploy.common.faults import RuntimeFault

_SHOW_TIME_AFTER = 2.0


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Print what is being done, that it is still in progress, and how long it took if that was long."""
    started = time.monotonic()
    finished = threading.Event()
    live = sys.stdout.isatty()
    print(f"  {title} …", end="" if live else "\n", flush=True)
    ticker = threading.Thread(target=_tick, args=(finished,), kwargs={"live": live}, daemon=True)
    ticker.start()
    try:
        yield
    except BaseException:
        finished.set()
        ticker.join()
        print(" failed" if live else f"  {title}: failed", flush=True)
        raise
    finished.set()
    ticker.join()
    seconds = time.monotonic() - started
    took = f" ({seconds:.0f} s)" if seconds >= _SHOW_TIME_AFTER else ""
    if live:
        print(f" done{took}", flush=True)
    elif took:
        print(f"  {title}: done{took}", flush=True)


def _tick(finished: threading.Event, *, live: bool) -> None:
    while not finished.wait(2 if live else 15):
        print("." if live else "    in progress", end="" if live else "\n", flush=True)


def run(
    command: Sequence[str | Path],
    *,
    what: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    text: str | None = None,
    timeout: float = 900,
) -> str:
    """Run a command and return its output. Raises RuntimeFault with the end of the output when the command fails."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            env=None if env is None else dict(env),
            cwd=cwd,
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise RuntimeFault(f"{what}: {fault}") from fault
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise RuntimeFault(f"{what} (exit {done.returncode}):\n{tail}")
    return done.stdout


def confirm(question: str) -> bool:
    """Ask before a change that cannot be undone; only `yes` confirms it."""
    try:
        return input(f"{question} Type yes to continue: ").strip().lower() == "yes"
    except EOFError:
        return False
