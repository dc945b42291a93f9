"""`wayside calibrate`: a simulated walk with known truth, read from a file, gives the truth back as config text."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.commands.calibrate import CalibrationError, Mark, fit_walk, parse_mark
from gateway.core.types import Sighting

TAG = "iBeacon:5a1e0000-0000-4000-8000-0000000000ff-1000-1"
DEMO = Path(__file__).resolve().parents[2] / "deploy/worlds/street/gw-a.toml"
TRUE_REFERENCE_DBM, TRUE_EXPONENT, TRUE_OFFSET_DB = -60.0, 2.2, {"plaza": 4.0, "ac233f00a001": -4.0}
METRES = (1.0, 2.0, 4.0, 8.0)


def level(anchor: str, metres: float, draws: Random) -> float:
    return TRUE_REFERENCE_DBM - TRUE_OFFSET_DB[anchor] - 10 * TRUE_EXPONENT * math.log10(metres) + draws.gauss(0, 1)


def stood() -> list[tuple[Mark, list[Sighting]]]:
    draws = Random(3)  # noqa: S311 - a test's own luck
    marks = [Mark(anchor, metres) for anchor in TRUE_OFFSET_DB for metres in METRES]
    return [(mark, [Sighting(mark.anchor, TAG, level(mark.anchor, mark.distance_m, draws)) for _ in range(20)]) for mark in marks]


def test_the_truth_comes_back() -> None:
    found = fit_walk(stood(), TAG, list(TRUE_OFFSET_DB))
    assert found.reference_dbm == pytest.approx(TRUE_REFERENCE_DBM, abs=0.7)
    assert found.exponent == pytest.approx(TRUE_EXPONENT, abs=0.1)
    assert found.offset_db == pytest.approx(TRUE_OFFSET_DB, abs=0.7)
    settings = tomllib.loads(found.config())["presence"]
    assert set(settings["offset_db"]) == set(TRUE_OFFSET_DB)
    assert settings["exponent"] == pytest.approx(found.exponent, abs=0.01)


def test_a_phone_that_hears_beacons_walks_as_well() -> None:
    turned = [(mark, [Sighting(one.heard, one.hearer, one.rssi_dbm) for one in heard]) for mark, heard in stood()]
    assert fit_walk(turned, TAG, list(TRUE_OFFSET_DB)) == fit_walk(stood(), TAG, list(TRUE_OFFSET_DB))


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda marks: marks[:2], "2 usable marks"),
        (lambda marks: [(mark, heard[:4]) for mark, heard in marks], "0 usable marks"),
        (lambda marks: [(mark, [Sighting("x", "y", -60.0)] * 20) for mark, _ in marks], "0 usable marks"),
        (lambda marks: [marks[0], marks[5]], "2 usable marks"),
        (lambda marks: [(mark._replace(distance_m=10 / mark.distance_m), heard) for mark, heard in marks], "level rises"),
        (lambda marks: [(mark._replace(anchor="plazza"), heard) for mark, heard in marks], "'plazza' is not an anchor"),
    ],
)
def test_a_walk_that_cannot_be_used_says_why(spoil: object, cause: str) -> None:
    assert callable(spoil)
    with pytest.raises(CalibrationError, match=cause):
        fit_walk(spoil(stood()), TAG, list(TRUE_OFFSET_DB))


@pytest.mark.parametrize("text", ["plaza", "plaza=", "=3", "plaza=0", "plaza=-1", "plaza=nan", "plaza=1e9"])
def test_a_mark_is_an_anchor_and_metres(text: str) -> None:
    assert parse_mark("a=b=3.5") == Mark("a=b", 3.5)
    with pytest.raises(CalibrationError, match="such as plaza=3"):
        parse_mark(text)


def recorded(path: Path) -> Path:
    lines: list[object] = []
    draws, now_ms = Random(4), 0  # noqa: S311 - as above
    for metres in METRES:
        lines.append({"anchor": "plaza", "distance_m": metres, "from_ms": now_ms, "until_ms": now_ms + 20_000})
        for second in range(30):  # the last ten are on the way to the next mark
            away = metres if second < 20 else 40.0
            payload = {"id": TAG, "rssi": round(level("plaza", away, draws), 1)}
            lines.append({"topic": f"espresense/devices/{TAG}/plaza", "payload": payload, "at_ms": now_ms + 1000 * second})
        now_ms += 30_000
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return path


def test_a_recorded_walk_is_read(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["calibrate", "--config", str(DEMO), "--walk", str(recorded(tmp_path / "walk.jsonl")), "--tag", TAG])
    assert done.exit_code == 0, done.output
    settings = tomllib.loads(done.stdout)["presence"]
    assert settings["exponent"] == pytest.approx(TRUE_EXPONENT, abs=0.15)
    assert settings["reference_dbm"] == pytest.approx(TRUE_REFERENCE_DBM - TRUE_OFFSET_DB["plaza"], abs=1.0)
    assert settings["offset_db"] == {"plaza": 0.0}


@pytest.mark.parametrize(
    ("arguments", "code", "cause"),
    [
        ([], 2, "give either --walk FILE, or --broker URL"),
        (["--broker", "mqtt://127.0.0.1:1"], 2, "give either --walk FILE, or --broker URL"),
        (["--walk", "nowhere.jsonl"], 1, "nowhere.jsonl"),
        (["--broker", "mqtt://127.0.0.1:1", "--mark", "plaza"], 1, "such as plaza=3"),
        (["--broker", "mqtt://127.0.0.1:1", "--mark", "plaza=3"], 1, "127.0.0.1"),
    ],
)
def test_wrong_use_is_one_line(arguments: list[str], code: int, cause: str) -> None:
    done = CliRunner().invoke(app, ["calibrate", "--config", str(DEMO), "--tag", TAG, *arguments])
    assert done.exit_code == code
    assert cause in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "line",
    ["no json", "[]", '{"topic": "a"}', '{"anchor": "plaza", "distance_m": "far", "from_ms": 0, "until_ms": 1}', '{"distance_m": 1}'],
)
def test_a_line_that_is_neither_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "walk.jsonl"
    path.write_text(line, encoding="utf-8")
    done = CliRunner().invoke(app, ["calibrate", "--config", str(DEMO), "--walk", str(path), "--tag", TAG])
    assert done.exit_code == 1
    assert f"{path}:1: neither a message with at_ms nor a mark" in done.stderr.replace("\n", "")
