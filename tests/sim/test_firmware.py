"""Firmware of devices: the state table, and the messages around a start, sleep, clock error, update and flat battery."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest

from firmware_sim.event_loop import EventLoop
from firmware_sim.message import Message
from firmware_sim.products.catalogue import CATALOGUE, DEFAULT_MIX, MixError, allocate, parse_mix
from firmware_sim.products.firmware import TABLE, BaseProduct, Boot, Cause, Firmware, NoFaults, State, StateMachine, Traits
from firmware_sim.products.surroundings import FleetSurroundings

START_MS = 1_793_617_200_000


class Bench:
    """One device alone, and all its messages with times."""

    def __init__(self, product: str, **changes: Any) -> None:
        self.loop = EventLoop()
        self.said: list[tuple[int, Message]] = []
        made = CATALOGUE[product](1, FleetSurroundings("street", 1, 1))
        self.device = Firmware(
            made,
            self.loop,
            lambda message: self.said.append((self.loop.now_ms, message)),
            seed=1,
            start_ms=START_MS,
            conditions=NoFaults(),
            changes={"crashes_per_hour": 0.0, "hangs_per_hour": 0.0, "join_refused_share": 0.0, **changes},
        )

    def handle(self, cause: Cause) -> bool:
        return self.device.handle(cause, self.loop.now_ms)

    def run(self, ms: int) -> None:
        self.loop.run_until(self.loop.now_ms + ms)

    def fields(self) -> list[tuple[int, str, Any]]:
        return [(at_ms, message.topic, json.loads(message.payload)) for at_ms, message in self.said]


def test_every_state_can_be_reached_and_left() -> None:
    assert {state for state, _ in TABLE} == set(State)
    reached, frontier = {State.OFF}, [State.OFF]
    while frontier:
        here = frontier.pop()
        found = {following for (state, _), following in TABLE.items() if state is here} - reached
        reached |= found
        frontier += found
    assert reached == set(State)


def test_a_machine_moves_only_as_its_table_says_and_forgets_plans_that_are_void() -> None:
    loop, entered = EventLoop(), list[tuple[str, str, int]]()

    def enter(state: str, cause: str, now_ms: int) -> tuple[int, str] | None:
        entered.append((state, cause, now_ms))
        return (100, "ripe") if state == "green" else None

    machine = StateMachine({("seed", "sow"): "green", ("green", "ripe"): "red", ("green", "frost"): "seed"}, "seed", loop, enter)
    assert not machine.handle("ripe", 0)
    assert machine.handle("sow", 0)
    loop.run_until(50)
    assert machine.handle("frost", 50)
    assert machine.handle("sow", 50)
    loop.run_until(1_000)
    assert entered == [("green", "sow", 0), ("seed", "frost", 50), ("green", "sow", 50), ("red", "ripe", 150)]
    assert machine.state == "red"


def test_a_start_is_a_new_boot_with_numbers_from_0() -> None:
    bench = Bench("wayside_v1")
    bench.handle(Cause.POWER)
    bench.run(10_000)
    bench.handle(Cause.CRASH)
    bench.run(10_000)
    lives: dict[str, list[int]] = {}
    for _, _, fields in bench.fields():
        lives.setdefault(fields["boot"], []).append(fields["seq"])
    assert len(lives) == 2
    assert all(numbers == list(range(len(numbers))) for numbers in lives.values())
    assert all(len(numbers) >= 10 for numbers in lives.values())


@pytest.mark.parametrize(
    ("product", "told", "before", "after"),
    [
        ("wayside_v1", lambda f: f["at_ms"], None, START_MS),
        ("shelly_gen2_rpc", lambda f: f["params"]["ts"] * 1000, 0, START_MS),
        ("ruuvi_gateway", lambda f: int(f["ts"]) * 1000, 0, START_MS),
    ],
)
def test_the_clock_is_wrong_until_the_time_is_learned(product: str, told: Any, before: int | None, after: int) -> None:
    bench = Bench(product, every_ms=500)
    bench.handle(Cause.POWER)
    bench.run(20_000)
    traits = bench.device.traits
    assert traits.sync_ms is not None
    learned_ms = traits.boot_ms + traits.join_ms + traits.sync_ms
    claims = [(at_ms, told(f)) for at_ms, _, f in bench.fields() if isinstance(f, dict) and ("at_ms" in f or "params" in f or "ts" in f)]
    early = [(at_ms, claim) for at_ms, claim in claims if at_ms < learned_ms]
    late = [(at_ms, claim) for at_ms, claim in claims if at_ms >= learned_ms]
    assert early
    assert late
    assert all(claim is None if before is None else 0 <= claim <= at_ms for at_ms, claim in early)
    assert all(0 <= after + at_ms - claim < 1_000 for at_ms, claim in late)


def test_a_clock_has_to_be_set_anew_after_a_restart() -> None:
    bench = Bench("minew_gateway_json")
    bench.handle(Cause.POWER)
    bench.run(30_000)
    bench.handle(Cause.CRASH)
    bench.run(30_000)
    years = [fields[0]["timestamp"][:4] for _, _, fields in bench.fields()]
    turns = [year for place, year in enumerate(years) if place == 0 or years[place - 1] != year]
    assert turns == ["2000", "2026", "2000", "2026"]


def test_a_sleeper_speaks_only_when_awake_and_keeps_its_period() -> None:
    bench = Bench("shelly_gen1", every_ms=10_000)
    bench.handle(Cause.POWER)
    bench.run(100_000)
    times = [at_ms for at_ms, message in bench.said if message.topic.endswith("/temperature")]
    assert [later - earlier for earlier, later in pairwise(times)] == [10_000] * 9
    assert bench.device.state is State.ASLEEP


def test_a_hung_device_is_missed_and_its_watchdog_brings_it_back() -> None:
    bench = Bench("espresense", watchdog_ms=8_000)
    bench.handle(Cause.POWER)
    bench.run(10_000)
    assert bench.handle(Cause.HANG)
    bench.run(20_000)
    online = [(at_ms, message.payload) for at_ms, message in bench.said if message.topic.endswith("/status")]
    assert [payload for _, payload in online] == [b"online", b"offline", b"online"]
    silent_ms = online[2][0] - online[1][0]
    assert silent_ms == 8_000 + bench.device.traits.boot_ms + bench.device.traits.join_ms
    assert not [at_ms for at_ms, _ in bench.said if online[1][0] < at_ms < online[2][0]]


def test_an_update_is_told_and_ends_in_a_new_version() -> None:
    bench = Bench("shelly_gen2_rpc")
    bench.handle(Cause.POWER)
    bench.run(30_000)
    assert bench.handle(Cause.UPDATE)
    assert bench.device.state is State.UPDATING
    bench.run(30_000)
    events = [f["params"]["events"][0] for _, _, f in bench.fields() if isinstance(f, dict) and f["method"] == "NotifyEvent"]
    assert [(event["event"], event.get("progress_percent")) for event in events] == [
        ("ota_progress", 25),
        ("ota_progress", 50),
        ("ota_progress", 75),
        ("ota_success", None),
    ]
    assert (bench.device.boot.version, bench.device.starts[Cause.FLASHED], bench.device.state) == (2, 1, State.AWAKE)


def test_a_crash_during_an_update_loses_it() -> None:
    bench = Bench("shelly_gen2_rpc")
    bench.handle(Cause.POWER)
    bench.run(30_000)
    bench.handle(Cause.UPDATE)
    bench.run(8_000)
    bench.handle(Cause.CRASH)
    bench.run(60_000)
    assert bench.device.boot.version == 1
    assert sum(b"ota_" in message.payload for _, message in bench.said) == 1


def test_a_battery_falls_until_the_device_is_flat_and_a_new_one_revives_it() -> None:
    bench = Bench("zigbee2mqtt", battery_hours=1.0, every_ms=60_000)
    bench.handle(Cause.POWER)
    bench.run(4_000_000)
    levels = [fields["battery"] for _, _, fields in bench.fields() if "battery" in fields]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] > levels[-1] > 0
    assert bench.device.state is State.FLAT
    assert bench.fields()[-1][2] == {"state": "offline"}
    bench.device.recharge(bench.loop.now_ms)
    bench.run(10_000)
    assert [fields["battery"] for _, _, fields in bench.fields() if "battery" in fields][-1] == 100


def test_a_refused_device_tries_again_with_more_patience() -> None:
    bench = Bench("ttn_v3", join_refused_share=1.0)
    bench.handle(Cause.POWER)
    bench.run(100_000)
    assert (bench.said, bench.device.state) == ([], State.JOINING)
    lucky = Bench("ttn_v3", join_refused_share=0.9)
    lucky.handle(Cause.POWER)
    lucky.run(2_000_000)
    assert lucky.said[0][0] % lucky.device.traits.join_ms == lucky.device.traits.boot_ms
    assert lucky.said[0][1].topic.endswith("/join")


def test_frames_of_a_lorawan_device_count_up_and_start_again_when_it_joins() -> None:
    bench = Bench("ttn_v3", every_ms=10_000)
    bench.handle(Cause.POWER)
    bench.run(60_000)
    bench.handle(Cause.CRASH)
    bench.run(30_000)
    story = [fields.get("uplink_message", {}).get("f_cnt", "join") for _, _, fields in bench.fields()]
    assert story == ["join", 0, 1, 2, 3, 4, 5, "join", 0, 1, 2]
    sessions = {fields[part]["session_key_id"] for _, _, fields in bench.fields() for part in ("uplink_message",) if part in fields}
    assert len(sessions) == 2


class Fragile(BaseProduct):
    """A product that crashes and hangs."""

    traits = Traits(every_ms=1_000, crashes_per_hour=20.0, hangs_per_hour=10.0)
    reported = 1
    device = "fragile"

    def report(self, boot: Boot, /) -> Iterable[Message]:
        yield Message("t", boot.id.encode(), "f", "k")


def test_crashes_and_hangs_come_as_often_as_said_and_the_same_for_the_same_seed() -> None:
    def starts(seed: int) -> tuple[int, int, int]:
        loop, said = EventLoop(), list[Message]()
        device = Firmware(Fragile(), loop, said.append, seed=seed, start_ms=0, conditions=NoFaults())
        device.handle(Cause.POWER, 0)
        loop.run_until(8 * 3_600_000)
        return device.starts[Cause.CRASH], device.starts[Cause.WATCHDOG], len(said)

    assert starts(1) == starts(1) != starts(2)
    crashes, hangs, _ = starts(1)
    # Poisson counts of 160 and 80 in eight hours, within four standard deviations; a device that is down cannot crash.
    assert abs(crashes - 160) < 51
    assert abs(hangs - 80) < 36


def test_a_mix_is_met_exactly_and_well_mixed() -> None:
    drawn = list(allocate({"owntracks": 3.0, "ttn_v3": 1.0}, 100))
    assert sum(name == "ttn_v3" for name, _ in drawn) == 25
    assert all(sum(name == "ttn_v3" for name, _ in drawn[at : at + 4]) == 1 for at in range(0, 100, 4))
    assert [number for name, number in drawn if name == "ttn_v3"] == list(range(1, 26))
    assert DEFAULT_MIX.keys() == CATALOGUE.keys()
    assert parse_mix("owntracks=3, ttn_v3") == {"owntracks": 3.0, "ttn_v3": 1.0}


@pytest.mark.parametrize(
    ("text", "told"), [("owntrack", "did you mean 'owntracks'"), ("ttn_v3=x", "is no number"), ("ttn_v3=0", "above 0")]
)
def test_a_mix_that_cannot_be_made_is_told(text: str, told: str) -> None:
    with pytest.raises(MixError, match=told):
        parse_mix(text)


def test_devices_of_a_product_have_names_of_their_own() -> None:
    names = [make(number, FleetSurroundings("street", 1, number)).device for make in CATALOGUE.values() for number in (1, 2, 300, 70_000)]
    assert len(set(names)) == len(names)
