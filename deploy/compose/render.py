"""The parts of the Compose files and of Prometheus' targets that follow from `deploy/processes.toml`.

`python -m deploy.compose render` (`make render`) writes them between the markers of the committed files. When another
number of replicas is requested, `make` renders the same files into `.boltlink-compose` and starts those.
"""

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.common.checkout import CHECKOUT
from deploy.common.environment import instances_of
from deploy.compose import services
from deploy.processes import Instance

COMPOSE_FILE: Final = "docker-compose.yml"
PRODUCTION_FILE: Final = "docker-compose.prod.yml"
FOLDER: Final = ".boltlink-compose"
"""Files that are rendered for another number of replicas; not under version control."""

_TARGETS: Final = "monitoring/targets/compose.yml"
_PRODUCTION_TARGETS: Final = "monitoring/production-targets/production.yml"
_ALERTMANAGER: Final = "monitoring/targets/alertmanager/compose.yml"

Blocks = Mapping[str, Iterable[str]]


def rendered(values: Mapping[str, str], parent: str = ".") -> dict[str, str]:
    """Every file by its path, for an environment; `parent` is the folder that the containers find `monitoring/` in."""
    usual, production = instances_of(values), instances_of(values, production=True)
    more = [instance for instance in production if instance not in usual]
    return {
        path: fill((CHECKOUT / path).read_text(encoding="utf-8"), blocks)
        for path, blocks in (
            (COMPOSE_FILE, _compose(usual, production, parent)),
            (PRODUCTION_FILE, _production(usual, more, parent)),
            (_TARGETS, {"processes": services.targets(usual)}),
            (_PRODUCTION_TARGETS, {"processes": services.targets(more)}),
        )
    }


def _compose(usual: Sequence[Instance], production: Sequence[Instance], parent: str) -> Blocks:
    return {
        "processes": services.processes(),
        "commands environment": services.commands_environment(),
        "services": services.instances(usual),
        "nginx depends_on": services.nginx_depends_on(usual),
        "nginx environment": [*services.nginx_pools(usual), *services.nginx_others(usual)],
        "targets": [f"- {parent}/monitoring/targets:/etc/prometheus/targets:ro"],
        "volumes": services.volumes(production),
    }


def _production(usual: Sequence[Instance], more: Sequence[Instance], parent: str) -> Blocks:
    return {
        "services": [*services.production_overrides(usual), *services.production_instances(more)],
        "nginx environment": services.nginx_others([*usual, *more]),
        "targets": [f"- {parent}/monitoring/production-targets:/etc/prometheus/production-targets:ro"],
    }


def fill(text: str, blocks: Blocks) -> str:
    """Replace the lines between the markers of each block. Raises ValueError when a block has no markers."""
    for name, lines in blocks.items():
        pattern = rf"^(?P<first>(?P<indent> *)# >>> {name}:.*\n)(.*\n)*?(?P<last> *# <<< {name}\n)"
        if not (found := re.search(pattern, text, re.MULTILINE)):
            raise ValueError(f"There is no block {name}.")
        body = "".join(f"{found['indent']}{line}".rstrip() + "\n" for line in lines)
        text = text[: found.start()] + found["first"] + body + found["last"] + text[found.end() :]
    return text


def write() -> None:
    """Write the committed files."""
    for path, text in rendered({}).items():
        (CHECKOUT / path).write_text(text, encoding="utf-8")


def prepare(values: Mapping[str, str]) -> Path:
    """The folder of the Compose files for an environment: the checkout, or FOLDER for other replicas than usual."""
    if instances_of(values) == instances_of({}):
        return CHECKOUT
    folder = CHECKOUT / FOLDER
    for path, text in rendered(values, f"./{FOLDER}").items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    (folder / _ALERTMANAGER).parent.mkdir(exist_ok=True)
    shutil.copyfile(CHECKOUT / _ALERTMANAGER, folder / _ALERTMANAGER)
    return folder
