"""Links with conditions, and requests with a query that the resolver merges into the target."""

import contextlib
import http.client
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy.common.faults import RuntimeFault
from tests.bench import links, workload
from tests.bench.installations import Installation
from tests.bench.setup import Setup

VALID_UNTIL: Final = datetime(2126, 1, 1, tzinfo=UTC)

_TIMEOUT: Final = 5.0


def create(setup: Setup) -> Path:
    """Create as many links with conditions as there are hot links, and write a file of requests for them.

    The links have a `valid_until` in the far future and `forward_query`; otherwise they are like the plain links, and
    the codes are requested in the same order. Raises RuntimeFault when the product does not merge the query.
    """
    settings = setup.product.settings
    codes = workload.codes(workload.HOT, kind="conditional")
    with contextlib.closing(links.connect_postgres(settings)) as postgres:
        ids = links.insert_links(postgres, codes, offset=links.AFTER_ALL_LISTED)
        with postgres.cursor() as cursor:
            cursor.execute(
                "UPDATE links SET valid_until = %s, forward_query = true WHERE id BETWEEN %s AND %s",
                [VALID_UNTIL, ids[0], ids[-1]],
            )
    links.put_records(settings, codes, ids, valid_until=VALID_UNTIL.timestamp(), forward_query=True)
    _check_query_is_merged(setup.product, codes[0])
    return workload.write_paths(setup.folder / "conditional", codes, with_query=True)


def _check_query_is_merged(product: Installation, code: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", product.settings.port, timeout=_TIMEOUT)
    with contextlib.closing(connection):
        connection.request("GET", f"/{code}?q=visitor")
        response = connection.getresponse()
        location = response.getheader("Location")
    if (response.status, location) != (302, f"{links.TARGET}?q=visitor"):
        raise RuntimeFault(f"A link with forward_query responds {response.status} with Location {location}.")
