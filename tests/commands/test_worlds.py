"""The shipped worlds: configs, bundles, schemas and scenarios fit together, and none of their words is another world's."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from firmware_sim.people.walker import Walker
from firmware_sim.scenario import built_in, load
from firmware_sim.world.world import World
from gateway.adapters.bundle import open_bundle, read_public_keys
from gateway.adapters.onnx_scorer import load_scorer
from gateway.adapters.toml_files import load_campaign, load_schema
from gateway.cli import app
from gateway.commands.demo.processes import DemoError
from gateway.commands.demo.worlds import FOLDER, configs
from models.history.rows import model_columns
from tests.kit.attributes import SCHEMA

WORLDS = ("mall", "station", "street")
OWN = ("mall", "station")


def test_every_scenario_is_a_world_and_every_world_a_scenario() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == built_in() == list(WORLDS)


@pytest.mark.parametrize("world", WORLDS)
def test_configs_and_bundle_are_valid(world: str) -> None:
    schema = CliRunner().invoke(app, ["check", "--schema", str(FOLDER / world / "schema.toml")])
    assert schema.exit_code == 0, schema.output
    files = configs(world)
    for path in files.values():
        checked = CliRunner().invoke(app, ["check", "--config", str(path)])
        assert checked.exit_code == 0, checked.output
    bundle = str(FOLDER / world / f"{world}.bundle")
    verified = CliRunner().invoke(app, ["bundle", "verify", bundle, "--config", str(files["gw-a"]), "--json"])
    assert verified.exit_code == 0, verified.output


@pytest.mark.parametrize("world", WORLDS)
def test_the_bundle_holds_the_files_beside_it(world: str) -> None:
    folder = FOLDER / world
    bundle = open_bundle(folder / f"{world}.bundle", read_public_keys(folder / "bundle.pub"), now_ms=None)
    schema = load_schema(folder / "schema.toml")
    assert bundle.manifest.name == world
    assert bundle.schema == schema
    assert bundle.campaign == load_campaign(folder / "campaign.toml", schema).campaign
    assert load_scorer(bundle.model).check_parity(bundle.model.rows, bundle.model.expected) < 1e-5


@pytest.mark.parametrize("world", WORLDS)
def test_configs_are_of_the_scenario(world: str) -> None:
    """Places, kinds, devices and offers are those that the simulator knows: distances in training and serving are the same."""
    plan = load(world)
    tables = {name: tomllib.loads(path.read_text("utf-8")) for name, path in configs(world).items()}
    places = {zone.id: (zone.x_m, zone.y_m, zone.kind) for zone in plan.zones}
    served: list[str] = []
    for name, table in tables.items():
        assert (table["site"], table["gateway"]) == (plan.site, name)
        for zone in table["zones"]:
            assert places[zone["id"]] == (zone["x_m"], zone["y_m"], zone.get("kind"))
            served += [zone["id"]] if "anchors" in zone or "radius_m" in zone else []
    assert sorted(served) == sorted(places)
    fixed = {till.device: {"zone": till.zone, "kind": "till"} for till in plan.tills}
    assert {device: zone for table in tables.values() for device, zone in table["devices"].items() if device in fixed} == fixed
    offers = load_campaign(FOLDER / world / "campaign.toml").campaign.offers
    assert {(offer.id, offer.shop) for offer in offers} == {(offer.id, offer.shop) for offer in plan.offers}
    assert {zone for offer in offers for zone in offer.zones} <= set(places)
    assert all(offer.category == plan.zone(offer.shop).kind for offer in offers)


@pytest.mark.parametrize("world", OWN)
def test_a_world_has_its_own_vocabulary(world: str) -> None:
    schema, plan = load_schema(FOLDER / world / "schema.toml"), load(world)
    assert set(schema.categories) == set(schema.zone_kinds) == set(plan.tastes)
    assert not set(schema.categories) & set(SCHEMA.categories)
    bundle = open_bundle(FOLDER / world / f"{world}.bundle", read_public_keys(FOLDER / world / "bundle.pub"), now_ms=None)
    assert bundle.manifest.model.columns == model_columns(schema)
    assert not [column for column in bundle.manifest.model.columns if any(kind in column for kind in SCHEMA.zone_kinds)]
    sources = {
        source
        for one in schema.attributes
        for source in ("told", "history", "reading", "clock", "offer", "between")
        if getattr(one, source)
    }
    assert len(sources) == 6


@pytest.mark.parametrize("world", OWN)
def test_what_the_app_states_is_declared(world: str) -> None:
    schema, plan = load_schema(FOLDER / world / "schema.toml"), load(world)
    people = World(plan, 1, plan.start_ms, plan.speed)
    stated: set[str] = set()
    for number in range(1, 9):
        walker = Walker(people, number)
        stated |= set(walker.loyalty.stated(0.0)) or {f"visits_month_{kind}" for kind in walker.visits_month}
    assert stated == {one.name for one in schema.attributes if one.told is not None}


def test_an_unknown_world_is_named_with_the_nearest() -> None:
    with pytest.raises(DemoError, match=r"there is no world 'mal'; did you mean 'mall'\?"):
        configs("mal")
    done = CliRunner().invoke(app, ["demo", "--world", "museum", "--port", "0", "--headless"])
    assert done.exit_code == 1
    assert "there is no world 'museum'; known: mall, station, street" in done.stderr


def test_without_a_clone_there_is_no_world(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="this needs a clone of the project"):
        configs("street", tmp_path)


@pytest.mark.parametrize("world", WORLDS)
def test_attributes_that_explain_an_offer_to_a_person_have_titles(world: str) -> None:
    """Those of the person and the place, and between person, place and offer, as far as the model reads them."""
    folder = FOLDER / world
    bundle = open_bundle(folder / f"{world}.bundle", read_public_keys(folder / "bundle.pub"), now_ms=None)
    read = [one for one in bundle.schema.attributes if set(one.columns) & set(bundle.manifest.model.columns)]
    explaining = [one for one in read if one.about in {"person", "place"} or one.between is not None]
    assert len(explaining) >= 8
    assert [one.name for one in explaining if not one.title] == []
