"""Fixtures of several unit tests: an application that is called by a client in the same process."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from aiohttp.typedefs import Handler, Middleware
from hypothesis import settings
from pytest_aiohttp import AiohttpClient

from shared.http.application import create_application
from shared.http.middleware import Page
from shared.process.settings import InstanceSettings

settings.register_profile("unit", deadline=None, database=None)  # no time limits, no database of examples
settings.load_profile("unit")

INSTANCE = InstanceSettings(instance_id="writer-7", log_level="INFO")

Client = TestClient[Any, Any]
Start = Callable[..., Awaitable[Client]]


@pytest.fixture
def start(aiohttp_client: AiohttpClient) -> Start:
    """Starts an application with one path, `/here`, and a handler for it."""

    async def start(
        handler: Handler,
        *,
        method: str = "*",
        page: Page | None = None,
        auth: Middleware | None = None,
        body_limit: int = 1_024,
    ) -> Client:
        app, _ = create_application("writer", INSTANCE, page=page, auth=auth, body_limit=body_limit)
        app.add_routes([web.route(method, "/here", handler, name="here")])
        return await aiohttp_client(app)

    return start
