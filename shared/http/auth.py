"""Authentication by API key, scopes and rate limits. `shared/http/contract.py` names the scope of each operation."""

import logging
import time
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from shared.domain.errors import Forbidden, StoreUnavailable, Unauthenticated
from shared.domain.models import MAX_API_KEY_LENGTH, ApiKey, Scope
from shared.http.rate_limit import Limiter, LimitSettings
from shared.http.requests import client_address
from shared.http.stores import DATABASE
from shared.postgres.tables import api_keys

log = logging.getLogger(__name__)


class RequestQuota:
    """The requests that an API key has left. The request itself is counted; a handler may count more for more work."""

    def __init__(self, limiter: Limiter, key: ApiKey) -> None:
        self._limiter = limiter
        self._client = str(key.id)
        self.headers = limiter.acquire(self._client)

    def acquire(self, count: int) -> None:
        """Count `count` more requests. Raises TooManyRequests when fewer are left."""
        self.headers = self._limiter.acquire(self._client, count)


CALLER = web.RequestKey("CALLER", ApiKey)
QUOTA = web.RequestKey("QUOTA", RequestQuota)

KEY_CACHE_LIFETIME: Final = 1.0
"""Seconds for which a looked-up key is cached, and for which a revoked key may still work."""

_MAX_CACHED_KEYS: Final = 1_000
_USE_INTERVAL: Final = 60.0
"""Seconds between two records of a key's last use."""


class ApiKeyCache:
    """Looks up API keys, and caches valid ones for a moment."""

    def __init__(self) -> None:
        self._cached: dict[bytes, tuple[float, ApiKey]] = {}
        self._recorded_at: dict[int, float] = {}

    async def find(self, app: web.Application, secret: str) -> ApiKey:
        """The API key that belongs to a secret. Raises Unauthenticated when there is no valid one."""
        key_hash = api_keys.hash_of(secret)
        now = time.monotonic()
        cached = self._cached.get(key_hash)
        if cached and cached[0] > now:
            return cached[1]
        key = await api_keys.find(app[DATABASE], key_hash)
        if key is None:
            self._cached.pop(key_hash, None)
            raise Unauthenticated("This API key is unknown, revoked or expired.")
        if len(self._cached) >= _MAX_CACHED_KEYS:
            self._cached.clear()
        self._cached[key_hash] = (now + KEY_CACHE_LIFETIME, key)
        await self._record_use(app, key, now)
        return key

    async def _record_use(self, app: web.Application, key: ApiKey, now: float) -> None:
        """Record the use of a key once a minute, within the request: a separate task could outlive the pool."""
        if now - self._recorded_at.get(key.id, -_USE_INTERVAL) < _USE_INTERVAL:
            return
        self._recorded_at[key.id] = now
        try:
            await api_keys.record_use(app[DATABASE], key.id)
        except StoreUnavailable:
            log.warning("the last use of API key %d could not be recorded", key.id)


def auth_middleware(scopes: Mapping[str, Scope | None], limits: LimitSettings) -> Middleware:
    """A middleware that requires an API key with the scope of the route, and enforces the rate limits.

    `scopes` maps the names of routes to scopes. A route without a scope, such as a probe or a 404, needs no key. The
    limit per address counts only requests without a valid key.
    """
    cache = ApiKeyCache()
    key_limiter = Limiter(limits.key)
    address_limiter = Limiter(limits.address)

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        scope = scopes.get(request.match_info.route.name or "")
        if scope is None:
            return await handler(request)
        address = client_address(request)
        address_limiter.check(address)
        try:
            key = await cache.find(request.app, bearer_token(request))
        except Unauthenticated:
            address_limiter.acquire(address)
            raise
        quota = RequestQuota(key_limiter, key)
        if scope not in key.scopes and "admin" not in key.scopes:
            raise Forbidden(f"This call needs the scope {scope}; the key has {', '.join(key.scopes) or 'none'}.")
        request[CALLER] = key
        request[QUOTA] = quota
        response = await handler(request)
        response.headers.update(quota.headers)
        return response

    return authenticate


def bearer_token(request: web.Request) -> str:
    """The API key in `Authorization: Bearer KEY` (RFC 6750, 2.1). Raises Unauthenticated when there is none."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise Unauthenticated("Send Authorization: Bearer followed by an API key.")
    if len(secret) > MAX_API_KEY_LENGTH or not secret.isascii():
        raise Unauthenticated("This is not an API key.")
    return secret
