"""`wayside init` against a real broker: its config runs as it is, and an offer is made with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.commands.init import broker_address
from gateway.core.types import Message
from tests.commands.terminal import wayside
from tests.doctor.bench import Bench, bench
from tests.house.tree import ROOT
from tests.kit.gateways import settings_of
from tests.kit.waiting import until

pytestmark = pytest.mark.broker

TAG = "iBeacon:5a1e0000-0000-4000-8000-0000000000ff-1000-1"


def _sightings(scanner: str) -> list[Message]:
    body = json.dumps({"id": TAG, "rssi": -55, "distance": 0.8}).encode()
    return [Message(f"espresense/devices/{TAG}/{scanner}", body, 0)] * 2


def _init(made: Bench, *words: object) -> str:
    made.broker()
    made.publish_always(*_sightings("attic"), *_sightings("cafee"))
    url = f"mqtt://127.0.0.1:{made.port}"
    done = wayside("init", made.folder / "shop", "--broker", url, "--seconds", 1, "--timezone", "Europe/Berlin", *words)
    assert done.code == 0, done
    assert "first sighting by attic" in done.err
    return done.out


def test_the_config_runs(tmp_path: Path) -> None:
    with bench(tmp_path) as made:
        assert "wayside.toml: fine. 7 zones, 2 sources, bundle street" in _init(made, "--zone", "plaza=attic", "--name", "shop")
        config = tmp_path / "shop" / "wayside.toml"
        settings = settings_of(config)
        assert {zone.id: zone.anchors for zone in settings.zones if zone.anchors} == {"plaza": ("attic",), "cafe": ("cafee",)}
        assert [one.topic for one in settings.sources] == ["wayside/v1/shop/up/+/+", "espresense/#"]
        assert not settings.privacy.demonstration
        assert settings.store.key_file.name == "database.key"  # not the name that `wayside pki` gives the gateway's own key
        app = made.gateway(config)
        until(lambda: app.router.tallies[1].messages)
        assert wayside("status", "--config", config).code == 0
    assert wayside("init", tmp_path / "shop").refusal(1) == f"{config} exists, and is kept: name another folder, or move it away"


@pytest.mark.parametrize("world", ["mall", "station"])
def test_another_world(world: str, tmp_path: Path) -> None:
    with bench(tmp_path) as made:
        made.broker()
        done = wayside("init", tmp_path / "here", "--site", world, "--broker", f"mqtt://127.0.0.1:{made.port}", "--seconds", 0.25)
    assert done.code == 0, done
    assert "no message arrived" in done.err
    own = settings_of(ROOT / "deploy/worlds" / world / "gw-a.toml")
    settings = settings_of(tmp_path / "here" / "wayside.toml")
    assert [zone.anchors for zone in settings.zones] == [zone.anchors for zone in own.zones]


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["--site", "mal"], "--site mal: no such starting point; did you mean 'mall'?"),
        (["--name", "My Shop"], "'My Shop' is not an id: 1 to 64 lower-case letters, digits"),
        (["--broker", "mqtt://192.0.2.1"], "passwords and messages would cross the network to mqtt://192.0.2.1 in plain text"),
        ([], "no broker answers on this machine at ports 1883 and 8883: name yours with --broker mqtt://host:port"),
    ],
    ids=["world", "name", "plain", "no broker"],
)  # fmt: skip
def test_wrong_use(words: list[str], refusal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_address, "PORTS", ())
    done = wayside("init", tmp_path, *words)
    assert done.err.startswith(f"wayside: {refusal}")
    assert done.code in {1, 2}
    assert not (tmp_path / "wayside.toml").exists()


def test_the_time_zone_of_the_machine(tmp_path: Path) -> None:
    link, zone = tmp_path / "localtime", tmp_path / "zoneinfo" / "Europe" / "Berlin"
    zone.parent.mkdir(parents=True)
    zone.touch()
    link.symlink_to(zone)
    assert broker_address.local_timezone(link) == "Europe/Berlin"
    assert broker_address.local_timezone(tmp_path / "none") == "Etc/UTC"
