"""Alerts and dashboards use existing metrics, and every alert is documented and tested."""

import re
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.common.checkout import CHECKOUT
from deploy.processes import PROCESSES
from services.api_contract.document import OPERATIONS
from tests.unit.monitoring import ALERTS, MONITORING, PANELS, RECORDED, document

SERVICES: Final = set(PROCESSES)
JOBS: Final = {"boltlink", "nginx", "redis", "postgres", "node", "prometheus", "alertmanager"}

EXPORTED: Final = frozenset(
    {
        "up",
        "ALERTS",
        "nginx_up",
        "nginx_http_requests_total",
        "nginx_connections_active",
        "nginx_connections_reading",
        "nginx_connections_writing",
        "nginx_connections_waiting",
        "nginx_connections_accepted",
        "nginx_connections_handled",
        "redis_up",
        "redis_memory_used_bytes",
        "redis_memory_max_bytes",
        "redis_db_keys",
        "redis_commands_processed_total",
        "redis_expired_keys_total",
        "redis_evicted_keys_total",
        "redis_connected_clients",
        "pg_up",
        "pg_stat_activity_count",
        "pg_stat_activity_max_tx_duration",
        "pg_settings_max_connections",
        "pg_database_size_bytes",
        "pg_locks_count",
        "pg_stat_database_xact_commit",
        "pg_stat_database_xact_rollback",
        "pg_stat_database_tup_fetched",
        "pg_stat_database_tup_inserted",
        "pg_stat_database_tup_updated",
        "pg_stat_database_tup_deleted",
        "pg_stat_database_deadlocks",
        "node_filesystem_avail_bytes",
        "node_filesystem_size_bytes",
        "node_filesystem_readonly",
        "node_memory_MemAvailable_bytes",
        "node_memory_MemTotal_bytes",
        "node_cpu_seconds_total",
        "node_disk_io_time_seconds_total",
        "boltlink_certificate_end_seconds",
    }
)
"""Metrics of other programs, as read from their /metrics, in containers and in Debian 12: Prometheus, the exporters for
nginx (1.4.1, 0.11.0), Redis (1.69, 1.45), Postgres (0.17.1, 0.11.1) and the machine (1.9, 1.5). The last one is
written by deploy/compose/certificate-watch.sh."""


def expressions() -> dict[str, str]:
    """Every PromQL expression, by its place."""
    found = {f"alert {rule['alert']}": rule["expr"] for rule in ALERTS}
    found |= {f"record {rule['record']}": rule["expr"] for rule in RECORDED}
    found |= {
        f"{place} {query['refId']}": query["expr"] for place, panel in PANELS.items() for query in panel["targets"]
    }
    return found


# Metrics


_LABELS: Final = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_NOT_A_METRIC: Final = re.compile(
    r"""
    \{[^}]*\} | \[[^\]]*\] |                                # matchers, ranges
    \b(and|or|unless|bool|offset)\b |                        # operators
    [a-zA-Z_]\w*(?=\s*\() | (?<![\w:])[0-9][\w.]*            # functions, numbers
    """,
    re.VERBOSE,
)


def metrics_of(expression: str) -> set[str]:
    """The names of the series in an expression."""
    without_texts = re.sub(r'"[^"]*"', "", expression)
    return set(re.findall(r"[a-zA-Z_:][\w:]*", _NOT_A_METRIC.sub(" ", _LABELS.sub("", without_texts))))


def documented_metrics() -> set[str]:
    """The metrics of docs/metrics.md; a histogram under the names of its series."""
    page = (CHECKOUT / "docs" / "metrics.md").read_text(encoding="utf-8")
    names = set()
    for name, kind in re.findall(r"^\| `(boltlink_\w+)` \| (\w+) \|", page, re.MULTILINE):
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names


