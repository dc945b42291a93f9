"""Each fault has its documented effect, exactly or within four standard deviations, and is reproducible by seed."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from firmware_sim.devices.wayside_v1 import FACTS
from firmware_sim.event_loop import EventLoop
from firmware_sim.faults import rules
from firmware_sim.faults.injector import FaultInjector
from firmware_sim.faults.rules import FaultError, parse_option
from firmware_sim.message import Message
from firmware_sim.products.catalogue import CATALOGUE
from firmware_sim.products.firmware import Cause, Firmware, State
from firmware_sim.products.surroundings import FleetSurroundings
from firmware_sim.scenario import Scenario, ScenarioError, parsed
from firmware_sim.street.street import Street
from tests.sim.conftest import Minute, minute_of
from tests.sim.truths import Offering

COUNT = 4_000
EVERY_MS = 100


class Line:
    """`COUNT` numbered messages of one device, one every `EVERY_MS`, through an injector with one rule."""

    def __init__(self, option: str, *, device: str = "d", qos: int = 0, seed: int = 1, count: int = COUNT) -> None:
        self.loop, self.counts = EventLoop(), Counter[str]()
        self.came: list[tuple[int, bytes]] = []
        self.injector = FaultInjector([parse_option(option)], seed, self.loop, self._take, self.counts)
        for number in range(count):
            message = Message("t", f"message {number:05d}".encode(), "f", "reading", qos)
            self.loop.at(number * EVERY_MS, lambda _, m=message: self.injector.send(device, m))  # type: ignore[misc]
        self.loop.run_until(count * EVERY_MS + 10_000_000)

    def _take(self, _device: str, message: Message) -> None:
        self.came.append((self.loop.now_ms, message.payload))

    def numbers(self) -> list[int]:
        return [int(payload[8:]) for _, payload in self.came]

    def digest(self) -> str:
        return hashlib.sha256(repr(self.came).encode()).hexdigest()


def within(found: float, share: float, count: int) -> bool:
    """Whether a binomial count lies within four standard deviations of its mean."""
    return abs(found - share * count) <= 4 * math.sqrt(count * share * (1 - share))


@pytest.mark.parametrize(
    "option",
    [
        "loss:share=0.1",
        "duplicate:share=0.2",
        "reorder:share=0.3",
        "delay:ms=300,jitter_ms=250",
        "partition:per_hour=60,lasts_s=20",
        "corrupt:share=0.1,how=flip",
        "replay:share=0.1,times=3",
        "flood:per_s=40,per_hour=60,lasts_s=5",
    ],
)
def test_same_seed_same_bytes_other_seed_others(option: str) -> None:
    line, other = Line(option), Line(option, seed=2)
    assert Line(option).digest() == line.digest() != other.digest()
    assert line.counts[option.split(":", maxsplit=1)[0]] > 0


def test_loss_at_qos_0() -> None:
    line = Line("loss:share=0.1")
    assert within(COUNT - len(line.came), 0.1, COUNT)
    assert line.counts == {"loss": COUNT - len(line.came)}
    assert line.numbers() == sorted(line.numbers())


def test_loss_at_qos_1_is_only_late() -> None:
    line = Line("loss:share=0.3,retry_ms=5000", qos=1)
    assert sorted(line.numbers()) == list(range(COUNT))
    late = Counter((at_ms - int(payload[8:]) * EVERY_MS) // 5000 for at_ms, payload in line.came)
    assert within(late[0], 0.7, COUNT)
    assert within(late[2], 0.3 * 0.3 * 0.7, COUNT)
    assert line.counts["loss"] == COUNT - late[0]


def test_duplicates_follow_their_originals() -> None:
    line = Line("duplicate:share=0.2,within_ms=90")
    seen: dict[bytes, int] = {}
    gaps = [at_ms - seen[payload] for at_ms, payload in line.came if seen.setdefault(payload, at_ms) != at_ms]
    assert within(len(line.came) - COUNT, 0.2, COUNT)
    assert line.counts["duplicate"] == len(line.came) - COUNT == len(gaps)
    assert (min(gaps), max(gaps)) == (1, 90)


def test_reordering_loses_nothing_and_holds_back_no_longer_than_said() -> None:
    line = Line("reorder:share=0.3,within_ms=350")
    numbers = line.numbers()
    assert sorted(numbers) == list(range(COUNT))
    overtaken = sum(later < earlier for earlier, later in pairwise(numbers))
    assert 0.05 * COUNT < overtaken < 0.3 * COUNT
    held = [at_ms - int(payload[8:]) * EVERY_MS for at_ms, payload in line.came]
    assert (min(held), max(held)) == (0, 350)
    assert within(line.counts["reorder"], 0.3, COUNT)


def test_delay_keeps_the_order() -> None:
    line = Line("delay:ms=300,jitter_ms=250")
    assert line.numbers() == list(range(COUNT))
    held = [at_ms - int(payload[8:]) * EVERY_MS for at_ms, payload in line.came]
    assert min(held) >= 50
    assert max(held) <= 550
    assert {at_ms - int(payload[8:]) * EVERY_MS for at_ms, payload in Line("delay:ms=300").came} == {300}


def test_a_partition_loses_qos_0_and_keeps_so_much_of_qos_1() -> None:
    lost = Line("partition:from_s=10,until_s=20", count=400)
    assert lost.numbers() == [*range(100), *range(200, 400)]
    kept = Line("partition:from_s=10,until_s=20,kept_max=60", qos=1, count=400)
    freed = [number for (at_ms, _), number in zip(kept.came, kept.numbers(), strict=True) if at_ms == 20_000]
    assert [number for number in freed if number < 200] == list(range(100, 160))
    assert sorted(kept.numbers()) == [*range(160), *range(200, 400)]
    assert lost.counts == kept.counts == {"partition": 100}


def test_random_windows_have_the_stated_rate_and_length() -> None:
    line = Line("partition:per_hour=60,lasts_s=6", count=36_000)  # an hour
    times = [at_ms for at_ms, _ in line.came]
    gaps = [later - earlier for earlier, later in pairwise(times) if later - earlier > EVERY_MS]
    # Renewals: a minute between windows on average and six seconds each, so about 54.5 in the hour.
    assert abs(len(gaps) - 54.5) < 4 * 54.5**0.5
    assert {gap // 100 for gap in gaps} <= {60, 61, 121, 122}


def test_corruption_cuts_flips_or_replaces() -> None:
    whole = [f"message {number:05d}".encode() for number in range(COUNT)]
    cut = [(payload, one) for (_, payload), one in zip(Line("corrupt:share=0.1").came, whole, strict=True) if payload != one]
    assert within(len(cut), 0.1, COUNT)
    assert all(one.startswith(payload) for payload, one in cut)
    assert {len(payload) for payload, _ in cut} == set(range(13))
    flipped = Line("corrupt:share=1,how=flip,devices=d")
    assert all(sum((a ^ b).bit_count() for a, b in zip(p, whole[n], strict=True)) == 1 for n, (_, p) in enumerate(flipped.came))
    noise = Line("corrupt:share=1,how=noise")
    assert {len(payload) for _, payload in noise.came} == {13}
    assert not {payload for _, payload in noise.came} & set(whole)


def test_a_replayed_message_comes_again_byte_for_byte() -> None:
    line = Line("replay:share=0.1,after_s=7,times=2", count=1_000)
    times: dict[bytes, list[int]] = {}
    for at_ms, payload in line.came:
        times.setdefault(payload, []).append(at_ms)
    again = [stamps for stamps in times.values() if len(stamps) > 1]
    assert within(len(again), 0.1, 1_000)
    assert all([at - stamps[0] for at in stamps] == [0, 7_000, 14_000] for stamps in again)
    assert line.counts["replay"] == 2 * len(again)


def test_a_flood_keeps_its_rate_exactly() -> None:
    line = Line("flood:per_s=30,from_s=10,until_s=20", count=400)
    during = [payload for at_ms, payload in line.came if 10_000 <= at_ms < 20_000]
    assert line.counts["flood"] == 299  # the 30th of a second falls on the end
    assert len(during) == 100 + 299
    assert set(line.numbers()) == set(range(400))


def test_rules_concern_the_devices_kinds_and_times_they_name() -> None:
    assert Line("loss:share=1,devices=phone-*|e", device="d", count=50).numbers() == list(range(50))
    assert Line("loss:share=1,devices=phone-*|e", device="phone-1", count=50).numbers() == []
    assert Line("loss:share=1,kinds=consent", count=50).numbers() == list(range(50))
    assert Line("loss:share=1,from_s=1,until_s=2", count=50).numbers() == [*range(10), *range(20, 50)]


def test_a_fault_on_one_device_changes_no_draw_of_another() -> None:
    def heard(devices: list[str]) -> list[bytes]:
        loop, came = EventLoop(), list[bytes]()
        injector = FaultInjector([parse_option("loss:share=0.5")], 1, loop, lambda _, m: came.append(m.payload), Counter())
        for number in range(200):
            for device in devices:
                injector.send(device, Message("t", f"{device}{number}".encode(), "f", "k"))
        return [payload for payload in came if payload.startswith(b"a")]

    assert heard(["a"]) == heard(["b", "a", "c"])


# --- faults of the device itself -------------------------------------------------------------------------


class Sick:
    """One device with firmware under some rules, and its messages in `seconds`."""

    def __init__(self, product: str, *options: str, seconds: int = 120, every_ms: int = 1_000) -> None:
        self.loop, self.counts = EventLoop(), Counter[str]()
        self.said: list[tuple[int, Any]] = []
        injector = FaultInjector([parse_option(option) for option in options], 1, self.loop, self._take, self.counts)
        made = CATALOGUE[product](1, FleetSurroundings("street", 1, 1))
        self.device = Firmware(
            made,
            self.loop,
            lambda message: injector.send(made.device, message),
            seed=1,
            start_ms=0,
            conditions=injector,
            changes={"every_ms": every_ms, "join_refused_share": 0.0},
        )
        injector.attach(made.device, self.device, falls_silent=True)
        self.device.handle(Cause.POWER, 0)
        self.loop.run_until(seconds * 1000)

    def _take(self, _device: str, message: Message) -> None:
        self.said.append((self.loop.now_ms, json.loads(message.payload)))


def errors(sick: Sick) -> list[tuple[int, int]]:
    """Clock errors of the messages, with times."""
    return [(at_ms, fields["at_ms"] - at_ms) for at_ms, fields in sick.said if fields.get("at_ms") is not None]


def test_a_skewed_clock_is_wrong_by_as_much_as_said() -> None:
    assert {error for _, error in errors(Sick("wayside_v1", "skew:ms=-5000"))} == {-5000}
    drifting = errors(Sick("wayside_v1", "skew:ppm=1000,from_s=20"))
    assert all(error == (round((at_ms - 20_000) / 1000) if at_ms >= 20_000 else 0) for at_ms, error in drifting)


def test_a_clock_jumps_when_said_and_stays_wrong() -> None:
    sick = Sick("wayside_v1", "jump:ms=3600000,from_s=60")
    assert {(at_ms >= 60_000, error) for at_ms, error in errors(sick)} == {(False, 0), (True, 3_600_000)}
    assert sick.counts == {"jump": 1}
    again = Sick("wayside_v1", "jump:ms=100,per_hour=120,lasts_s=1", seconds=3_600)
    assert errors(again)[-1][1] == 100 * again.counts["jump"]
    assert abs(again.counts["jump"] - 116) < 4 * 116**0.5


def test_a_reboot_is_a_new_boot_with_numbers_from_0() -> None:
    sick = Sick("wayside_v1", "reboot:from_s=30", "reboot:from_s=60")
    boots = [fields["boot"] for _, fields in sick.said]
    assert len(set(boots)) == 3
    assert [fields["seq"] for _, fields in sick.said if fields["boot"] == boots[-1]] == list(range(boots.count(boots[-1])))
    assert (sick.counts["reboot"], sick.device.starts[Cause.CRASH]) == (2, 2)


def test_a_stuck_sensor_shows_what_it_showed() -> None:
    sick = Sick("zigbee2mqtt", "stuck:from_s=60,until_s=90", every_ms=500)
    warm = [(at_ms, fields["temperature"]) for at_ms, fields in sick.said if "temperature" in fields]
    stuck = [value for at_ms, value in warm if 60_000 <= at_ms < 90_000]
    assert len(stuck) == 60
    assert set(stuck) == {[value for at_ms, value in warm if at_ms < 60_000][-1]}
    assert len({value for at_ms, value in warm if at_ms >= 90_000}) > 5
    assert sick.counts == {"stuck": 1}


def test_a_flat_battery_is_silence_until_there_is_a_new_one() -> None:
    sick = Sick("zigbee2mqtt", "battery:from_s=40,until_s=70")
    said = [(at_ms, fields) for at_ms, fields in sick.said if 40_000 <= at_ms < 70_000]
    assert said == [(40_000, {"state": "offline"})]
    assert next(fields["battery"] for at_ms, fields in sick.said if at_ms > 70_000 and "battery" in fields) == 100
    assert sick.counts == {"battery": 1}
    assert Sick("zigbee2mqtt", "battery:from_s=40").device.state is State.FLAT


# --- on the street ---------------------------------------------------------------------------------------


def with_faults(plan: Scenario, *options: str) -> Scenario:
    return plan.changed(faults=rules.parse_options(options))


def parsed_fields(minute: Minute, kind: str) -> list[tuple[int, str, dict[str, Any]]]:
    return [
        (at_ms, m.topic, json.loads(m.payload))
        for at_ms, m in minute
        if m.kind == kind and m.payload.startswith(b'{"v"') and m.payload.endswith(b"}")
    ]


def test_without_rules_the_street_says_what_it_always_said(street_plan: Scenario, minute: Minute) -> None:
    assert minute_of(with_faults(street_plan, "loss:share=1,devices=till-*,kinds=sighting"), until_ms=20_000) == [
        row for row in minute if row[0] < 20_000
    ]


def test_loss_on_the_street_leaves_the_rest_byte_for_byte(street_plan: Scenario, minute: Minute) -> None:
    minute = [row for row in minute if row[0] < 30_000]
    kept = minute_of(with_faults(street_plan, "loss:share=0.25,devices=AC233F00A001|plaza"), until_ms=30_000)
    of_them = [
        row
        for row in minute
        if row[1].topic.startswith("/gw/ac233f00a001/") or row[1].topic.endswith("/plaza") or "/plaza/" in row[1].topic
    ]
    assert [row for row in kept if row not in of_them] == [row for row in minute if row not in of_them]
    lost = len(minute) - len(kept)
    assert within(lost, 0.25, len(of_them))


def test_every_fact_gets_through_a_loss(street_plan: Scenario, minute: Minute) -> None:
    kept = minute_of(with_faults(street_plan, "loss:share=0.3,retry_ms=500"), until_ms=40_000)
    facts = Counter(m.payload for at_ms, m in minute if m.kind in FACTS and at_ms < 30_000)
    assert not facts - Counter(m.payload for _, m in kept if m.kind in FACTS)


def test_clocks_boots_and_sensors_of_the_street(street_plan: Scenario) -> None:
    plan = with_faults(
        street_plan,
        "skew:ms=7000,devices=weather-1|till-cafe",
        "reboot:from_s=30,devices=till-*|phone-*",
        "stuck:from_s=10,devices=E3:75:CF:00:00:01|arcade-climate",
    )
    said = minute_of(plan, until_ms=50_000)
    told = [
        (at_ms, fields["at_ms"] - plan.start_ms - at_ms) for at_ms, topic, fields in parsed_fields(said, "reading") if "weather-1" in topic
    ]
    assert {error for _, error in told} == {7_000}
    boots: dict[str, list[tuple[int, str, int]]] = {}
    for kind in ("purchase", "status", "sighting"):
        for at_ms, topic, fields in parsed_fields(said, kind):
            boots.setdefault(topic.split("/")[4], []).append((at_ms, fields["boot"], fields["seq"]))
    lives = {device: {boot for _, boot, _ in rows} for device, rows in boots.items()}
    assert {device for device, boot in lives.items() if len(boot) == 2} >= {f"till-{zone}" for zone in ("cafe", "pub", "market")}
    assert {device.split("-")[0] for device, boot in lives.items() if len(boot) == 2} == {"till", "phone"}
    assert not [row for device, rows in boots.items() for row in rows if device.startswith("till") and 30_000 <= row[0] < 32_000]
    warm = [json.loads(m.payload)["temperature"] for at_ms, m in said if m.topic == "zigbee2mqtt/arcade-climate" and at_ms > 10_000]
    assert len(warm) >= 4
    assert len(set(warm)) == 1


def test_a_cloned_beacon_is_heard_where_its_owner_is_not(street_plan: Scenario, minute: Minute) -> None:
    beacon = "iBeacon:5a1e0000-0000-4000-8000-0000000000ff-9999-1"
    street_faults = with_faults(street_plan, f"clone:beacon={beacon},devices=noodle-bar,rssi_dbm=-50,every_ms=500,from_s=10,until_s=40")
    said: Minute = []
    street = Street(street_faults, seed=1, start_ms=street_plan.start_ms, publish=lambda m: said.append((street.loop.now_ms, m)))
    street.run_until(45_000)
    thief = [(at_ms, m.topic) for at_ms, m in said if m.topic.startswith(f"espresense/devices/{beacon}/")]
    assert {topic for _, topic in thief} == {f"espresense/devices/{beacon}/noodle-bar"}
    assert [at_ms for at_ms, _ in thief] == list(range(10_000, 40_000, 500))
    assert street.counters.faults == {"clone": 60}
    assert street.summary()["faults"] == {"clone": 60}


def test_a_flat_phone_says_nothing(street_plan: Scenario) -> None:
    said = minute_of(with_faults(street_plan, "battery:from_s=10,until_s=20,devices=phone-*"), until_ms=25_000)
    assert not [m for at_ms, m in said if 10_000 <= at_ms < 20_000 and "/phone-" in m.topic]
    assert [m for at_ms, m in said if at_ms >= 20_000 and "/phone-" in m.topic]


def test_a_rule_for_a_device_that_is_not_there_is_told(street_plan: Scenario) -> None:
    with pytest.raises(FaultError, match="no device 'till-caffe'; did you mean 'till-cafe'"):
        Street(with_faults(street_plan, "loss:share=0.1,devices=till-caffe"), seed=1, start_ms=0, publish=lambda _: None)


def test_a_scenario_with_devices_and_faults(street_plan: Scenario) -> None:
    table = street_plan.model_dump(mode="json")
    del table["faults"]
    table["devices"] = [
        {"product": "theengs_gateway_mqtt", "zone": "plaza"},
        {"product": "ttn_v3", "zone": "station", "every_ms": 10_000, "count": 2},
        {"product": "shelly_gen2_rpc", "zone": "cafe", "first": 5, "update_at_s": 20},
    ]
    plan = parsed({**table, "faults": [{"kind": "reboot", "from_s": 30, "devices": ["OMG-00001"]}]}, "x.toml")
    said = minute_of(plan, until_ms=45_000)
    assert said[:500] == minute_of(plan, until_ms=5_000)[:500]
    heard = [m for _, m in said if m.topic.startswith("home/OMG-00001/BTtoMQTT/")]
    assert len(heard) > 100, "a scanner on the street hears who walks by"
    assert sum(m.topic == "home/OMG-00001/LWT" for _, m in said) == 3
    assert sum("ota_" in m.payload.decode("latin-1") for _, m in said) == 4
    assert {m.topic.split("/")[3] for _, m in said if m.format == "ttn_v3"} <= {"eui-70b3d57ed0000001", "eui-70b3d57ed0000002"}
    with pytest.raises(ScenarioError, match="no product 'ttn'; did you mean 'ttn_v3'"):
        parsed({**table, "devices": [{"product": "ttn", "zone": "cafe"}]}, "x.toml")
    with pytest.raises(ScenarioError, match="no zone 'caffe'"):
        parsed({**table, "devices": [{"product": "ttn_v3", "zone": "caffe"}]}, "x.toml")
    with pytest.raises(ScenarioError, match="kind 'rebot' is not allowed; did you mean 'reboot'"):
        parsed({**table, "faults": [{"kind": "rebot"}]}, "x.toml")


def test_two_thieves_do_not_change_each_others_addresses(street_plan: Scenario) -> None:
    whole = street_plan.changed(malformed_share=0.0)
    clone = "clone:beacon=iBeacon:5a1e0000-0000-4000-8000-0000000000ff-1000-1,every_ms=20"
    said = [
        [m.payload for _, m in minute_of(with_faults(whole, *clones), until_ms=30_000) if m.topic.endswith("/plaza")]
        for clones in ([f"{clone},devices=plaza"], [f"{clone},devices=plaza", f"{clone},devices=noodle-bar"])
    ]
    assert said[0] == said[1]


def test_a_phone_whose_battery_is_flat_gets_no_offer_and_is_not_on_the_air(street_plan: Scenario) -> None:
    run = Offering(with_faults(street_plan, "battery:from_s=7,devices=phone-*"))
    run.at_random(until_ms=20_000, every_ms=1_000, each=2)
    run.street.run_until(30_000)
    assert run.street.counters.offers == {"received": 4, "phone_off": 26}
    heard = [
        at_ms for at_ms, m in minute_of(run.plan, until_ms=30_000) if b"iBeacon:5a1e0000-0000-4000-8000-0000000000ff" in m.topic.encode()
    ]
    assert heard
    assert max(heard) < 7_000
