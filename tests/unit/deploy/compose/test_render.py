"""What is rendered from processes.toml for Docker Compose and for Prometheus."""

import re
from typing import Any

import pytest
import yaml

from deploy.common.checkout import CHECKOUT
from deploy.compose import render
from deploy.processes import read_instances

NEW = "./.boltlink-compose"


@pytest.mark.parametrize("path", render.rendered({}))
def test_a_committed_file_is_what_is_rendered(path: str) -> None:
    committed = (CHECKOUT / path).read_text(encoding="utf-8")
    assert committed == render.rendered({})[path], "run: make render"


def compose(resolvers: str) -> Any:
    return yaml.safe_load(render.rendered({"RESOLVERS": resolvers}, NEW)["docker-compose.yml"])


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_every_resolver_has_a_container_a_volume_and_a_place_in_the_pool(count: int) -> None:
    document = compose(str(count))
    names = [f"resolver{number + 1}" for number in range(count)]
    assert [name for name in document["services"] if name.startswith("resolver")] == names
    assert [name for name in document["volumes"] if name.startswith("resolver")] == [f"{name}-spool" for name in names]
    for name in names:
        service = document["services"][name]
        assert (service["container_name"], service["volumes"]) == (f"boltlink-{name}", [f"{name}-spool:/spool"])
        assert document["services"]["nginx"]["depends_on"][name] == {"condition": "service_healthy"}
    (pool,) = [line for line in pools(document) if line.startswith("resolver ")]
    assert pool.split()[2:] == [f"boltlink-{name}:8000" for name in names]


def pools(document: Any) -> list[str]:
    lines: list[str] = document["services"]["nginx"]["environment"]["BOLTLINK_POOLS"].splitlines()
    return lines


def test_every_resolver_is_scraped() -> None:
    rows = yaml.safe_load(render.rendered({"RESOLVERS": "5"}, NEW)["monitoring/targets/compose.yml"])
    instances = [row["labels"]["instance"] for row in rows if row["labels"].get("service") == "resolver"]
    assert instances == [f"resolver-{number + 1}" for number in range(5)]


def test_prometheus_reads_the_targets_that_were_rendered() -> None:
    assert f"{NEW}/monitoring/targets:/etc/prometheus/targets:ro" in compose("5")["services"]["prometheus"]["volumes"]


def test_nothing_else_differs_for_another_number_of_resolvers() -> None:
    def others(resolvers: str) -> Any:
        services = compose(resolvers)["services"]
        return {name: service for name, service in services.items() if not re.match(r"resolver|nginx\Z", name)}

    assert others("5") == others("2")


def test_every_container_of_ours_that_nginx_does_not_ask_is_known_to_it() -> None:
    document = compose("3")
    members = {member.partition(":")[0] for line in pools(document) for member in line.split()[2:]}
    others = document["services"]["nginx"]["environment"]["BOLTLINK_OTHERS"].split()
    assert sorted([*members, *others]) == sorted(instance.container for instance in read_instances({}))


def test_the_name_of_a_pool_can_be_part_of_a_shell_variable() -> None:
    assert all(re.fullmatch(r"[a-z_]+ \d+( [\w-]+:\d+)+", line) for line in pools(compose("3")))


def test_replicas_share_what_differs_in_production() -> None:
    document = yaml.safe_load(render.rendered({"RESOLVERS": "4"})["docker-compose.prod.yml"].replace("!reset", ""))
    assert document["services"]["resolver4"] == document["services"]["resolver1"]
    assert document["services"]["consumer2"]["extends"] == {"file": "docker-compose.yml", "service": "consumer"}


def test_a_file_without_its_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="There is no block volumes"):
        render.fill("volumes:\n", {"volumes": []})


def test_only_the_lines_between_the_markers_are_replaced() -> None:
    text = "a:\n  # >>> one: why\n  old: 1\n  # <<< one\nb: 2\n"
    assert render.fill(text, {"one": ["new:", "  - 3"]}) == "a:\n  # >>> one: why\n  new:\n    - 3\n  # <<< one\nb: 2\n"
