from services.stats.counting.read_order import FIRST, ReadOrder


def test_a_consumer_begins_with_its_pending_entries() -> None:
    assert ReadOrder().pending_after == FIRST


def test_a_postponed_pending_entry_is_passed_over_until_all_are_read_again() -> None:
    order = ReadOrder()
    order.postpone([b"1-0", b"2-0"])
    assert order.pending_after == b"2-0"
    order.reread_pending()
    assert order.pending_after == FIRST


def test_after_a_postponed_claim_new_entries_are_read_and_then_the_next_ones_claimed() -> None:
    order = ReadOrder()
    order.pending_after = None
    order.record_claim([b"1-0"])
    order.postpone([b"1-0"])
    assert not order.claims
    order.record_new()
    order.postpone([b"9-0"])
    assert (order.claims, order.claim_from, order.pending_after) == (True, b"(1-0", None)


def test_after_a_claim_that_found_nothing_the_next_one_begins_with_the_first_entry() -> None:
    order = ReadOrder()
    order.pending_after = None
    order.record_claim([b"1-0"])
    order.postpone([b"1-0"])
    order.record_claim([])
    order.record_new()
    assert order.claim_from == FIRST
