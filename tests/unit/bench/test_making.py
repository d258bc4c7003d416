"""What pgbench prints, read."""

import pytest

from deploy.local.settings import RuntimeFault
from tests.bench.making import read_tps

PGBENCH = """pgbench (15.18)
number of clients: 64
number of transactions actually processed: 5948
latency average = 21.521 ms
initial connection time = 178.422 ms
tps = 2973.811241 (without initial connection time)
"""


def test_what_pgbench_has_reached_is_read() -> None:
    assert read_tps(PGBENCH) == pytest.approx(2_973.81, rel=1e-4)


def test_a_pgbench_without_a_result_is_a_fault() -> None:
    with pytest.raises(RuntimeFault, match="no such table"):
        read_tps("no such table\n")
