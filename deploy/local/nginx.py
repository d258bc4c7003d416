"""The configuration of nginx, rendered from the settings."""

import re
from collections.abc import Iterator, Mapping, Sequence

from deploy.common.checkout import CHECKOUT
from deploy.local.settings import LocalSettings
from deploy.local.state import server_user
from deploy.processes import pools


def configuration(settings: LocalSettings) -> str:
    """Fill in the template."""
    user = server_user("www-data")
    real_ip = "".join(f"    set_real_ip_from {proxy};\n" for proxy in settings.trusted_proxies)
    if real_ip:
        real_ip += "    real_ip_header X-Forwarded-For;\n    real_ip_recursive on;"
    return _filled(
        _read("nginx.conf.template"),
        {
            "BOLTLINK_NGINX_USER": f"user {user};" if user else "",
            "BOLTLINK_NGINX_STATE": str(settings.state / "nginx"),
            "BOLTLINK_NGINX_LOG": str(settings.logs / "access.log"),
            "BOLTLINK_NGINX_LOG_BUFFER": " buffer=32k flush=1s",
            "BOLTLINK_NGINX_LISTEN": _listen(settings),
            "BOLTLINK_NGINX_STATUS_LISTEN": f"127.0.0.1:{settings.status_port}",
            "BOLTLINK_NGINX_FOLDER": str(CHECKOUT / "nginx"),
            "BOLTLINK_NGINX_TLS": "",
            "BOLTLINK_NGINX_REDIRECT": "",
            "BOLTLINK_REAL_IP": real_ip,
            "BOLTLINK_NGINX_UPSTREAMS": "\n".join(_upstreams(settings)),
        },
    )


def _upstreams(settings: LocalSettings) -> Iterator[str]:
    template = _read("upstream.conf.template")
    for pool, instances in pools(settings.instances).items():
        values = {
            "BOLTLINK_POOL": pool.name,
            "BOLTLINK_POOL_KEEPALIVE": str(pool.keepalive),
            "BOLTLINK_POOL_SERVERS": _servers([settings.http_ports[instance.name] for instance in instances]),
        }
        yield _filled(template, values)


def _servers(ports: Sequence[int]) -> str:
    """The servers of a pool, and each once more as a backup.

    After a failure nginx ignores a server for a second. When it would ignore all of them, it asks the backups, so no
    request is refused while one instance is available.
    """
    lines = [f"server 127.0.0.1:{port} max_fails=2 fail_timeout=1s;" for port in ports]
    if len(ports) > 1:
        lines += [f"server 127.0.0.1:{port} max_fails=0 backup;" for port in ports]
    return "\n".join(f"        {line}" for line in lines)


def _listen(settings: LocalSettings) -> str:
    if ":" in settings.listen:
        return f"[{settings.listen}]:{settings.port}" + (" ipv6only=off" if settings.listen == "::" else "")
    return f"{settings.listen}:{settings.port}"


def _filled(template: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(BOLTLINK_\w+)\}", lambda match: values[match[1]], template)


def includes() -> list[str]:
    """The texts of the files that the configuration includes."""
    return [_read(name) for name in ("routes.conf", "problems.conf")]


def _read(name: str) -> str:
    return (CHECKOUT / "nginx" / name).read_text(encoding="utf-8")
