"""A scripted hour of each kind of people counter through router, engine and store: flow and occupancy within one person.

In the middle the gateway restarts, and the device's totals begin again at zero, right after a report.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core import context as contexts
from gateway.core.types import Message
from gateway.decoders.registry import load
from gateway.runtime.router import Router
from gateway.runtime.sources import Installed, source
from tests.counters.devices import COUNTERS, Counter, Minute, encoded
from tests.kit.testbed import Gateway, ManualClock, make_site

DOWN = (28, 31)  # minutes in which the gateway is off
RESET = 40  # the minute after which the totals begin again
START_TOTALS = (65_530, 12)  # the first one wraps around 16 bits within the hour
IN_DOORS = "hall"


def script(start_ms: int, *, wraps: bool) -> Iterator[Minute]:
    """61 minutes of people coming and going, the first without any."""
    draws = random.Random(7)  # noqa: S311 - a reproducible script
    total_in, total_out = START_TOTALS if wraps else (4_711, 12)
    inside = 0
    for minute in range(61):
        came = draws.randrange(0, 4) if minute else 0
        went = min(inside, draws.randrange(0, 4)) if minute else 0
        inside += came - went
        total_in, total_out = (total_in + came) % 65_536, total_out + went
        yield Minute(came, went, total_in, total_out, inside, start_ms + minute * 60_000)
        if minute == RESET:
            total_in = total_out = 0


@pytest.mark.parametrize("counter", COUNTERS, ids=lambda one: one.name)
def test_a_scripted_hour(counter: Counter, tmp_path: Path) -> None:
    clock = ManualClock()
    gateway = Gateway(tmp_path, site=make_site(devices={counter.device: "cafe"}), clock=clock, synced=False)
    decoder = load(counter.decoder)
    router = Router([source(counter.topic, decoder, counter.speaker)], Installed({counter.device: "sensor"}))
    start_ms, waiting, minutes = clock.now_ms(), [], []
    for number, one in enumerate(script(start_ms, wraps="VS35" in counter.name)):
        minutes.append(one)
        clock.advance(one.at_ms - clock.now_ms())
        waiting.append(Message(counter.topic, encoded(counter.payload(one)), one.at_ms))
        if DOWN[0] <= number < DOWN[1]:
            if counter.lost:
                waiting.pop()
            continue
        if number == DOWN[1]:
            gateway.restart()
        gateway.apply(*(found for message in waiting for found in router.decode(message)))
        waiting.clear()
    here, now_ms = gateway.state.sensors.zones["cafe"], clock.now_ms()
    assert not router.refused
    came, went = sum(one.came for one in minutes), sum(one.went for one in minutes)
    assert came > 60
    if counter.name != "Wayside, doors":
        assert contexts.latest(here, "people_present", now_ms) == pytest.approx(minutes[-1].inside, abs=1)
    if counter.flows:
        assert contexts.latest(here, "people_in_per_hour", now_ms) == pytest.approx(came, abs=1)
        assert contexts.latest(here, "people_out_per_hour", now_ms) == pytest.approx(went, abs=1)
        assert contexts.age_min(here, now_ms, ["people_present", "people_in_per_hour"]) == 0.0
    elif counter.name != "Wayside, doors":
        assert contexts.latest(here, "people_per_hour", now_ms) is None, "people in view are no flow"
    gateway.close()
