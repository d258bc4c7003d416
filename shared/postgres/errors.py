"""The driver's errors, turned into those of the domain.

A statement that Postgres cancels (`statement_timeout`) comes out of aiopg as `asyncio.CancelledError`; a false
cancellation is told from a true one by `asyncio.current_task().cancelling()`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import Final

import psycopg2
import psycopg2.errors

from shared.domain.errors import ReferenceGone, StoreUnavailable, UniqueViolation

log = logging.getLogger(__name__)

UNAVAILABLE: Final = "The database did not answer in time."


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except psycopg2.errors.UniqueViolation as fault:
        raise UniqueViolation(fault.diag.constraint_name or "") from fault
    except psycopg2.errors.ForeignKeyViolation as fault:
        raise ReferenceGone from fault
    except (psycopg2.errors.DeadlockDetected, psycopg2.errors.LockNotAvailable) as fault:
        log.warning("postgres: %s", str(fault).strip())
        raise StoreUnavailable("Others wanted the same at the same time.", contended=True) from fault
    except (psycopg2.OperationalError, psycopg2.InterfaceError, OSError) as fault:
        log.warning("postgres: %s", str(fault).strip() or type(fault).__name__)
        raise StoreUnavailable(UNAVAILABLE) from fault
    except psycopg2.DatabaseError as fault:
        if fault.pgcode is None:  # the server went away in the middle: no SQLSTATE, no reason
            raise StoreUnavailable(UNAVAILABLE) from fault
        raise
    except asyncio.CancelledError as fault:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # somebody really cancelled us
        log.warning("postgres: a statement ran into its time limit")
        raise StoreUnavailable(UNAVAILABLE) from fault
