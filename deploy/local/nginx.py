"""nginx's configuration, rendered from the settings."""

import re
from collections.abc import Mapping

from deploy.local.settings import CHECKOUT, LocalSettings
from deploy.local.state import server_user


def configuration(settings: LocalSettings) -> str:
    """The template, filled in."""
    ports = settings.http_ports

    def servers(kind: str) -> str:
        places = [port for name, port in ports.items() if name.startswith(f"{kind}-")]
        lines = [f"server 127.0.0.1:{port} max_fails=2 fail_timeout=1s;" for port in places]
        if len(places) > 1:  # when each has just failed, nginx would ask nobody for a second: some may be back
            lines += [f"server 127.0.0.1:{port} max_fails=0 backup;" for port in places]
        return "\n".join(f"        {line}" for line in lines)

    user = server_user("www-data")
    real_ip = "".join(f"    set_real_ip_from {proxy};\n" for proxy in settings.trusted_proxies)
    if real_ip:
        real_ip += "    real_ip_header X-Forwarded-For;\n    real_ip_recursive on;"
    return _filled(
        (CHECKOUT / "nginx" / "nginx.conf.template").read_text(encoding="utf-8"),
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
            "BOLTLINK_WRITERS": servers("writer"),
            "BOLTLINK_STATS": servers("stats"),
            "BOLTLINK_RESOLVERS": servers("resolver"),
        },
    )


def _listen(settings: LocalSettings) -> str:
    if ":" in settings.listen:
        return f"[{settings.listen}]:{settings.port}" + (" ipv6only=off" if settings.listen == "::" else "")
    return f"{settings.listen}:{settings.port}"


def _filled(template: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(BOLTLINK_\w+)\}", lambda match: values[match[1]], template)


def includes() -> list[str]:
    """The files that the configuration includes."""
    return [(CHECKOUT / "nginx" / name).read_text(encoding="utf-8") for name in ("routes.conf", "problems.conf")]
