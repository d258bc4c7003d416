"""What wrk prints, read."""

import pytest

from deploy.local.settings import RuntimeFault
from tests.bench.wrk import read_answers

WRK = """Running 2s test @ http://127.0.0.1:20000
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     9.13ms   12.85ms 120.58ms   89.68%
    Req/Sec    12.21k     3.36k   16.25k    75.00%
  24312 requests in 2.00s, 6.51MB read
Requests/sec:  12155.61
Transfer/sec:      3.26MB

result {"requests": 24312, "seconds": 2.000063, "refused": 0, "broken": 0, "p50_ms": 4.511, "p99_ms": 63.411}
"""


def test_what_wrk_has_counted_is_read() -> None:
    answers = read_answers(WRK)

    assert answers.requests == 24_312
    assert answers.refused == 0
    assert answers.p99_ms == 63.411
    assert answers.rate == pytest.approx(12_155.6, rel=1e-4)


def test_a_wrk_that_ended_early_is_a_fault() -> None:
    with pytest.raises(RuntimeFault, match="unable to connect"):
        read_answers("unable to connect to 127.0.0.1:1 Connection refused\n")
