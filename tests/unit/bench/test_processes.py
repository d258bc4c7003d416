"""CPU time between two readings."""

from tests.bench.processes import cpu_seconds, spent


def test_only_what_was_spent_between_two_readings_counts() -> None:
    assert spent({1: 2.0, 2: 1.0}, {1: 2.5, 2: 1.0}) == 0.5


def test_a_process_that_began_or_ended_meanwhile_is_left_out() -> None:
    assert spent({1: 2.0, 2: 9.0}, {1: 2.5, 3: 4.0}) == 0.5


def test_a_process_that_has_ended_is_not_read() -> None:
    no_process = 2**22 + 1  # above the kernel's highest number

    assert cpu_seconds([no_process]) == {}
