"""CPU time between two readings."""

from tests.bench.processes import cpu_between, cpu_seconds


def test_only_the_cpu_time_between_two_readings_counts() -> None:
    assert cpu_between({1: 2.0, 2: 1.0}, {1: 2.5, 2: 1.0}) == 0.5


def test_a_process_that_is_not_in_both_readings_is_left_out() -> None:
    assert cpu_between({1: 2.0, 2: 9.0}, {1: 2.5, 3: 4.0}) == 0.5


def test_a_process_that_has_ended_has_no_cpu_time() -> None:
    no_process = 2**22 + 1  # above the highest process id of the kernel

    assert cpu_seconds([no_process]) == {}
