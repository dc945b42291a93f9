"""Scenarios are checked before anything moves, and the command line says in one line what is wrong and what would be right."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from firmware_sim.cli import app
from firmware_sim.devices.wayside_v1 import Encoder
from firmware_sim.scenario import Scenario, ScenarioError, parse
from firmware_sim.wire.broker import UsageError, parse_broker
from firmware_sim.wire.flood import new_boot, template
from tests.kit.broker import free_port

STREET = (resources.files("firmware_sim") / "scenarios" / "street.toml").read_text("utf-8")


def sim(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("walkers = 80", "wakers = 80", "people: unknown key 'wakers'; did you mean 'walkers'?"),
        ("malformed_share = 0.002", "malformed_share = 2", "malformed_share"),
        ('zone = "arcade"', 'zone = "arkade"', "no zone 'arkade'; did you mean 'arcade'?"),
        ('device = "till-pub"', 'device = "till-cafe"', "'till-cafe' stands twice"),
        ("[tastes.bar]", "[tastes.bars]", "bars"),
        ('zone = "market"\nformat = "minew_gateway_json"', 'zone = "market"\nformat = "minew"', "Invalid enum value 'minew'"),
        ('device = "till-pub"\nzone = "pub"', 'device = "till-pub"\nzone = "plaza"', "which is no shop"),
        ('device = "E3:75:CF:00:00:01"', 'device = "room"', "needs its MAC address"),
        ('zone = "cafe"\nformat = "ruuvi_tag"', 'zone = "pub"\nformat = "ruuvi_tag"', "no scanner stands in 'pub'"),
        ('zone = "plaza"\nformat = "wayside_v1"', 'format = "wayside_v1"', "counts people and needs a zone"),
        ('fine_zone = "station"', "fine_zone = 7", "phones.fine_zone"),
        ("[origin]", "[origin", "not TOML"),
        ('kind = "bar"\n', 'kind = "restaurant"\n', "Invalid enum value 'restaurant'"),
    ],
)
def test_a_faulty_scenario_names_the_place_and_the_right_name(right: str, wrong: str, told: str) -> None:
    assert right in STREET
    with pytest.raises(ScenarioError, match=re.escape(told)):
        parse(STREET.replace(right, wrong, 1), "x.toml")


MALL = (resources.files("firmware_sim") / "scenarios" / "mall.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ('{ id = "hall",', '{ id = "hal",', "waypoint 'north-door' leads to 'hall'; did you mean 'hal'?"),
        ('zones = ["supermarket"]', 'zones = ["supermarkt"]', "waypoint 'west-door': no zone 'supermarkt'; did you mean 'supermarket'?"),
        ('shop = "tea-room", quality', 'shop = "tearoom", quality', "offer 'afternoon-tea': no zone 'tearoom'; did you mean 'tea-room'?"),
        ('shop = "sky-bar", discount', 'shop = "gallery", discount', "offer 'first-drink' is handed in at 'gallery', which is no shop"),
        ('zone = "cinema", hours', 'zone = "kinema", hours', "happening 'premiere': no zone 'kinema'; did you mean 'cinema'?"),
        ('zone = "gallery", hours', 'zone = "galery", hours', "incident 'smell-of-smoke': no zone 'galery'; did you mean 'gallery'?"),
        ('entrances = ["forecourt"', 'entrances = ["forcourt"', "rhythm.entrances: no zone 'forcourt'; did you mean 'forecourt'?"),
        ('"mon-sat 07:30-20:00"', '"mon-sat 7-20"', "'mon-sat 7-20' are no hours; write them as in 'mon-fri 07:00-19:00'"),
        ('clock = "sat 13:40"', 'clock = "sat"', "'sat' is no moment of the week"),
        ("outings_day = 1.6", "outing_day = 1.6", "rhythm: unknown key 'outing_day'; did you mean 'outings_day'?"),
        ("place_db = 2.57", "places_db = 2.57", "radio: fading: unknown key 'places_db'; did you mean 'place_db'?"),
        ("loss_db = 12 }", "los_db = 12 }", "walls[0]: unknown key 'los_db'; did you mean 'loss_db'?"),
        ("[tastes.bar]\nbias", "[tastes.bar]\nbiass", "tastes.bar: unknown key 'biass'; did you mean 'bias'?"),
        ("[curves.bar]\nhours = [0.3,", "[curves.bar]\nhours = [", "Expected `array` of length >= 24"),
        ("[company]", "[segments.economic]\nshare = 1.0\n\n[company]", "[segments.communication] is missing"),
    ],
)
def test_a_faulty_mall_names_the_place_and_the_right_name(right: str, wrong: str, told: str) -> None:
    assert right in MALL
    with pytest.raises(ScenarioError, match=re.escape(told)):
        parse(MALL.replace(right, wrong, 1), "x.toml")


def test_the_shipped_scenario_is_the_one_that_is_loaded(street_plan: Scenario) -> None:
    assert parse(STREET, "street") == street_plan


@pytest.mark.parametrize("command", [["describe"], ["record", "--seconds", "1"], ["run", "--seconds", "1"]])
def test_a_typo_is_wrong_use_and_the_nearest_name_is_told(command: list[str], tmp_path: Path) -> None:
    file = [str(tmp_path / "x")] if command[0] == "record" else []
    done = sim(command[0], "strete", *file, *command[1:])
    assert done.exit_code == 2
    assert done.stderr == "wayside-sim: no scenario 'strete'; did you mean 'street'?\n"
    assert not done.stdout


def test_a_missing_file_is_wrong_use(tmp_path: Path) -> None:
    done = sim("describe", str(tmp_path / "absent.toml"))
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert "absent.toml" in done.stderr


@pytest.mark.parametrize("command", [["run", "street", "--seconds", "1"], ["flood", "--kind", "fact", "--count", "1"], ["flood", "--max"]])
def test_an_absent_broker_is_one_line(command: list[str]) -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    done = sim(*command, "--broker", url)
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
    assert f"no broker at {url}" in done.stderr
    assert "start one" in done.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1", "mqtt://", "mqtt://host:99999", "mqtt://host:x"])
def test_an_address_that_makes_no_sense_is_wrong_use(url: str) -> None:
    done = sim("run", "street", "--seconds", "1", "--broker", url)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert repr(url) in done.stderr


def test_broker_addresses() -> None:
    assert parse_broker("127.0.0.1") == ("127.0.0.1", 1883, None, None)
    full = parse_broker("mqtt://me:p%40ss@[::1]:1884")
    assert "p@ss" not in full.url
    assert full == ("::1", 1884, "me", "p@ss")
    with pytest.raises(UsageError, match="only mqtt://"):
        parse_broker("mqtts://somewhere")


def test_flood_needs_a_rate_or_max_for_sightings() -> None:
    for wrong in ([], ["--rate", "5", "--max"]):
        done = sim("flood", *wrong)
        assert (done.exit_code, done.stderr) == (2, "wayside-sim: sightings need either --rate R or --max\n")


def test_describe_for_people_and_machines() -> None:
    people = sim("describe", "street")
    assert people.exit_code == 0
    assert all(zone in people.stdout for zone in ("plaza", "arcade", "cafe", "bistro", "noodle-bar", "pub", "station", "market"))
    machine = json.loads(sim("describe", "street", "--json").stdout)
    heard = {zone["id"]: zone["heard_by"] for zone in machine["zones"]}
    assert heard["bistro"] == ["phones, by iBeacon 1-4"]
    assert heard["station"] == ["owntracks positions"]
    assert heard["cafe"] == ["ruuvi_gateway C8:25:2D:00:CA:FE"]
    assert all(heard.values())


def test_record_sums_up_what_the_file_holds(tmp_path: Path) -> None:
    file = tmp_path / "street.jsonl"
    done = sim("record", "street", str(file), "--seed", "3", "--seconds", "10", "--walkers", "10", "--json")
    assert done.exit_code == 0, done.stderr
    summary = json.loads(done.stdout)
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert summary["messages"] == len(rows) == sum(summary["messages_by_format"].values()) > 50
    assert summary["walkers"] == 10
    assert summary["facts_by_kind"]["consent"] == sum(row["topic"].endswith("/consent") for row in rows) == 9
    assert all(0 <= row["at_ms"] < 10_000 for row in rows)


def test_a_record_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    done = sim("record", "street", str(tmp_path / "no" / "folder"), "--seconds", "1")
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)


def test_every_command_has_an_example() -> None:
    for command in ("describe", "record", "run", "flood"):
        done = sim(command, "--help")
        assert done.exit_code == 0
        assert f"Example: wayside-sim {command}" in " ".join(done.stdout.split())


def test_flood_templates_fill_in_number_and_time() -> None:
    message = Encoder("street", "till-market", "b").purchase(0, 450, "carry_away", None)
    filled = json.loads(template(message).filled(17, 99))
    assert filled == {**json.loads(message.payload), "seq": 17, "at_ms": 99}
    assert new_boot() != new_boot()
