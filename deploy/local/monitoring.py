"""The configuration and the commands of Prometheus, Alertmanager and the exporters on this machine."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.common.checkout import CHECKOUT
from deploy.common.names import CLICK_STREAM, UNUSED_URL
from deploy.local.settings import LocalSettings
from deploy.local.state import secret, write_secret

PACKAGES: Final[Mapping[str, str]] = {
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "prometheus-redis-exporter": "prometheus-redis-exporter",
    "prometheus-postgres-exporter": "prometheus-postgres-exporter",
    "prometheus-nginx-exporter": "prometheus-nginx-exporter",
}
"""The programs, as Debian names them, and the package of each."""

NAMES: Final = ("prometheus", "alertmanager", "node-exporter", "redis-exporter", "postgres-exporter", "nginx-exporter")


def is_on(settings: LocalSettings) -> bool:
    """Whether monitoring is switched on, by `make monitoring-up`."""
    return _mark(settings).exists()


def switch(settings: LocalSettings, *, on: bool) -> None:
    """Remember whether monitoring is switched on."""
    if on:
        _mark(settings).touch()
    else:
        _mark(settings).unlink(missing_ok=True)


def ports(settings: LocalSettings) -> dict[str, int]:
    """The port of each program, on loopback, after those of the processes."""
    first = max(settings.http_ports.values()) + 1
    return {name: first + place for place, name in enumerate(NAMES)}


def write_all(settings: LocalSettings) -> None:
    """Render the files of the programs: the same rules as in every runtime, and the targets of this machine."""
    folder = settings.state / "monitoring"
    (folder / "targets" / "alertmanager").mkdir(parents=True, exist_ok=True)
    for name in ("prometheus.yml", "recording.yml", "alerts.yml"):
        (folder / name).write_text((CHECKOUT / "monitoring" / name).read_text(encoding="utf-8"), encoding="utf-8")
    _write_json(folder / "targets" / "local.yml", _targets(settings))
    alertmanager = [{"targets": [f"127.0.0.1:{ports(settings)['alertmanager']}"]}]
    _write_json(folder / "targets" / "alertmanager" / "local.yml", alertmanager)
    write_secret(folder / "alertmanager.yml", _alertmanager(settings))
    passwords = {_redis_url(settings): secret(settings, "redis")}
    write_secret(settings.secrets / "redis_exporter", json.dumps(passwords))


def programs(settings: LocalSettings, where: Mapping[str, Path]) -> dict[str, tuple[list[str | Path], dict[str, str]]]:
    """The command and the environment of each program; `where` has the path of each of `PACKAGES`."""
    folder = settings.state / "monitoring"
    port = ports(settings)

    def listen(name: str) -> str:
        return f"--web.listen-address=127.0.0.1:{port[name]}"

    postgres = f"127.0.0.1:{settings.postgres_port}/{settings.database}?sslmode=disable"
    return {
        "prometheus": (
            [
                where["prometheus"],
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                listen("prometheus"),
            ],
            {},
        ),
        "alertmanager": (
            [
                where["prometheus-alertmanager"],
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'alertmanager'}",
                "--cluster.listen-address=",
                listen("alertmanager"),
            ],
            {},
        ),
        "node-exporter": ([where["prometheus-node-exporter"], listen("node-exporter")], {}),
        "redis-exporter": (
            [where["prometheus-redis-exporter"], listen("redis-exporter")],
            {
                "REDIS_ADDR": _redis_url(settings),
                "REDIS_PASSWORD_FILE": str(settings.secrets / "redis_exporter"),
                "REDIS_EXPORTER_CHECK_SINGLE_STREAMS": CLICK_STREAM,
            },
        ),
        "postgres-exporter": (
            [where["prometheus-postgres-exporter"], listen("postgres-exporter")],
            {
                "DATA_SOURCE_URI": postgres,
                "DATA_SOURCE_USER": "boltlink_monitor",
                "DATA_SOURCE_PASS_FILE": str(settings.secrets / "monitor"),
            },
        ),
        "nginx-exporter": (
            [
                where["prometheus-nginx-exporter"],
                f"-nginx.scrape-uri=http://127.0.0.1:{settings.status_port}/stub_status",
                f"-web.listen-address=127.0.0.1:{port['nginx-exporter']}",
            ],
            {},
        ),
    }


def _mark(settings: LocalSettings) -> Path:
    return settings.state / "monitoring.on"


def _targets(settings: LocalSettings) -> list[dict[str, object]]:
    found: list[dict[str, object]] = [
        _target(
            settings.http_ports[instance.name], job="boltlink", service=instance.process.name, instance=instance.name
        )
        for instance in settings.instances
    ]
    for name, port in ports(settings).items():
        job = name.removesuffix("-exporter")
        found.append(_target(port, job=job, instance=job))
    return found


def _target(port: int, **labels: str) -> dict[str, object]:
    return {"labels": labels, "targets": [f"127.0.0.1:{port}"]}


def _write_json(path: Path, document: object) -> None:
    """Write a document as JSON, which is YAML as well."""
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _alertmanager(settings: LocalSettings) -> str:
    """The same routes, with the URL of the webhook itself: Debian's Alertmanager does not support `url_file`."""
    text = (CHECKOUT / "monitoring" / "alertmanager.yml").read_text(encoding="utf-8")
    url = settings.alert_webhook_url or UNUSED_URL
    return text.replace("url_file: /run/secrets/alert_webhook_url", f"url: {json.dumps(url)}")


def _redis_url(settings: LocalSettings) -> str:
    return f"redis://127.0.0.1:{settings.redis_port}"