def test_the_metrics_of_an_expression_are_found() -> None:
    expression = 'sum by (le) (rate(a_bucket{x="by (y)"}[1m])) / on (z) (b:c > 0.5) and max(d) - time() < 14 * 86400'
    assert metrics_of(expression) == {"a_bucket", "b:c", "d"}


@pytest.mark.parametrize("place", expressions())
def test_every_metric_that_is_used_exists(place: str) -> None:
    asked = metrics_of(expressions()[place])
    assert asked
    assert asked <= documented_metrics() | EXPORTED | {rule["record"] for rule in RECORDED}


def test_every_metric_of_the_list_is_used() -> None:
    asked = set().union(*map(metrics_of, expressions().values()))
    assert asked >= EXPORTED
    assert asked >= {rule["record"] for rule in RECORDED}


def test_only_existing_services_jobs_and_routes_are_used() -> None:
    text = "\n".join(expressions().values())
    assert set(re.findall(r'service="(\w+)"', text)) <= SERVICES
    assert set(re.findall(r'job="(\w+)"', text)) <= JOBS
    assert set(re.findall(r'route="(\w+)"', text)) <= {operation.name for operation in OPERATIONS}


# Alerts


def test_every_alert_has_a_section_in_the_runbook_and_every_section_an_alert() -> None:
    page = (CHECKOUT / "docs" / "runbook.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == [rule["alert"] for rule in ALERTS]


def test_every_section_of_the_runbook_has_the_same_parts() -> None:
    page = (CHECKOUT / "docs" / "runbook.md").read_text(encoding="utf-8")
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        words = re.findall(r"^\*\*(You see|It means|Look|Do|Over)\*\*", section, re.MULTILINE)
        assert words == ["You see", "It means", "Look", "Do", "Over"], section.partition("\n")[0]


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_severity_texts_and_a_link_to_the_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not(rule: dict[str, Any]) -> None:
    cases = [
        case
        for test in document(MONITORING / "rules_test.yml")["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == rule["alert"]
    ]
    assert any(case.get("exp_alerts") for case in cases)
    assert any(not case.get("exp_alerts") for case in cases)


def test_inhibition_rules_name_existing_alerts() -> None:
    named = [
        matcher
        for inhibition in document(MONITORING / "alertmanager.yml")["inhibit_rules"]
        for matcher in (*inhibition["source_matchers"], *inhibition["target_matchers"])
    ]
    names = {name for matcher in named for name in re.findall(r"[A-Z]\w+", matcher)}
    assert names
    assert names <= {rule["alert"] for rule in ALERTS}


# Targets


def targets(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(MONITORING / name)
    return found


def test_every_target_has_its_labels() -> None:
    entries = [*targets("targets/compose.yml"), *targets("production-targets/production.yml")]
    for entry in entries:
        ours = entry["labels"]["job"] == "boltlink"
        assert set(entry["labels"]) == {"job", "instance"} | ({"service"} if ours else set())
        assert len(entry["targets"]) == 1
    assert {entry["labels"]["job"] for entry in entries} == JOBS
    assert {entry["labels"].get("service") for entry in entries} - {None} == SERVICES
    instances = [entry["labels"]["instance"] for entry in entries]
    assert len(instances) == len(set(instances))


@pytest.mark.parametrize(
    ("compose", "names"),
    [
        ("docker-compose.yml", ["targets/compose.yml", "targets/alertmanager/compose.yml"]),
        ("docker-compose.prod.yml", ["production-targets/production.yml"]),
    ],
)
def test_every_target_is_a_container(compose: str, names: list[str]) -> None:
    containers = re.findall(r"container_name: (\S+)", (CHECKOUT / compose).read_text(encoding="utf-8"))
    for name in names:
        for entry in targets(name):
            assert entry["targets"][0].partition(":")[0] in containers


# Files


@pytest.mark.parametrize("path", sorted(MONITORING.rglob("*.yml")), ids=lambda path: str(path.relative_to(MONITORING)))
def test_every_file_is_yaml(path: Path) -> None:
    assert document(path)
