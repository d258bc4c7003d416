from services.resolver.lookup.fallback_cache import LIFETIME, MAX_ROUTES, FallbackCache
from shared.domain.codes import in_default_domain
from shared.domain.models import Route
from tests.unit.clock import Clock

ROUTE = Route(version=1, link_id=7, live=True, url="https://example.com/")


def test_a_route_is_cached_for_a_moment() -> None:
    clock = Clock()
    cache = FallbackCache(clock)
    cache.put(in_default_domain("abc"), ROUTE)
    clock.now += LIFETIME * 0.99
    assert cache.get(in_default_domain("abc")) == ROUTE
    clock.now += LIFETIME * 0.02
    assert cache.get(in_default_domain("abc")) is None


def test_a_name_that_was_not_cached_is_unknown() -> None:
    assert FallbackCache(Clock()).get(in_default_domain("abc")) is None


def test_a_flood_of_codes_does_not_exceed_the_limit() -> None:
    cache = FallbackCache(Clock())
    for number in range(MAX_ROUTES + 1):
        cache.put(in_default_domain(f"c{number}"), ROUTE)
    assert cache.get(in_default_domain("c0")) is None
    assert cache.get(in_default_domain(f"c{MAX_ROUTES}")) == ROUTE
