"""libpq's sockets and the event loop: a socket that libpq has closed must not stay watched."""

import asyncio
import contextlib

import psycopg2
import psycopg2.extensions


class WatchedConnection(psycopg2.extensions.connection):
    """A connection of which the event loop forgets the socket in the same moment in which libpq closes it.

    libpq closes a socket that could not connect, or broke, by itself, and the next one that the process opens, to Redis
    for example, gets its number. aiopg forgets to stop the watch for writing then. uvloop would go on with the old
    watch under that number: the new socket would hear nothing, for as long as it is tried, or the process is aborted.
    """

    _number: int | None = None

    def fileno(self) -> int:
        """The socket's number; aiopg asks for it once, right before it has it watched."""
        self._number = super().fileno()
        return self._number

    def poll(self) -> int:
        try:
            state: int = super().poll()
        except psycopg2.Error:
            self.forget_closed_socket()
            raise
        return state

    def close(self) -> None:
        self._number = None  # aiopg has had it forgotten; from now on the number may be another socket's
        super().close()

    def forget_closed_socket(self) -> None:
        """Have the event loop watch the socket no more, if libpq has closed it."""
        if self._number is not None and not self._has_socket():
            _stop_watching(self._number)
            self._number = None

    def _has_socket(self) -> bool:
        try:
            return super().fileno() >= 0
        except psycopg2.InterfaceError:  # the connection is closed
            return False


def _stop_watching(number: int) -> None:
    loop = asyncio.get_running_loop()
    for stop in (loop.remove_reader, loop.remove_writer):
        with contextlib.suppress(OSError):  # asyncio's own loop tells the kernel, which knows the number no more
            stop(number)
