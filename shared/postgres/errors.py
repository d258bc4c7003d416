"""Translates the driver's errors into errors of the domain.

aiopg raises `asyncio.CancelledError` for a statement that Postgres cancels (`statement_timeout`). The translation
distinguishes it from a real cancellation by `asyncio.current_task().cancelling()`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import Final

import psycopg2
import psycopg2.errors

from shared.domain.errors import ForeignKeyViolation, StoreUnavailable, UniqueViolation

log = logging.getLogger(__name__)

UNAVAILABLE_DETAIL: Final = "The database is unavailable."


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Translate the errors that the driver raises inside the block."""
    try:
        yield
    except psycopg2.errors.UniqueViolation as fault:
        raise UniqueViolation(fault.diag.constraint_name or "") from fault
    except psycopg2.errors.ForeignKeyViolation as fault:
        raise ForeignKeyViolation from fault
    except (psycopg2.errors.DeadlockDetected, psycopg2.errors.LockNotAvailable) as fault:
        log.warning("postgres: %s", str(fault).strip())
        raise StoreUnavailable("Another transaction holds a lock on the same data.", contended=True) from fault
    except (psycopg2.OperationalError, psycopg2.InterfaceError, OSError) as fault:
        log.warning("postgres: %s", str(fault).strip() or type(fault).__name__)
        raise StoreUnavailable(UNAVAILABLE_DETAIL) from fault
    except psycopg2.DatabaseError as fault:
        if fault.pgcode is None:  # the connection was lost during the statement, so there is no SQLSTATE
            raise StoreUnavailable(UNAVAILABLE_DETAIL) from fault
        raise
    except asyncio.CancelledError as fault:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # a real cancellation of the task
        log.warning("postgres: a statement exceeded its time limit")
        raise StoreUnavailable(UNAVAILABLE_DETAIL) from fault
