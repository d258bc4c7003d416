"""Every panel is described and fits its dashboard, and the committed dashboards are current."""

from pathlib import Path

import pytest

from monitoring.grafana import dashboards
from tests.unit.monitoring import BOARDS, MONITORING, PANELS, document

# Files


def test_the_committed_dashboards_are_those_of_the_code() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in dashboards.FOLDER.iterdir()}
    assert committed == dashboards.documents(), "run: make render"


def test_the_file_of_a_removed_dashboard_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "old.json").touch()
    dashboards.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(dashboards.documents())


# Dashboards


def test_no_two_panels_of_a_dashboard_share_a_title() -> None:
    assert len(PANELS) == sum(panel["type"] != "row" for board in BOARDS.values() for panel in board["panels"])


@pytest.mark.parametrize("place", PANELS)
def test_every_panel_has_a_title_a_description_and_a_unit(place: str) -> None:
    panel = PANELS[place]
    defaults = panel["fieldConfig"]["defaults"]
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert defaults["unit"]
    assert defaults["thresholds"]["steps"]
    for query in panel["targets"]:
        assert "legendFormat" in query


def test_every_panel_uses_the_provisioned_data_source_and_needs_no_plugin() -> None:
    provisioned = document(MONITORING / "grafana/provisioning/datasources/prometheus.yml")["datasources"]
    reference = {(source["type"], source["uid"]) for source in provisioned}
    for place, panel in PANELS.items():
        assert panel["type"] in {"stat", "timeseries"}, place
        for part in (panel, *panel["targets"]):
            assert {(part["datasource"]["type"], part["datasource"]["uid"])} == reference, place


def test_no_two_panels_of_a_dashboard_share_an_id_or_overlap() -> None:
    for board in BOARDS.values():
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids))
        taken = [
            (column, row)
            for place in (panel["gridPos"] for panel in board["panels"])
            for column in range(place["x"], place["x"] + place["w"])
            for row in range(place["y"], place["y"] + place["h"])
        ]
        assert len(taken) == len(set(taken))
        assert max(column for column, _ in taken) < 24


def test_every_dashboard_has_its_own_uid_and_title_and_cannot_be_edited() -> None:
    assert len({board["uid"] for board in BOARDS.values()}) == len({board["title"] for board in BOARDS.values()}) == 5
    assert not any(board["editable"] for board in BOARDS.values())
