"""A client that asks at a given rate, whoever is how slow: `python -m tests.bench.open_loop HOST PORT …`.

Visitors come by chance (a Poisson process), in steps of a millisecond, and take a free connection, or wait for one. An
answer's time counts from when its visitor came, so an answer that waits behind a slow one is slow, too. None of the
distribution's tools does this: hey and h2load keep a rate for each connection, all connections in step with each other.
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
_DRAIN_SECONDS: Final = 5.0
_SEED: Final = 1


class OpenLoop:
    """Some connections, and the visitors who wait for one."""

    def __init__(self, address: tuple[str, int], connections: int, requests: Sequence[bytes]) -> None:
        self._requests = requests
        self._sent = 0
        self._waiting: deque[float] = deque()
        self._came: dict[int, float] = {}
        self._poll = select.epoll()
        self._sockets = {(found := socket.create_connection(address)).fileno(): found for _ in range(connections)}
        self._free = list(self._sockets)
        for descriptor, connection in self._sockets.items():
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._poll.register(descriptor, select.EPOLLIN)
        self.seconds: list[float] = []
        """How long each answer took."""

    def run(self, rate: float, length: float, ignored: float) -> None:
        """Let visitors come for some seconds; the answers to those of the first `ignored` seconds are left out."""
        chance = random.Random(_SEED)  # noqa: S311  # no secret
        start = time.monotonic()
        due, begin, end = start, start + ignored, start + length
        while due < end:
            due += _STEP
            while (left := due - time.monotonic()) > 0:
                self._take_answers(left, begin)
            self._waiting.extend([due] * poisson(chance, rate * _STEP))
            self._send()
            self._take_answers(0, begin)
        deadline = time.monotonic() + _DRAIN_SECONDS
        while (self._waiting or self._came) and time.monotonic() < deadline:
            self._take_answers(_STEP, begin)
        if self._waiting or self._came:
            raise TimeoutError(f"{len(self._waiting) + len(self._came)} visitors got no answer in time")

    def close(self) -> None:
        for connection in self._sockets.values():
            connection.close()

    def _send(self) -> None:
        while self._waiting and self._free:
            descriptor = self._free.pop()
            self._came[descriptor] = self._waiting.popleft()
            self._sockets[descriptor].sendall(self._requests[self._sent % len(self._requests)])
            self._sent += 1

    def _take_answers(self, timeout: float, begin: float) -> None:
        for descriptor, _ in self._poll.poll(timeout):
            answer = self._sockets[descriptor].recv(65_536)
            if not answer.startswith(b"HTTP/1.1 302 ") or not answer.endswith(b"\r\n\r\n"):
                raise ValueError(f"no redirect in one piece: {answer[:200]!r}")
            came = self._came.pop(descriptor)
            if came >= begin:
                self.seconds.append(time.monotonic() - came)
            self._free.append(descriptor)
        self._send()


def poisson(chance: random.Random, mean: float) -> int:
    """How many visitors come in a step (Knuth's way, for small means)."""
    limit, product, count = 2.718281828459045**-mean, chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


def main() -> None:
    """Read the order as JSON from standard input, and write what came of it."""
    order = json.load(sys.stdin)
    head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "bench.test", **order["headers"]}.items())
    paths = Path(order["requests"]).read_text(encoding="utf-8").split()
    requests = [f"GET {path} HTTP/1.1\r\n{head}\r\n".encode() for path in paths]
    loop = OpenLoop((order["host"], order["port"]), order["connections"], requests)
    try:
        loop.run(order["rate"], order["seconds"], order["ignored"])
    finally:
        loop.close()
    json.dump(sorted(loop.seconds), sys.stdout)


if __name__ == "__main__":
    main()
