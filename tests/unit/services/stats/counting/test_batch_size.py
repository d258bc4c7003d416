from services.stats.counting.batch_size import MAX_BATCH_SIZE, MIN_BATCH_SIZE, AdaptiveBatchSize


def test_a_failure_halves_the_batch_size_and_a_success_doubles_it() -> None:
    batch_size = AdaptiveBatchSize(max_size=100, min_size=10)
    batch_size.record_failure()
    batch_size.record_failure()
    assert batch_size.size == 25
    batch_size.record_success()
    assert batch_size.size == 50


def test_the_batch_size_stays_within_its_limits() -> None:
    batch_size = AdaptiveBatchSize()
    batch_size.record_success()
    assert batch_size.size == MAX_BATCH_SIZE
    for _ in range(20):
        batch_size.record_failure()
    assert batch_size.size == MIN_BATCH_SIZE


def test_the_minimum_is_never_above_the_maximum() -> None:
    batch_size = AdaptiveBatchSize(max_size=10, min_size=50)
    batch_size.record_failure()
    assert batch_size.size == 10
