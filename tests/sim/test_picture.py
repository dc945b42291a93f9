"""The map is well-formed and complete, and lies within the drawing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner

from firmware_sim.cli import app
from firmware_sim.scenario import built_in, load
from firmware_sim.street.picture import LETTER, WIDE, svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", built_in())
def test_every_zone_and_every_device_is_on_the_map(name: str) -> None:
    plan = load(name)
    drawn = ET.fromstring(svg(plan))  # noqa: S314 (our own drawing)
    names = [element.text for element in drawn.iter(f"{SVG}text")]
    tips = [element.text or "" for element in drawn.iter(f"{SVG}title")]
    for zone in plan.zones:
        assert names.count(zone.id) == 1
        assert sum(tip.startswith(f"{zone.id}: ") for tip in tips) == 1
    for device in (*(item.device for item in plan.sensors if item.zone), *(item.device for item in plan.tills)):
        assert device in tips
    assert sum(tip.startswith("iBeacon") for tip in tips) == len(plan.beacons)
    assert sum(tip.startswith("wall") for tip in tips) == len(plan.walls)


@pytest.mark.parametrize("name", built_in())
def test_nothing_leaves_the_drawing(name: str) -> None:
    drawn = ET.fromstring(svg(load(name)))  # noqa: S314 (as above)
    _, _, wide, high = (float(part) for part in drawn.attrib["viewBox"].split())
    assert wide == WIDE
    for element in drawn.iter(f"{SVG}text"):
        x, y, size = (float(element.attrib[key]) for key in ("x", "y", "font-size"))
        long = LETTER * size * len(element.text or "")
        left = x - long / 2 if element.attrib.get("text-anchor") == "middle" else x
        assert left >= 0
        assert left + long <= wide + 12
        assert size <= y <= high
        assert size >= 11  # legible on a phone 390 wide


def test_names_are_escaped_and_colours_tell_kinds() -> None:
    plan = load("mall")
    odd = plan.changed(site="a<b & c")
    text = svg(odd)
    assert "a&lt;b &amp; c" in text
    ET.fromstring(text)  # noqa: S314 (as above)
    assert len(set(re.findall(r'fill="(#\w{6})" stroke="#\w{6}" stroke-width="1.3"', text))) >= 7


def test_describe_draws_it(tmp_path: Path) -> None:
    file = tmp_path / "mall.svg"
    done = CliRunner().invoke(app, ["describe", "mall", "--picture", str(file)])
    assert done.exit_code == 0, done.stderr
    assert file.read_text("utf-8") == svg(load("mall"))
