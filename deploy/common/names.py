"""Names and constants that both runtimes use."""

from typing import Final

from deploy.processes import ROLES

NGINX: Final = "nginx"
STORES: Final = ("postgres", "redis")

DATABASE_ROLES: Final = (*ROLES, "monitor")
"""Every role in PostgreSQL that logs in with a password of its own; `monitor` is that of the exporter."""

CLICK_STREAM: Final = "clicks"
"""The key of the click stream. A test holds it against `shared/redis/keys.py`, which no runtime may import."""

SCOPES: Final = ("links:read", "links:write", "stats:read", "admin")
"""The scopes of an API key. A test holds them against `shared/domain/models.py`, which no runtime may import."""

UNUSED_ADDRESS: Final = "127.0.0.1:9"
"""An address at which nothing listens."""

UNUSED_URL: Final = f"http://{UNUSED_ADDRESS}/"
