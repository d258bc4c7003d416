"""The alerts, rules and dashboards of monitoring/, read from its files."""

import json
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.common.checkout import CHECKOUT
from monitoring.grafana import dashboards

MONITORING: Final = CHECKOUT / "monitoring"


def document(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules(name: str) -> list[dict[str, Any]]:
    return [rule for group in document(MONITORING / name)["groups"] for rule in group["rules"]]


ALERTS: Final = [rule for rule in rules("alerts.yml") if "alert" in rule]
RECORDED: Final = [rule for rule in rules("recording.yml") if "record" in rule]
BOARDS: Final[dict[str, Any]] = {name: json.loads(text) for name, text in dashboards.documents().items()}


PANELS: Final[dict[str, dict[str, Any]]] = {
    f"{name}: {panel['title']}": panel
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
}
