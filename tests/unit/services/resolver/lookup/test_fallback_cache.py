from services.resolver.lookup.fallback_cache import LIFETIME, ROUTES_MOST, Memory
from shared.domain.models import Route
from tests.unit.clock import Clock

ROUTE = Route(version=1, link_id=7, live=True, url="https://example.com/")


def test_a_route_is_kept_for_a_moment() -> None:
    clock = Clock()
    memory = Memory(clock)
    memory.keep("abc", ROUTE)
    clock.now += LIFETIME * 0.99
    assert memory.get("abc") == ROUTE
    clock.now += LIFETIME * 0.02
    assert memory.get("abc") is None


def test_what_was_not_kept_is_unknown() -> None:
    assert Memory(Clock()).get("abc") is None


def test_a_flood_of_codes_does_not_fill_the_memory() -> None:
    memory = Memory(Clock())
    for number in range(ROUTES_MOST + 1):
        memory.keep(f"c{number}", ROUTE)
    assert memory.get("c0") is None
    assert memory.get(f"c{ROUTES_MOST}") == ROUTE
