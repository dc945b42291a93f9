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
from firmware_sim.faults.rules import Rule
from firmware_sim.products.catalogue import CATALOGUE
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
        ("walkers = 80", "wakers = 80", "x.toml:14: people.wakers: unknown key; did you mean 'walkers'?"),
        ("malformed_share = 0.002", "malformed_share = 2", "x.toml:7: malformed_share: input should be less than or equal to 1, not 2"),
        ('zone = "arcade"', 'zone = "arkade"', "x.toml:112: scanners[1].zone: no zone 'arkade'; did you mean 'arcade'?"),
        ('device = "till-pub"', 'device = "till-cafe"', "tills[3].device: 'till-cafe' is used twice"),
        ("[tastes.bar]", "[tastes.bars]", "zone 'pub' is a bar, but [tastes.bar] is missing; did you mean 'bars'?"),
        ("[tastes.bar]", "[tastes.Bar]", "tastes.Bar: string should match pattern"),
        ("[tastes.bar]", "[curves.bra]\n[tastes.bar]", "curves.bra: no kind of place 'bra'; did you mean 'bar'?"),
        (
            'zone = "market"\nformat = "minew_gateway_json"',
            'zone = "market"\nformat = "minew"',
            "scanners[4].format: 'minew' is not allowed; did you mean 'minew_gateway_json'?",
        ),
        ('device = "till-pub"\nzone = "pub"', 'device = "till-pub"\nzone = "plaza"', "tills[3].zone: zone 'plaza' is not a shop"),
        ('device = "E3:75:CF:00:00:01"', 'device = "room"', "needs its MAC address"),
        (
            'zone = "cafe"\nformat = "ruuvi_tag"',
            'zone = "pub"\nformat = "ruuvi_tag"',
            "sensors[2].zone: 'E3:75:CF:00:00:01' only advertises, and there is no scanner in 'pub'",
        ),
        ('zone = "plaza"\nformat = "wayside_v1"', 'format = "wayside_v1"', "counts people and needs a zone"),
        ('fine_zone = "station"', "fine_zone = 7", "phones.fine_zone: input should be a valid string, not 7"),
        ("walkers = 80", "walkers = nan", "people.walkers: input should be a valid integer, not nan"),
        ("walkers = 80", 'walkers = "80"', "people.walkers: input should be a valid integer, not '80'"),
        ("speed = ", "sped = ", "speed: required, but missing"),
        ("[origin]", "[origin", "not TOML"),
        ('kind = "bar"\n', 'kind = "restaurant"\n', "[tastes.restaurant] is missing; did you mean 'restaurant_dear'?"),
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
        ('{ id = "hall",', '{ id = "hal",', "x.toml:40: waypoints[0].leads_to[0]: no waypoint 'hall'; did you mean 'hal'?"),
        (
            'zones = ["supermarket"]',
            'zones = ["supermarkt"]',
            "x.toml:43: waypoints[3].zones[0]: no zone 'supermarkt'; did you mean 'supermarket'?",
        ),
        ('shop = "toy-shop", novelty', 'shop = "toyshop", novelty', "offers[11].shop: no zone 'toyshop'; did you mean 'toy-shop'?"),
        ('shop = "shoe-shop", discount', 'shop = "gallery", discount', "offers[12].shop: zone 'gallery' is not a shop"),
        ('zone = "cinema", hours', 'zone = "kinema", hours', "happenings[1].zone: no zone 'kinema'; did you mean 'cinema'?"),
        ('zone = "gallery", hours', 'zone = "galery", hours', "incidents[0].zone: no zone 'galery'; did you mean 'gallery'?"),
        ('entrances = ["forecourt"', 'entrances = ["forcourt"', "rhythm.entrances[0]: no zone 'forcourt'; did you mean 'forecourt'?"),
        (
            '"mon-sat 09:30-20:00"',
            '"mon-sat 7-20"',
            "zones[4].hours[0]: 'mon-sat 7-20' are no hours; write them as in 'mon-fri 07:00-19:00'",
        ),
        ('clock = "sat 13:40"', 'clock = "sat"', "'sat' is no moment of the week"),
        ("outings_day = 1.6", "outing_day = 1.6", "rhythm.outing_day: unknown key; did you mean 'outings_day'?"),
        ("place_db = 2.57", "places_db = 2.57", "x.toml:165: radio.fading.places_db: unknown key; did you mean 'place_db'?"),
        ("loss_db = 12 }", "los_db = 12 }", "x.toml:27: walls[0].los_db: unknown key; did you mean 'loss_db'?"),
        ("[tastes.toys]\nbias", "[tastes.toys]\nbiass", "tastes.toys.biass: unknown key; did you mean 'bias'?"),
        ("[curves.toys]\nhours = [0,", "[curves.toys]\nhours = [", "curves.toys.hours: tuple should have at least 24 items"),
        ("[company]", "[segments.economic]\nshare = 1.0\n\n[company]", "[segments.communication] is missing"),
    ],
)
def test_a_faulty_mall_names_the_place_and_the_right_name(right: str, wrong: str, told: str) -> None:
    assert right in MALL
    with pytest.raises(ScenarioError, match=re.escape(told)):
        parse(MALL.replace(right, wrong, 1), "x.toml")


def test_every_fault_of_a_scenario_has_a_line_and_unknown_keys_come_first() -> None:
    faulty = STREET.replace("walkers = 80", "wakers = 80", 1).replace('format = "ruuvi_gateway"', 'format = "ruvi_gateway"', 1)
    with pytest.raises(ScenarioError) as caught:
        parse(faulty, "x.toml")
    places = [line.split(": ")[1] for line in str(caught.value).splitlines()]
    assert places == ["people.wakers", "people.walkers", "scanners[2].format"]


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        ('{ kind = "rebot" }', "faults[0]: kind 'rebot' is not allowed; did you mean 'reboot'?"),
        ("{ share = 1 }", "faults[0]: kind is required, but missing; known: loss, duplicate,"),
        ('{ kind = "loss", shore = 1 }', "faults[0].shore: unknown key; did you mean 'share'?"),
        ('{ kind = "loss", share = "1" }', "faults[0].share: input should be a valid number, not '1'"),
        ('{ kind = "stuck", from_s = 2, until_s = 2 }', "faults[0]: until_s must be later than from_s"),
    ],
)
def test_a_faulty_rule_of_a_scenario_names_the_key(faults: str, told: str) -> None:
    with pytest.raises(ScenarioError, match=re.escape(f"x.toml:1: {told}")):
        parse(f"faults = [{faults}]\n{STREET}", "x.toml")


def test_the_schema_for_editors_knows_keys_limits_and_names() -> None:
    found = json.loads(sim("schema").stdout)
    parts = found["$defs"]
    assert found["$schema"].endswith("2020-12/schema")
    assert {"site", "zones", "tastes"} <= set(found["required"]) < set(found["properties"])
    assert all(part["additionalProperties"] is False for part in (found, *parts.values()))
    assert parts["People"]["properties"]["walkers"] == {"maximum": 100_000, "minimum": 1, "title": "Walkers", "type": "integer"}
    assert parts["Group"]["properties"]["product"]["enum"] == list(CATALOGUE)
    assert set(found["properties"]["faults"]["items"]["discriminator"]["mapping"]) == {
        kind.__name__.lower() for kind in Rule.__subclasses__()
    }


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
