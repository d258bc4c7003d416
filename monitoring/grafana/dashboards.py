"""Every dashboard as code. `python -m monitoring.grafana.dashboards` writes the files that Grafana reads."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from monitoring.grafana import clicks, nginx, overview, redirects, stores

FOLDER: Final = Path(__file__).with_suffix("")
"""Where the files are: monitoring/grafana/dashboards/."""


def documents() -> Mapping[str, str]:
    """The content of each file, by its name."""
    return {
        f"{module.__name__.rpartition('.')[2]}.json": json.dumps(module.make().build(), cls=JSONEncoder, indent=2)
        + "\n"
        for module in (overview, redirects, clicks, stores, nginx)
    }


def write(folder: Path) -> None:
    """Write every file, and remove those of dashboards that there are no more."""
    made = documents()
    for path in folder.glob("*.json"):
        if path.name not in made:
            path.unlink()
    for name, content in made.items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    write(FOLDER)
