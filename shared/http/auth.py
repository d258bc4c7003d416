"""API keys: who may call what. The scope of a call stands with it in the route (`shared/http/contract.py`)."""

import logging
import time
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from shared.domain.errors import Forbidden, StoreUnavailable, Unauthenticated
from shared.domain.models import ApiKey, Scope
from shared.http.rate_limit import Limiter, LimitSettings
from shared.http.requests import client_address
from shared.http.stores import DATABASE
from shared.postgres.tables import api_keys as keys

log = logging.getLogger(__name__)


class Allowance:
    """What a key may still ask. Every request is counted once; a handler counts what it finds to be more work."""

    def __init__(self, limiter: Limiter, key: ApiKey) -> None:
        self._limiter = limiter
        self._client = str(key.id)
        self.headers: dict[str, str] = limiter.acquire(self._client)

    def acquire(self, count: int) -> None:
        """Count so many requests more. Raises TooManyRequests when they are not left."""
        self.headers = self._limiter.acquire(self._client, count)


CALLER = web.RequestKey("CALLER", ApiKey)
ALLOWANCE = web.RequestKey("ALLOWANCE", Allowance)

KEY_CACHE_LIFETIME: Final = 1.0
"""A key is looked up again after this time: as long as a revoked one may still work."""

_MAX_REMEMBERED: Final = 1_000
_USE_INTERVAL: Final = 60.0
_MAX_KEY_LENGTH: Final = 256


class KeyRing:
    """Keys that were looked up a moment ago."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[float, ApiKey]] = {}
        self._noted: dict[int, float] = {}

    async def find(self, app: web.Application, secret: str) -> ApiKey:
        """The key of a secret. Raises Unauthenticated when it is not, or no longer, valid."""
        key_hash = keys.hash_of(secret)
        now = time.monotonic()
        known = self._known.get(key_hash)
        if known and known[0] > now:
            return known[1]
        key = await keys.find(app[DATABASE], key_hash)
        if key is None:
            self._known.pop(key_hash, None)
            raise Unauthenticated("This API key is unknown, revoked or past its time.")
        if len(self._known) >= _MAX_REMEMBERED:
            self._known.clear()
        self._known[key_hash] = (now + KEY_CACHE_LIFETIME, key)
        await self._note_use(app, key, now)
        return key

    async def _note_use(self, app: web.Application, key: ApiKey, now: float) -> None:
        """Once a minute, while the request waits: a task of its own could outlive the pool that it needs."""
        if now - self._noted.get(key.id, -_USE_INTERVAL) < _USE_INTERVAL:
            return
        self._noted[key.id] = now
        try:
            await keys.note_use(app[DATABASE], key.id)
        except StoreUnavailable:
            log.warning("the last use of key %d was not noted", key.id)


def auth_middleware(scopes: Mapping[str, Scope | None], limits: LimitSettings) -> Middleware:
    """A middleware that lets a request through whose key has the scope of its route, and asks no more than it may.

    `scopes` maps the names of routes to what they need; a route that it does not know is open, as are probes and 404s.
    """
    ring = KeyRing()
    keys_limiter = Limiter(limits.key)
    strangers_limiter = Limiter(limits.address)

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        scope = scopes.get(request.match_info.route.name or "")
        if scope is None:
            return await handler(request)
        address = client_address(request)
        strangers_limiter.check(address)
        try:
            key = await ring.find(request.app, bearer(request))
        except Unauthenticated:
            strangers_limiter.acquire(address)
            raise
        allowance = Allowance(keys_limiter, key)
        if scope not in key.scopes and "admin" not in key.scopes:
            raise Forbidden(f"This call needs the scope {scope}; the key has {', '.join(key.scopes) or 'none'}.")
        request[CALLER] = key
        request[ALLOWANCE] = allowance
        response = await handler(request)
        response.headers.update(allowance.headers)
        return response

    return gate


def bearer(request: web.Request) -> str:
    """The key of `Authorization: Bearer KEY` (RFC 6750, 2.1). Raises Unauthenticated when there is none."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise Unauthenticated("Send Authorization: Bearer followed by an API key.")
    if len(secret) > _MAX_KEY_LENGTH or not secret.isascii():
        raise Unauthenticated("This is no API key.")
    return secret
