"""What weeks have found, each as the few messages that it takes: so that it is found in a second from now on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from firmware_sim.devices.wayside_v1 import claim_code
from gateway.core.presence import Transition
from tests.kit.testbed import HOUR_MS, ManualClock, berlin_ms
from tests.week import scene
from tests.week.collector import Collector, MemoryCloud
from tests.week.line import Line, Parcel
from tests.week.machine import Machine
from tests.week.rig import folder

NOON_MS = scene.START_MS + 12 * HOUR_MS
TAG = "iBeacon:5a1e0000-0000-4000-8000-0000000000ff-1000-1"
MINUTE_MS = 60_000
EXIT_MIN = 2


class Site:
    """One gateway, one phone; `changes` is all that was told of comings and goings, with the minutes since the start."""

    def __init__(self, machine: Machine, line: Line, clock: ManualClock) -> None:
        self.machine, self._line, self.clock = machine, line, clock
        self._seq = 0
        self._passed_ms = 0
        self.changes: list[tuple[int, str]] = []
        machine.saved = lambda changes: self.changes.extend(map(self._told, changes.visits.transitions))

    def say(self, device: str, kind: str, /, **fields: Any) -> None:
        """A device speaks."""
        self._seq += 1
        payload = json.dumps({"v": 1, "boot": "b", "seq": self._seq, "at_ms": None, **fields}).encode()
        self._line.say(Parcel(f"wayside/v1/street/up/{device}/{kind}", payload, int(kind in {"consent", "answer", "purchase"})))

    def yes(self) -> None:
        """The phone's owner says yes to everything."""
        self.say(
            "phone-0001",
            "consent",
            purposes=["presence", "offers", "learning", "measurement"],
            version=1,
            tags=[TAG],
            codes={TAG: claim_code(TAG)},
        )

    def heard(self, times: int = 1) -> None:
        """The plaza's scanner hears the phone."""
        told = json.dumps({"id": TAG, "rssi": -55.0, "mac": "aabbccddee01"}).encode()
        for _ in range(times):
            self._line.say(Parcel(f"espresense/devices/{TAG}/plaza", told))

    def wait(self, minutes: int) -> None:
        """Time passes, in which the gateway looks around and the phone is heard once a minute."""
        for _ in range(minutes):
            self.clock.advance(MINUTE_MS)
            self._passed_ms += MINUTE_MS
            self.heard()
            self.machine.turn()

    def _told(self, change: Transition) -> tuple[int, str]:
        return self._passed_ms // MINUTE_MS, change.kind


@pytest.fixture
def site() -> Iterator[Site]:
    with folder() as where:
        clock = ManualClock(NOON_MS)
        line = Line(clock.now_ms, lambda _: None)
        whole = scene.site(scene.scenario(1, 1.0))
        quick = replace(whole, presence=replace(whole.presence, exit_after_ms=EXIT_MIN * MINUTE_MS))
        machine = Machine(where, quick, line, clock, MemoryCloud(Collector(lambda _: None)), seed=1)
        yield Site(machine, line, clock)
        machine.close()


def test_a_no_goes_before_the_sightings_that_waited_with_it(site: Site) -> None:
    site.yes()
    site.heard(2)
    site.say("phone-0001", "consent", purposes=[], version=1)
    site.machine.turn()
    assert site.machine.app.counters.counts["decisions"] == 0
    assert site.machine.app.counters.counts["triggers"] == 0
    assert site.machine.store.rows("SELECT * FROM contacts") == []


@pytest.mark.parametrize("step_ms", [HOUR_MS, -HOUR_MS, 24 * HOUR_MS])
def test_a_visit_keeps_its_length_when_the_clock_is_set_and_the_power_fails(site: Site, step_ms: int) -> None:
    site.yes()
    site.heard(2)
    site.machine.turn()
    site.clock.step(step_ms)
    site.wait(1)
    site.machine.die()
    site.wait(20)
    (_, entered), (dwelled_min, dwelled) = site.changes
    assert (entered, dwelled) == ("entered", "dwelled")
    assert 10 <= dwelled_min <= 10 + EXIT_MIN, "a timer is asked at the latest one silence after the restart"


def test_a_visit_ends_although_the_gateway_woke_up_in_1970(site: Site) -> None:
    site.yes()
    site.heard(2)
    site.machine.turn()
    here_ms = site.clock.now_ms()
    site.clock._now_ms = berlin_ms(1970, 1, 1, 12)  # no battery: nobody is told of this step
    site.machine.die()
    site.wait(1)
    site.clock.step(here_ms - berlin_ms(1970, 1, 1, 12))
    site.machine.turn()
    site.clock.advance(2 * HOUR_MS)
    site.machine.turn()
    assert [kind for _, kind in site.changes][-1] == "left"
    assert not site.machine.store.rows("SELECT * FROM presences")


def test_a_sale_of_which_nobody_knew_the_time_is_kept(site: Site) -> None:
    site.clock.step(berlin_ms(1970, 1, 1, 12) - site.clock.now_ms())
    site.say("till-cafe", "purchase", amount_minor=450, kind="coffee_house", decision=None)
    site.machine.turn()
    site.clock.step(NOON_MS - site.clock.now_ms())
    for _ in range(3):
        site.clock.advance(24 * HOUR_MS)
        site.machine.turn()
    assert len(site.machine.store.rows("SELECT * FROM facts")) == 1
