"""Stops the event loop from watching a socket that libpq has closed."""

import asyncio
import contextlib

import psycopg2
import psycopg2.extensions


class WatchedConnection(psycopg2.extensions.connection):
    """A connection whose socket is removed from the event loop as soon as libpq closes it.

    libpq itself closes a socket that cannot connect or is broken. The next socket of the process, for example one to
    Redis, then gets the same file descriptor. aiopg does not remove the closed socket's writer from the event loop, and
    uvloop would go on watching the descriptor: the new socket would get no events, or the process would be aborted.
    """

    _descriptor: int | None = None

    def fileno(self) -> int:
        """The descriptor of the socket. aiopg calls this once, right before the event loop watches the socket."""
        self._descriptor = super().fileno()
        return self._descriptor

    def poll(self) -> int:
        try:
            state: int = super().poll()
        except psycopg2.Error:
            self.forget_closed_socket()
            raise
        return state

    def close(self) -> None:
        self._descriptor = None  # aiopg has stopped the watch; from now on the descriptor may be another socket's
        super().close()

    def forget_closed_socket(self) -> None:
        """Stop the event loop from watching the socket, if libpq has closed it."""
        if self._descriptor is not None and not self._has_socket():
            _stop_watching(self._descriptor)
            self._descriptor = None

    def _has_socket(self) -> bool:
        try:
            return super().fileno() >= 0
        except psycopg2.InterfaceError:  # the connection is closed
            return False


def _stop_watching(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    for stop in (loop.remove_reader, loop.remove_writer):
        with contextlib.suppress(OSError):  # asyncio's own loop calls epoll, which no longer knows the descriptor
            stop(descriptor)
