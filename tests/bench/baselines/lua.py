"""The baseline "lua": the configuration of an nginx that resolves codes by itself, with its Lua module."""

from pathlib import Path
from string import Template
from typing import Final

from deploy.local.settings import LocalSettings
from deploy.local.state import secret, server_user
from tests.bench.links import BASELINE_DATABASE, baseline_key

STREAM: Final = "clicks:lua"
MODULES: Final = Path("/usr/lib/nginx/modules")
FILES: Final = {
    MODULES / "ngx_http_lua_module.so": "libnginx-mod-http-lua",
    Path("/usr/share/lua/5.1/nginx/redis.lua"): "lua-nginx-redis",
}
"""The files that it needs, and the packages of Debian that contain them."""


def configuration(settings: LocalSettings) -> str:
    """The nginx configuration of an installation that consists of this nginx alone."""
    user = server_user("www-data")
    return Template(Path(__file__).with_name("lua.conf.template").read_text(encoding="utf-8")).safe_substitute(
        MODULES=str(MODULES),
        USER=f"user {user};" if user else "",
        STATE=str(settings.state / "nginx"),
        LOG=str(settings.logs / "access.log"),
        PORT=str(settings.port),
        REDIS_PORT=str(settings.redis_port),
        REDIS_PASSWORD=secret(settings, "redis"),
        DATABASE=str(BASELINE_DATABASE),
        KEY_PREFIX=baseline_key(""),
        STREAM=STREAM,
    )
