"""The output of pgbench."""

import pytest

from deploy.common.faults import RuntimeFault
from tests.bench.new_links import read_tps

PGBENCH = """pgbench (15.18)
number of clients: 64
number of transactions actually processed: 5948
latency average = 21.521 ms
initial connection time = 178.422 ms
tps = 2973.811241 (without initial connection time)
"""


def test_the_transactions_a_second_are_read_from_the_output_of_pgbench() -> None:
    assert read_tps(PGBENCH) == pytest.approx(2_973.81, rel=1e-4)


def test_an_output_of_pgbench_without_a_result_is_a_fault() -> None:
    with pytest.raises(RuntimeFault, match="no such table"):
        read_tps("no such table\n")
