"""A client that sends requests at a given rate, however slow the responses are: `python -m tests.bench.open_loop`.

Visitors arrive at random (a Poisson process), in steps of a millisecond, and use a free connection or wait for one. A
response time starts with the arrival of the visitor, so it includes the time that the visitor waits behind a slow
response. No tool of the distribution does this: hey and h2load keep a rate for each connection, and all their
connections send in step.
"""

import json
import random
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_STEP: Final = 0.001
_DRAIN_TIMEOUT: Final = 5.0
_SEED: Final = 1


class OpenLoop:
    """Some connections, and the visitors that wait for a free one."""

    def __init__(self, address: tuple[str, int], connections: int, requests: Sequence[bytes]) -> None:
        self._requests = requests
        self._sent = 0
        self._waiting: deque[float] = deque()
        self._arrivals: dict[int, float] = {}
        self._poll = select.epoll()
        self._sockets = {(found := socket.create_connection(address)).fileno(): found for _ in range(connections)}
        self._free = list(self._sockets)
        for descriptor, connection in self._sockets.items():
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._poll.register(descriptor, select.EPOLLIN)
        self.seconds: list[float] = []
        """The response times."""

    def run(self, rate: float, length: float, ignored: float) -> None:
        """Let visitors arrive for `length` seconds. The response times of the first `ignored` seconds do not count."""
        chance = random.Random(_SEED)  # noqa: S311  # no secret
        start = time.monotonic()
        due, begin, end = start, start + ignored, start + length
        while due < end:
            due += _STEP
            while (left := due - time.monotonic()) > 0:
                self._receive(left, begin)
            self._waiting.extend([due] * poisson(chance, rate * _STEP))
            self._send()
            self._receive(0, begin)
        deadline = time.monotonic() + _DRAIN_TIMEOUT
        while (self._waiting or self._arrivals) and time.monotonic() < deadline:
            self._receive(_STEP, begin)
        if self._waiting or self._arrivals:
            raise TimeoutError(f"{len(self._waiting) + len(self._arrivals)} visitors got no response in time")

    def close(self) -> None:
        for connection in self._sockets.values():
            connection.close()

    def _send(self) -> None:
        while self._waiting and self._free:
            descriptor = self._free.pop()
            self._arrivals[descriptor] = self._waiting.popleft()
            self._sockets[descriptor].sendall(self._requests[self._sent % len(self._requests)])
            self._sent += 1

    def _receive(self, timeout: float, begin: float) -> None:
        for descriptor, _ in self._poll.poll(timeout):
            response = self._sockets[descriptor].recv(65_536)
            if not response.startswith(b"HTTP/1.1 302 ") or not response.endswith(b"\r\n\r\n"):
                raise ValueError(f"not a redirect in one piece: {response[:200]!r}")
            arrival = self._arrivals.pop(descriptor)
            if arrival >= begin:
                self.seconds.append(time.monotonic() - arrival)
            self._free.append(descriptor)
        self._send()


def poisson(chance: random.Random, mean: float) -> int:
    """How many visitors arrive in a step: a Poisson number by Knuth's algorithm, which suits small means."""
    limit, product, count = 2.718281828459045**-mean, chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


def main() -> None:
    """Read a task as JSON from standard input, and write the sorted response times as JSON to standard output."""
    task = json.load(sys.stdin)
    head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "bench.test", **task["headers"]}.items())
    paths = Path(task["requests"]).read_text(encoding="utf-8").split()
    requests = [f"GET {path} HTTP/1.1\r\n{head}\r\n".encode() for path in paths]
    loop = OpenLoop((task["host"], task["port"]), task["connections"], requests)
    try:
        loop.run(task["rate"], task["seconds"], task["ignored"])
    finally:
        loop.close()
    json.dump(sorted(loop.seconds), sys.stdout)


if __name__ == "__main__":
    main()
