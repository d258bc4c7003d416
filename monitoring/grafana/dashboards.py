"""All dashboards as code. `make render` writes the JSON files that Grafana reads."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from monitoring.grafana import clicks, nginx, overview, redirects, stores

FOLDER: Final = Path(__file__).with_suffix("")
"""The folder of the JSON files: monitoring/grafana/dashboards/."""


def documents() -> Mapping[str, str]:
    """The content of each JSON file, by file name."""
    return {
        f"{module.__name__.rpartition('.')[2]}.json": json.dumps(module.make().build(), cls=JSONEncoder, indent=2)
        + "\n"
        for module in (overview, redirects, clicks, stores, nginx)
    }


def write(folder: Path) -> None:
    """Write a file for each dashboard, and delete the files of dashboards that no longer exist."""
    contents = documents()
    for path in folder.glob("*.json"):
        if path.name not in contents:
            path.unlink()
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    write(FOLDER)
