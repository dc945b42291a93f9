"""Adversaries and enrolment: agents that attack a street, and phones that prove their radio ids in three ways."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from firmware_sim.adversaries.names import NAMES, PREFIX, drawn
from firmware_sim.devices import eddystone, minew
from firmware_sim.devices.wayside_v1 import claim_code
from firmware_sim.message import Message
from firmware_sim.scenario import Scenario, ScenarioError, load, with_adversaries
from firmware_sim.street.street import Street
from gateway.adapters.aes import Aes
from gateway.core import ephemeral
from gateway.core.types import Message as Heard
from gateway.core.types import Sighting
from gateway.decoders.registry import load as decoder
from tests.week import scene

START_MS = 1_790_000_000_000
KEY = bytes(range(16))
HOURS_S = 12 * 3_600  # people of this street arrive within six hours


def played(plan: Scenario, seconds: int, seed: int = 3) -> tuple[list[Message], Street]:
    messages: list[Message] = []
    street = Street(plan, seed=seed, start_ms=START_MS, publish=messages.append)
    street.run_until(seconds * 1000)
    return messages, street


def own(messages: list[Message]) -> list[Message]:
    """The messages on topics of adversaries' devices."""
    return [one for one in messages if f"/{PREFIX}-" in one.topic]


@pytest.mark.parametrize("unix_s", [0, 511, 512, 65_536, START_MS // 1000, 2**31])
def test_ephemeral_ids_are_those_that_the_gateway_recognises(unix_s: int) -> None:
    """Two implementations of one specification; neither imports the other."""
    found = ephemeral.ids([KEY.hex()], ephemeral.window(unix_s * 1000), Aes())
    assert found[f"eddystone:{eddystone.ephemeral_id(KEY, unix_s).hex()}"] == KEY.hex()
    assert eddystone.ephemeral_id(KEY, unix_s) != eddystone.ephemeral_id(KEY, unix_s + 512)


def test_a_scanner_reports_the_ephemeral_id() -> None:
    advert = eddystone.advertisement(b"\x41\x02\x03\x04\x05\x06", KEY, 1_000_000, -59)
    report = minew.report("AC233F00A001", START_MS, [minew.Heard(START_MS, advert, -60.0)])
    (seen,) = [
        one for one in decoder("minew_gateway_json").decode(Heard(report.topic, report.payload, START_MS)) if isinstance(one, Sighting)
    ]
    assert seen.heard == f"eddystone:{eddystone.ephemeral_id(KEY, 1_000_000).hex()}"


def test_people_prove_their_radio_ids_in_three_ways() -> None:
    plan = load("street")
    phones = plan.phones.changed(ephemeral_share=0.3, counter_share=0.3, counter=plan.scanners[0].id)
    messages, street = played(plan.changed(phones=phones), 10)
    ways = Counter(walker.enrolment for walker in street.walkers if walker.consents)
    assert min(ways["code"], ways["key"], ways["counter"]) >= 5
    consents = [json.loads(one.payload) for one in messages if one.kind == "consent"]
    consents = [one for one in consents if one["purposes"]]
    assert {(bool(one["codes"]), "eid_keys" in one) for one in consents} == {(True, False), (False, True), (False, False)}
    assert all(not one["tags"] for one in consents if "eid_keys" in one)


def test_adversaries_act_and_change_no_fact_of_the_street() -> None:
    plan = scene.scenario(10, 1.0)
    quiet, _ = played(plan, HOURS_S)
    messages, street = played(with_adversaries(plan, NAMES), HOURS_S)
    assert set(street.counters.adversaries) == set(NAMES)
    kinds = Counter(one.kind for one in own(messages))
    assert min(kinds[kind] for kind in ("consent", "sighting", "purchase", "answer", "status")) >= 1
    facts = {one for one in quiet if one.qos}
    assert facts <= set(messages)
    assert {one for one in messages if one.qos} - facts == {one for one in own(messages) if one.qos}, "the rest are replays"


def test_a_claimer_claims_a_heard_tag_with_a_false_code() -> None:
    messages, _ = played(with_adversaries(scene.scenario(10, 1.0), ["claimer"]), HOURS_S)
    claims = [json.loads(one.payload) for one in own(messages)]
    assert claims
    assert all(one["tags"][0].startswith("iBeacon:") for one in claims)
    assert all(one["codes"].get(tag) != claim_code(tag) for one in claims for tag in one["tags"])


def test_a_seed_sends_out_some_and_an_unknown_name_is_refused() -> None:
    seeds = [drawn(seed) for seed in range(40)]
    assert all(seeds)
    assert {name for names in seeds for name in names} == set(NAMES)
    assert drawn(3) == drawn(3)
    with pytest.raises(ScenarioError, match="did you mean 'cloner'"):
        with_adversaries(load("street"), ["kloner"])
