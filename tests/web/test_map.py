"""The map: plans from files, known positions in the drawing, counts of a step, and pages without scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from dashboard import limits
from dashboard.app import create_app
from dashboard.estimates import Estimate
from dashboard.map.drawing import WIDE, drawing
from dashboard.map.flows import Flow, Timeline
from dashboard.map.plans import Plan, PlanError, Zone, read_plans
from dashboard.map.routes import level
from dashboard.settings import Settings
from tests.web.conftest import WORLD
from tests.web.markup import Markup
from tests.web.people import COOKIE, sign_in
from tests.web.seed import HOUR_MS, START_MS, batch, bearer, hours, packed

STREET = (WORLD / "gw-a.toml", WORLD / "gw-b.toml")


def feature(kind: str, coordinates: Any, **properties: str) -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": properties}


def collection(*features: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features), **more}


def saved(tmp_path: Path, content: Any, name: str = "hall.geojson") -> Path:
    file = tmp_path / name
    file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return file


SQUARE = [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]


def test_configs_of_one_site_become_one_plan() -> None:
    (plan,) = read_plans(STREET)
    assert plan.site == "street"
    assert plan.gateways == ("gw-a", "gw-b")
    assert {zone.id for zone in plan.zones} >= {"plaza", "station", "market"}
    assert next(zone.centre for zone in plan.zones if zone.id == "cafe") == (120.0, 10.0)


def test_a_plan_in_metres_keeps_its_places_and_walls(tmp_path: Path) -> None:
    content = collection(
        feature("Polygon", SQUARE, zone="hall", title="The hall"),
        feature("Point", [20, 5], zone="door"),
        feature("LineString", [[0, 0], [30, 0]]),
        units="m",
        site="Town hall",
        gateways=["gw-a"],
    )
    (plan,) = read_plans([saved(tmp_path, content)])
    assert (plan.site, plan.gateways) == ("Town hall", ("gw-a",))
    assert plan.zones[0].title == "The hall"
    assert plan.zones[0].outlines == (((0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0), (0.0, 0.0)),)
    assert plan.zones[1] == Zone("door", "door", (20.0, 5.0), 8.0)
    assert plan.lines == (((0.0, 0.0), (30.0, 0.0)),)


def test_degrees_become_metres(tmp_path: Path) -> None:
    content = collection(feature("Point", [13.0, 52.0], zone="a"), feature("Point", [13.01, 52.0], zone="b"))
    (plan,) = read_plans([saved(tmp_path, content)])
    east = plan.zones[1].centre[0] - plan.zones[0].centre[0]
    assert east == pytest.approx(684.6, rel=0.001)  # a hundredth of a degree at 52 degrees north


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "Expecting property name"),
        (collection(), "no zone in it"),
        ({"type": "Feature"}, "no GeoJSON FeatureCollection"),
        (collection(feature("Cube", [0, 0], zone="a")), "'Cube' cannot be drawn"),
        (collection(feature("Point", [5_000, 0], zone="a")), 'need "units": "m"'),
        (collection(feature("Point", "here", zone="a")), "does not fit the format"),
        (collection({"type": "Feature"}), "does not fit the format"),
    ],
)
def test_a_wrong_plan_is_named_with_its_file(content: Any, fault: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=re.escape(fault)) as found:
        read_plans([saved(tmp_path, content)])
    assert "hall.geojson" in str(found.value)


def test_a_drawing_has_north_above_and_east_to_the_right_and_splits_long_sites() -> None:
    zones = (Zone("south", "s", (0.0, 0.0), 8.0), Zone("north", "n", (0.0, 60.0), 8.0), Zone("east", "e", (70.0, 30.0), 8.0))
    found = {shape.zone.id: shape for shape in drawing(Plan("hall", zones)).shapes}
    assert found["north"].y < found["east"].y < found["south"].y
    assert found["east"].x > found["south"].x
    long = drawing(read_plans(STREET)[0])
    assert len({round(shape.y) // 60 for shape in long.shapes}) > 1
    assert all(0 <= shape.x <= WIDE and 0 <= shape.y <= long.height for shape in long.shapes)


def test_a_step_of_the_slider_holds_its_times() -> None:
    of = Timeline(1_000, 10, 3)
    assert of.starts() == [1_000, 1_010, 1_020]
    assert [of.step_at(at) for at in (None, 999, 1_000, 1_019, 1_029, 1_030)] == [None, None, 1_000, 1_010, 1_020, None]


def test_the_colour_of_a_zone_shows_clear_counts_only() -> None:
    flows = [None, Flow(None, None), Flow(Estimate(10, 100), None), Flow(Estimate(30, 1), None), Flow(Estimate(400, 1), None)]
    assert [level(flow, 400) for flow in flows] == [0, 0, 0, 1, 4]


@pytest.fixture
def client(settings: Settings, tmp_path: Path) -> Iterator[TestClient]:
    other = saved(tmp_path, collection(feature("Point", [1, 1], zone="desk"), units="m", site="office & co", gateways=["gw-b"]))
    app = create_app(settings.model_copy(update={"plans": read_plans([*STREET, other])}))
    with TestClient(app, base_url="http://localhost", cookies={COOKIE: sign_in(app)}) as client:
        for window, count in enumerate((100, 300)):
            body = batch(f"w{window}", [hours(f"t{window}", {"plaza": count, "cafe": 50}, window=window)])
            assert client.post("/v1/batches", content=packed(body), headers=bearer()).status_code == 200
        yield client


def row(page: Markup, zone: str) -> str:
    found = re.search(
        f"{zone} ([^ ]+ ± ?1|\N{EN DASH}|fewer than 1)",
        page.text[page.text.rindex("Most offers first") :].replace("\N{NO-BREAK SPACE}", " "),
    )
    assert found is not None, page.text
    return found[1]


def test_the_map_shows_the_period_and_one_step_of_it(client: TestClient) -> None:
    whole = Markup(client.get("/map").text)
    assert whole.faults == []
    assert row(whole, "plaza") == "400 ± 1"
    assert row(whole, "station") == "\N{EN DASH}"
    step = Markup(client.get(f"/map?at={START_MS + 1}").text)
    assert step.faults == []
    assert row(step, "plaza") == "100 ± 1"
    assert row(step, "cafe") == "50 ± 1"
    assert f"at={START_MS + HOUR_MS}" in client.get(f"/map?at={START_MS}").text  # the link to the next step
    assert client.get("/map?span=week").status_code == 200


def test_every_site_has_its_own_gateways(client: TestClient) -> None:
    page = Markup(client.get("/map?site=office %26 co").text)
    assert page.faults == []
    assert "No counts yet" in page.text
    assert row(page, "desk") == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("path", "status"), [("/map?site=nowhere", 404), ("/map?span=year", 422), ("/map?at=1e9", 200), ("/map/live?site=x", 404)]
)
def test_wrong_addresses_are_answered(path: str, status: int, client: TestClient) -> None:
    assert client.get(path).status_code == status


def test_without_a_plan_the_page_names_the_option(settings: Settings) -> None:
    app = create_app(settings)
    with TestClient(app, base_url="http://localhost", cookies={COOKIE: sign_in(app)}) as client:
        assert "--plan FILE" in client.get("/map").text
        assert client.get("/map/live").status_code == 404


def test_a_plan_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PLAN_ZONES_MAX", 1)
    content = collection(feature("Point", [1, 1], zone="a"), feature("Point", [2, 2], zone="b"), units="m")
    with pytest.raises(PlanError, match="more than 1 zones"):
        read_plans([saved(tmp_path, content)])
