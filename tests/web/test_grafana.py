"""The shipped Grafana dashboard asks for metrics that the desk has."""

from __future__ import annotations

import json
import re
from pathlib import Path

from starlette.testclient import TestClient

FILE = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "desk.json"


def test_every_metric_of_the_dashboard_is_one_of_the_desk(client: TestClient) -> None:
    known = set(re.findall(r"^# TYPE (\w+)", client.get("/v1/metrics").text, re.MULTILINE))
    panels = json.loads(FILE.read_text("utf-8"))["panels"]
    asked = {name for panel in panels for target in panel["targets"] for name in re.findall(r"wayside_\w+", target["expr"])}
    assert len(asked) >= 5
    assert asked <= known


def test_its_panels_do_not_overlap_and_name_no_server() -> None:
    text = FILE.read_text("utf-8")
    assert "://" not in text
    cells: list[tuple[int, int]] = []
    for panel in json.loads(text)["panels"]:
        at = panel["gridPos"]
        cells += [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
