"""The dashboard for Grafana: what it asks can be read by Prometheus, and names what is
exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.prometheus import promtool, unknown_metrics
from pgstack.planning import layout

PLACE = layout.CHECKOUT / "observability/grafana"
BOARD: dict[str, Any] = json.loads((PLACE / "dashboard.json").read_text())
VARIABLES = {"$__rate_interval": "1m", "$instance": ".+"}


def expressions() -> list[str]:
    asked = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]
    return asked + [each["expr"] for each in BOARD["annotations"]["list"]]


def test_expressions_can_be_read(tmp_path: Path) -> None:
    rules = []
    for number, expression in enumerate(expressions()):
        for name, value in VARIABLES.items():
            expression = expression.replace(name, value)  # noqa: PLW2901
        rules.append({"record": f"asked:{number}", "expr": expression})
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(file))


@pytest.mark.parametrize("expression", expressions())
def test_expression_names_only_what_is_exported(expression: str) -> None:
    assert unknown_metrics(expression) == []


def test_panels_are_told_apart_and_do_not_overlap() -> None:
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_provisioning_leads_to_the_same_prometheus() -> None:
    (source,) = yaml.safe_load((PLACE / "datasources.yml").read_text())["datasources"]
    (variable,) = (each for each in BOARD["templating"]["list"] if each["type"] == "datasource")
    assert source["type"] == variable["query"]
