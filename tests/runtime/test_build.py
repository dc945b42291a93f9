"""Building a gateway from a config; a model that fails means that no offers are sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pytest

from gateway.adapters.clock import SystemClock
from gateway.adapters.mqtt import MqttBus
from gateway.adapters.mqtt_options import password
from gateway.build import build, build_router, build_site, open_config_bundle
from gateway.build_broker import Filters, build_bus, mqtt_options, subscriptions, urgent_options
from gateway.build_store import SetupError, open_reader, open_store
from gateway.config import Config
from gateway.core import limits, opening_hours
from gateway.core.bundle import BundleError
from gateway.core.offers import Campaign
from gateway.core.ports import StoreError
from gateway.core.privacy.tables import Terms
from gateway.core.types import Message, Reading, Sighting
from gateway.runtime.app import App
from tests.commands.terminal import wayside
from tests.kit.attributes import COLUMNS
from tests.kit.bundles import make_bundle, tiny_campaign
from tests.kit.gateways import message, settings_of, store_of, write_config

ROW = np.full((1, len(COLUMNS)), np.nan, np.float32)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


@pytest.fixture
def gateway(config: Path) -> Iterator[App]:
    made = build(settings_of(config))
    yield made
    made.store.close()


def test_the_street_is_the_config_s(config: Path) -> None:
    settings = settings_of(config)
    bundle = open_config_bundle(settings, settings_now())
    site = build_site(settings, bundle)
    assert (site.name, site.gateway, site.privacy) == ("street", "gw-t", Terms())
    assert dict(site.anchors) == {"plaza": "plaza"}
    assert site.devices["till-cafe"] == "cafe"
    assert site.presence.dwell_ms == 600_000
    assert site.campaign == bundle.campaign


def test_opening_hours_and_holidays_are_the_config_s(config: Path) -> None:
    changed = config.read_text("utf-8").replace("x_m = 120.0", 'opening_hours = "Mo-Fr 08:00-18:00"')
    config.write_text(f"holidays = [2026-12-25]\n{changed}", "utf-8")
    settings = settings_of(config)
    site = build_site(settings, open_config_bundle(settings, settings_now()))
    assert site.holidays == {date(2026, 12, 25)}
    assert site.zones["cafe"].opening_hours == opening_hours.parse("Mo-Fr 08:00-18:00")
    assert site.zones["plaza"].opening_hours is None


def test_a_zone_kind_that_the_schema_lacks_is_named_with_its_line(config: Path) -> None:
    text = config.read_text("utf-8").replace('"coffee_house"', '"cofee_house"')
    config.write_text(text, "utf-8")
    line = text.splitlines().index('kind = "cofee_house"') + 1
    expected = f"{config}:{line}: zones.1.kind: 'cofee_house' is no zone kind of the bundle's schema; did you mean 'coffee_house'?"
    assert wayside("check", "--config", config).refusal(1) == expected
    with pytest.raises(SetupError) as refused:
        build(settings_of(config))
    assert str(refused.value) == expected


def settings_now() -> int:
    return limits.CLOCK_FLOOR_MS + 1


def test_an_expired_bundle_is_judged_only_by_a_clock_that_can_be_right(config: Path) -> None:
    settings = settings_of(config)
    far_ms = 3_900_000_000_000
    with pytest.raises(BundleError, match="expired"):
        open_config_bundle(settings, far_ms)
    assert open_config_bundle(settings, limits.CLOCK_FLOOR_MS - 1).manifest.name == "tiny"


def filters_of(settings: Config) -> Filters:
    return subscriptions(settings, build_router(settings).sources)


def client_id_of(config: Path, *overrides: str) -> str:
    settings = settings_of(config, *overrides)
    return mqtt_options(settings, filters_of(settings)).client_id


def test_the_client_id_has_a_part_that_a_stranger_does_not_know(config: Path) -> None:
    own = client_id_of(config)
    assert re.fullmatch("wayside-street-gw-t-[0-9a-f]{16}", own)
    assert client_id_of(config) == own, "the session lasts"
    assert client_id_of(config, "gateway=gw-u")[-16:] != own[-16:]
    (config.parent / "tags.secret").write_text("another secret of another site, long enough", "utf-8")
    assert client_id_of(config) != own
    (config.parent / "tags.secret").unlink()
    assert client_id_of(config) == "wayside-street-gw-t"


def test_the_broker_is_told_who_we_are_and_what_to_say_when_we_are_lost(config: Path) -> None:
    (config.parent / "secret.txt").write_text(" pass word \n", "utf-8")
    settings = settings_of(config, "mqtt.username=gw", "mqtt.password_file=secret.txt")
    filters = filters_of(settings)
    options = mqtt_options(settings, filters)
    assert (options.username, password(options)) == ("gw", "pass word")
    (config.parent / "secret.txt").write_text("another", "utf-8")
    assert password(options) == "another", "it is read anew for each connection"
    up = "wayside/v1/street/up/+"
    urgent, queued = (
        (f"{up}/consent", f"{up}/wishes", f"{up}/withdrawn"),
        ("answer", "contact", "incident", "played", "purchase", "redeemed"),
    )
    assert options.subscriptions == tuple(f"{up}/{kind}" for kind in queued)
    unqueued = ("count", "position", "reading", "request", "sighting", "status")
    assert options.unqueued == (*(f"{up}/{kind}" for kind in unqueued), "espresense/#", "wayside/v1/street/gateway/gw-t/echo")
    assert options.replaced == (f"{up}/+", *urgent), "an older session may hold them"
    second = urgent_options(options, filters)
    assert (second.client_id, second.subscriptions, second.unqueued) == (f"{options.client_id}:consents", urgent, ())
    assert (second.username, password(second), second.will) == ("gw", "another", None)
    assert options.will is not None
    assert options.will.topic == "wayside/v1/street/gateway/gw-t/status"
    assert (options.will.qos, options.will.retain) == (1, True)
    assert b'"lost"' in options.will.payload


# The encrypted example of the BTHome v2 specification (bthome.io/encryption): 25.06 °C, 50.55 %.
BTHOME = b'{"gw_mac": "C8:25:2D:00:CA:FE", "rssi": -52, "data": "1216D2FC41A47266C95F730011223378237214", "coords": ""}'
KEYS = '"54:48:E6:8F:80:A5" = "231d39c1d7cc1ab1aee224cd096db932"'


def with_keys(folder: Path, keys: str, decoder: str = "ruuvi_gateway") -> Config:
    """A config with one more source that has a keys file."""
    (folder / "keys.toml").write_text(keys)
    path = write_config(folder)
    source = f'\n[[sources]]\ntopic = "ruuvi/#"\ndecoder = "{decoder}"\nkeys_file = "keys.toml"\n'
    path.write_text(path.read_text().replace("\n[devices]", source + "\n[devices]"))
    return settings_of(path)


def test_the_keys_of_a_source_open_what_its_sensors_encrypt(tmp_path: Path) -> None:
    message = Message("ruuvi/C8:25:2D:00:CA:FE/54:48:E6:8F:80:A5", BTHOME, 0)
    found = build_router(with_keys(tmp_path, KEYS)).decode(message)
    readings = {one.quantity: one.value for one in found if isinstance(one, Reading)}
    assert readings == {"temperature": pytest.approx(25.06), "humidity": pytest.approx(50.55)}


@pytest.mark.parametrize(
    ("keys", "decoder", "said"),
    [
        ('"54:48:E6:8F:80:A5" = "23"', "ruuvi_gateway", "24 or 32 hex digits"),
        ('"door" = "231d39c1d7cc1ab1aee224cd096db932"', "ruuvi_gateway", "'door' must be a MAC address"),
        (KEYS, "zigbee2mqtt", "never encrypted"),
        ("= 1", "ruuvi_gateway", r"wayside\.toml:\d+: sources\.\d+:"),
    ],
)
def test_keys_that_cannot_be_used_are_told_without_being_shown(tmp_path: Path, keys: str, decoder: str, said: str) -> None:
    with pytest.raises(SetupError, match=said) as caught:
        build_router(with_keys(tmp_path, keys, decoder))
    assert "231d39c1" not in str(caught.value)


def test_a_cloud_gives_an_uplink_and_none_gives_none(config: Path, gateway: App) -> None:
    assert gateway.uplink is None
    (config.parent / "token").write_text("secret", "utf-8")
    settings = settings_of(config, "cloud.url=http://127.0.0.1:9", "cloud.token_file=token", "store.path=other.db")
    with_cloud = build(settings)
    assert with_cloud.uplink is not None
    with_cloud.store.close()


def test_a_store_is_only_made_where_it_may_be(config: Path) -> None:
    settings = settings_of(config)
    with pytest.raises(SetupError, match="does not exist yet: start the gateway first"):
        open_reader(settings)
    assert not settings.store.path.exists()
    assert not settings.store.key_file.exists()
    open_store(settings).close()
    open_reader(settings).close()


def test_a_second_gateway_on_the_same_database_is_refused(config: Path, gateway: App) -> None:
    with pytest.raises(StoreError, match="in use by another gateway"):
        build(settings_of(config))
    gateway.store.close()
    build(settings_of(config)).store.close()


@pytest.mark.parametrize("token", ["one\ntwo", "h\u65e5", ""])
def test_a_token_that_no_header_can_carry_is_told(config: Path, tmp_path: Path, token: str) -> None:
    (tmp_path / "token").write_text(token, "utf-8")
    config.write_text(config.read_text() + '\n[cloud]\nurl = "http://127.0.0.1:9"\ntoken_file = "token"\n')
    with pytest.raises(SetupError, match="one line of printable ASCII"):
        build(settings_of(config))


def test_a_filter_that_another_one_covers_is_not_subscribed(config: Path) -> None:
    """The broker delivers a message once for each filter that matches, and a passage at a door would count twice."""
    more = """
