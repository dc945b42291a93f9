"""The demo street as a whole: reproducible bytes, all devices publish, names as specified, closed loop as specified."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.message import Message
from firmware_sim.scenario import Scenario
from firmware_sim.street.record import record
from firmware_sim.street.street import Street
from tests.sim.conftest import Minute, minute_of

ZONES = ["plaza", "arcade", "cafe", "bistro", "noodle-bar", "pub", "station", "market"]
TOPICS = {
    "espresense/devices/*/plaza": 100,
    "espresense/devices/*/noodle-bar": 100,
    "espresense/rooms/plaza/telemetry": 3,
    "/gw/ac233f00a001/status": 55,
    "/gw/ac233f00a008/status": 55,
    "ruuvi/C8:25:2D:00:CA:FE/E3:75:CF:00:00:01": 20,
    "ruuvi/C8:25:2D:00:CA:FE/*": 100,
    "owntracks/street/phone-*": 100,
    "zigbee2mqtt/arcade-climate": 5,
    "wayside/v1/street/up/weather-1/reading": 10,
    "wayside/v1/street/up/footfall-plaza/count": 10,
    "wayside/v1/street/up/footfall-market/count": 10,
    "wayside/v1/street/up/phone-*/sighting": 200,
    "wayside/v1/street/up/phone-*/consent": 65,
    "wayside/v1/street/up/till-*/purchase": 20,
    "wayside/v1/street/up/till-*/status": 5,
}


def digest(minute: Minute) -> str:
    text = "\n".join(f"{at_ms} {m.topic} {m.payload.hex()} {m.qos} {m.retain}" for at_ms, m in minute)
    return hashlib.sha256(text.encode()).hexdigest()


def whole(minute: Minute) -> list[tuple[int, Message, dict[str, Any]]]:
    """The messages that are whole JSON objects, parsed."""
    found = []
    for at_ms, message in minute:
        try:
            fields = json.loads(message.payload)
        except ValueError:
            continue
        if isinstance(fields, dict):
            found.append((at_ms, message, fields))
    return found


def test_same_seed_same_bytes_other_seed_other_bytes(street_plan: Scenario, minute: Minute) -> None:
    assert digest(minute_of(street_plan)) == digest(minute)
    assert digest(minute_of(street_plan, seed=2)) != digest(minute)
    assert digest(minute_of(street_plan, start_ms=street_plan.start_ms + 1)) != digest(minute)


def test_a_street_turned_in_small_steps_says_the_same(street_plan: Scenario, minute: Minute) -> None:
    said: Minute = []
    street = Street(street_plan, seed=1, start_ms=street_plan.start_ms, publish=lambda m: said.append((street.loop.now_ms, m)))
    for end_ms in range(0, 60_001, 37):
        street.run_until(end_ms)
    street.run_until(60_000)
    assert digest(said) == digest(minute)


def test_a_recording_holds_the_same_bytes(street_plan: Scenario, minute: Minute, tmp_path: Path) -> None:
    for name in ("one", "two"):
        record(street_plan, tmp_path / name, seed=1, seconds=60)
    lines = (tmp_path / "one").read_bytes()
    assert lines == (tmp_path / "two").read_bytes()
    rows = [json.loads(line) for line in lines.splitlines()]
    assert [(r["at_ms"], r["topic"], r["qos"], r["retain"]) for r in rows] == [(at, m.topic, m.qos, m.retain) for at, m in minute]
    assert [r["payload"].encode() if "payload" in r else bytes.fromhex(r["payload_hex"]) for r in rows] == [m.payload for _, m in minute]


@pytest.mark.parametrize("pattern", TOPICS, ids=str)
def test_everybody_speaks(minute: Minute, pattern: str) -> None:
    assert sum(fnmatch(message.topic, pattern) for _, message in minute) >= TOPICS[pattern]


def test_every_topic_is_one_of_those_agreed(minute: Minute) -> None:
    status = "wayside/v1/street/up/*/status"
    strays = {m.topic for _, m in minute if not any(fnmatch(m.topic, p) for p in (*TOPICS, status, "espresense/rooms/*/telemetry"))}
    assert not strays


def test_zones_tills_and_beacons_carry_the_agreed_names(street_plan: Scenario) -> None:
    assert [zone.id for zone in street_plan.zones] == ZONES
    assert {till.device for till in street_plan.tills} == {f"till-{zone}" for zone in ("cafe", "bistro", "noodle-bar", "pub", "market")}
    assert {(b.zone, b.uuid, b.major, b.minor) for b in street_plan.beacons} == {
        ("bistro", "5a1e0000-0000-4000-8000-000000000001", 1, 4),
        ("pub", "5a1e0000-0000-4000-8000-000000000001", 1, 6),
    }
    assert street_plan.people.walkers >= 60


def test_at_least_four_in_five_consent_and_a_few_withdraw(minute: Minute) -> None:
    consents = [(m.topic, f["purposes"]) for _, m, f in whole(minute) if m.kind == "consent"]
    given, taken = ({topic for topic, purposes in consents if bool(purposes) == yes} for yes in (True, False))
    assert len(given) >= 0.8 * 80
    assert 2 <= len(taken) <= 8
    assert taken < given


def test_consents_name_the_tag_that_the_phone_advertises(minute: Minute) -> None:
    consents = [(m.topic.split("/")[4], f["tags"]) for _, m, f in whole(minute) if m.kind == "consent" and f["purposes"]]
    assert ("phone-0001", ["iBeacon:5a1e0000-0000-4000-8000-0000000000ff-1000-1"]) in consents
    heard = {f["id"] for _, m, f in whole(minute) if m.format == "espresense" and m.kind == "sighting"}
    assert sum(tags[0] in heard for _, tags in consents) >= 30


def test_envelopes_count_up_without_gap(minute: Minute) -> None:
    numbers: dict[tuple[str, str], list[int]] = {}
    for _, message, fields in whole([(at, m) for at, m in minute if m.format == "wayside_v1"]):
        numbers.setdefault((message.topic.split("/")[4], fields["boot"]), []).append(fields["seq"])
    malformed = sum(1 for _, m in minute if m.format == "wayside_v1") - sum(map(len, numbers.values()))
    assert len(numbers) >= 70
    missing = sum(len(set(range(seqs[-1] + 1)) - set(seqs)) for seqs in numbers.values())
    assert missing <= malformed < 20


def test_claims_are_start_plus_published_time_and_some_claim_nothing(street_plan: Scenario, minute: Minute) -> None:
    claims = [(at_ms, fields["at_ms"]) for at_ms, m, fields in whole(minute) if m.format == "wayside_v1"]
    assert {claim for at_ms, claim in claims if claim is not None and claim != street_plan.start_ms + at_ms} == set()
    nothing = sum(claim is None for _, claim in claims)
    assert 0.1 * len(claims) < nothing < 0.5 * len(claims)


def test_a_few_messages_are_cut_off_and_no_fact_is(minute: Minute, street_plan: Scenario) -> None:
    broken = [m for _, m in minute if not _is_json(m.payload)]
    assert 1 <= len(broken) <= 4 * street_plan.malformed_share * len(minute)
    assert {m.kind for m in broken}.isdisjoint({"purchase", "consent", "answer"})


def test_after_withdrawal_the_phone_is_silent_but_its_beacon_is_not(street_plan: Scenario) -> None:
    said = minute_of(street_plan, until_ms=90_000)
    gone = {m.topic.split("/")[4]: at_ms for at_ms, m, f in whole(said) if m.kind == "consent" and not f["purposes"]}
    assert gone
    for device, since_ms in gone.items():
        tag = f"-1000-{int(device[-4:])}/"
        later = [m for at_ms, m in said if at_ms > since_ms and (f"/{device}" in m.topic or tag in m.topic)]
        assert all(m.format == "espresense" for m in later)
    tags = tuple(f"iBeacon:5a1e0000-0000-4000-8000-0000000000ff-1000-{int(device[-4:])}/" for device in gone)
    assert any(tag in m.topic for at_ms, m in said for tag in tags if at_ms > min(gone.values()))


def test_message_cadence_stays_real_at_any_speed(street_plan: Scenario) -> None:
    for speed in (1.0, 20.0):
        said: Minute = []
        street = Street(street_plan, seed=1, start_ms=0, speed=speed, publish=lambda m: said.append((street.loop.now_ms, m)))  # noqa: B023
        street.run_until(20_000)
        assert Counter(m.topic for _, m in said)["/gw/ac233f00a001/status"] == 19


def _is_json(payload: bytes) -> bool:
    try:
        json.loads(payload)
    except ValueError:
        return False
    return True
