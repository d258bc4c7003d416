"""The output of wrk."""

import pytest

from deploy.common.faults import RuntimeFault
from tests.bench.wrk import read_result

WRK = """Running 2s test @ http://127.0.0.1:20000
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     9.13ms   12.85ms 120.58ms   89.68%
    Req/Sec    12.21k     3.36k   16.25k    75.00%
  24312 requests in 2.00s, 6.51MB read
Requests/sec:  12155.61
Transfer/sec:      3.26MB

result {"requests": 24312, "seconds": 2.000063, "error_responses": 0, "failures": 0, "p50_ms": 4.511, "p99_ms": 63.411}
"""


def test_the_result_is_read_from_the_output_of_wrk() -> None:
    responses = read_result(WRK)

    assert responses.requests == 24_312
    assert responses.error_responses == 0
    assert responses.p99_ms == 63.411
    assert responses.rate == pytest.approx(12_155.6, rel=1e-4)


def test_an_output_of_wrk_without_a_result_is_a_fault() -> None:
    with pytest.raises(RuntimeFault, match="unable to connect"):
        read_result("unable to connect to 127.0.0.1:1 Connection error_responses\n")
