from aioprometheus.collectors import Registry
from aioprometheus.renderer import render
from hypothesis import given
from hypothesis import strategies as st

from shared.process.metrics import BUCKETS, LatencyHistogram, RequestMetrics


def rendered(registry: Registry) -> dict[str, float]:
    """The metrics as Prometheus reads them: name with labels → value."""
    content, _ = render(registry, ["text/plain"])
    lines = [line for line in content.decode().splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def histogram_of(*seconds: float) -> dict[str, float]:
    """The rendered histogram of some times."""
    registry = Registry()
    histogram = LatencyHistogram("latency", "How long it took.", registry)
    for time in seconds:
        histogram.record("follow", time)
    return rendered(registry)


def bucket(bound: str) -> str:
    return f'latency_bucket{{le="{bound}",route="follow"}}'


def test_a_bucket_counts_all_times_up_to_its_upper_bound() -> None:
    lines = histogram_of(0.0004, 0.003, 0.003, 7.0)
    bounds = ("0.0005", "0.0025", "0.005", "5.0", "10.0", "+Inf")
    assert [lines[bucket(bound)] for bound in bounds] == [1, 1, 3, 3, 4, 4]


def test_the_upper_bound_belongs_to_its_bucket() -> None:
    assert histogram_of(0.005)[bucket("0.005")] == 1


def test_the_last_bucket_counts_everything() -> None:
    lines = histogram_of(3_600.0)
    assert (lines[bucket("10.0")], lines[bucket("+Inf")]) == (0, 1)


def test_sum_and_count_are_exported() -> None:
    lines = histogram_of(0.25, 0.5)
    assert (lines['latency_sum{route="follow"}'], lines['latency_count{route="follow"}']) == (0.75, 2)


def test_each_route_has_its_own_histogram() -> None:
    registry = Registry()
    histogram = LatencyHistogram("latency", "How long it took.", registry)
    histogram.record("follow", 0.1)
    histogram.record("home", 0.1)
    lines = rendered(registry)
    assert (lines['latency_count{route="follow"}'], lines['latency_count{route="home"}']) == (1, 1)


@given(st.lists(st.floats(0, 100), min_size=1))
def test_the_counts_of_buckets_are_cumulative(seconds: list[float]) -> None:
    lines = histogram_of(*seconds)
    counts = [lines[bucket(bound)] for bound in (*map(str, BUCKETS), "+Inf")]
    assert counts == sorted(counts)
    assert counts[-1] == len(seconds)


def test_requests_are_counted_by_route_and_status() -> None:
    registry = Registry()
    metrics = RequestMetrics(registry)
    for status in (302, 302, 404):
        metrics.observe("follow", status, 0.001)
    metrics.export()
    lines = rendered(registry)
    assert lines['boltlink_requests_total{route="follow",status="302"}'] == 2
    assert lines['boltlink_requests_total{route="follow",status="404"}'] == 1
    assert lines['boltlink_request_seconds_count{route="follow"}'] == 3


def test_numbers_that_are_exported_twice_count_once() -> None:
    registry = Registry()
    metrics = RequestMetrics(registry)
    metrics.observe("follow", 302, 0.001)
    metrics.export()
    metrics.export()
    assert rendered(registry)['boltlink_requests_total{route="follow",status="302"}'] == 1