[[sources]]
topic = "espresense/devices/+/plaza"
decoder = "espresense"

[[sources]]
topic = "wayside/v1/street/up/till-cafe/+"
decoder = "wayside_v1"
"""
    plain = filters_of(settings_of(config))
    config.write_text(config.read_text().replace("[[sources]]", f"{more}\n[[sources]]", 1))
    several = filters_of(settings_of(config))
    assert set(several.every) == set(plain.every)
    assert set(several.urgent) == set(plain.urgent)
    config.write_text(config.read_text().replace("wayside/v1/street/up/+/+", "wayside/#"))
    settings = settings_of(config)
    widest = filters_of(settings)
    assert (widest.urgent, widest.queued, widest.unqueued) == ((), ("wayside/#",), ("espresense/#",)), (
        "facts among sightings wait at the broker"
    )
    assert isinstance(build_bus(settings, build_router(settings).sources, SystemClock()), MqttBus), "nothing is left for a second session"
    told = wayside("check", "--config", config)
    assert "withdrawals wait at the broker behind all else that matches 'wayside/#'" in told.err


def test_a_filter_of_consents_alone_is_in_their_session(config: Path) -> None:
    config.write_text(config.read_text().replace("wayside/v1/street/up/+/+", "$share/edge/wayside/v1/street/up/+/consent"))
    filters = filters_of(settings_of(config))
    assert (filters.urgent, filters.queued) == (("$share/edge/wayside/v1/street/up/+/consent",), ())


def test_filters_that_left_the_config_are_unsubscribed(config: Path) -> None:
    first = build(settings_of(config))
    first.store.close()
    config.write_text(config.read_text().replace("espresense/#", "espresense/devices/#"))
    store = open_store(settings_of(config))
    assert store.former_filters(filters_of(settings_of(config)).every) == ["espresense/#"]
    assert store.former_filters(["espresense/#"]) != ["espresense/#"], "one that came back stays"
    store.close()


def test_a_running_gateway_purges_what_is_too_old(config: Path) -> None:
    """Without messages and visits, time alone must close the window."""
    gateway = build(settings_of(config, "retention.facts_days=30"))
    old, new = (message("till-cafe", "purchase", seq, amount_minor=450) for seq in (1, 2))
    gateway.mailbox.deliver([old])
    gateway.turn(0.0)
    store_of(gateway)._db.execute("UPDATE facts SET at_ms = at_ms - 31 * 86400000")
    gateway.mailbox.deliver([new])
    gateway.turn(0.0)
    assert store_of(gateway).totals()["facts"] == 2, "not so soon after a start"
    asked_ms = gateway.state.retention.next_ms = gateway.clock.now_ms() - 1_000  # the machine's clock may be slewed back by a millisecond
    gateway.turn(0.0)
    assert store_of(gateway).totals()["facts"] == 2, "nor before the clock has stood for some minutes"
    gateway.state.retention.settles_ms = asked_ms
    gateway.turn(0.0)
    assert store_of(gateway).totals()["facts"] == 1
    assert gateway.state.retention.next_ms > asked_ms
    gateway.store.close()


def test_an_offer_with_a_coupon_needs_a_key(tmp_path: Path) -> None:
    offers = tuple(msgspec.structs.replace(offer, coupon=True) for offer in tiny_campaign().offers)
    path = write_config(tmp_path, files=make_bundle(tmp_path, campaign=Campaign(offers)))
    settings = settings_of(path)
    with pytest.raises(SetupError, match=r"coupons\.key_file is not set, and the offer 'flat-white' has a coupon"):
        build_site(settings, open_config_bundle(settings, limits.CLOCK_FLOOR_MS))
    named = settings_of(path, "coupons.key_file=coupons.key")
    assert build_site(named, open_config_bundle(named, limits.CLOCK_FLOOR_MS)).coupons is None, "a check makes no key"
    assert not (tmp_path / "coupons.key").exists()
    (tmp_path / "coupons.key").write_text("x")
    with pytest.raises(SetupError, match=r"coupons\.key_file: .*coupons\.key"):
        build_site(named, open_config_bundle(named, limits.CLOCK_FLOOR_MS))


def test_a_clock_that_was_years_ahead_for_a_moment_silences_no_bundle(gateway: App) -> None:
    slot, now_ms = gateway.model_slot, gateway.clock.now_ms()
    assert slot is not None
    valid = slot.version
    slot.poll(slot._expires_at_ms)
    assert (slot.version, slot.score(ROW)) == ("", None)
    slot.poll(now_ms)
    assert slot.version == valid
    assert slot.score(ROW) is not None


def test_topics_of_a_shared_subscription_find_their_source(config: Path) -> None:
    config.write_text(config.read_text().replace('"espresense/#"', '"$share/edge/espresense/#"'))
    settings = settings_of(config)
    assert "$share/edge/espresense/#" in filters_of(settings).unqueued
    router = build_router(settings)
    found = router.decode(Message("espresense/devices/a/plaza", b'{"rssi": -60}', 0))
    assert found == [Sighting("plaza", "a", -60.0)]


@pytest.mark.parametrize("at", [5_000, 20_000, 60_000])
def test_a_damaged_database_is_kept_and_a_new_one_is_begun(config: Path, at: int, caplog: pytest.LogCaptureFixture) -> None:
    settings = settings_of(config)
    gateway = build(settings)
    for number in range(50):
        gateway.mailbox.deliver([message(f"phone-{number:04}", "consent", 1, purposes=["presence", "offers"], version=1)])
    gateway.turn(0.0)
    gateway.store.close()
    file = settings.store.path
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)
    again = build(settings)
    assert store_of(again).totals()["facts"] == 0, "no consent is left, so no offer is sent"
    again.store.close()
    assert file.with_name(f"{file.name}.damaged-1").read_bytes() == bytes(content)
    assert "people have to consent again" in caplog.text


def test_a_database_of_another_key_is_refused_and_stays(config: Path) -> None:
    settings = settings_of(config)
    build(settings).store.close()
    content = settings.store.path.read_bytes()
    settings.store.key_file.write_text("11" * 32, "utf-8")
    with pytest.raises(StoreError, match="does not open with this key"):
        build(settings)
    assert settings.store.path.read_bytes() == content
