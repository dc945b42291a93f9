"""Who judges a walk, and how well: the gateway's own engine, and as a control a naive rule without filter or hysteresis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from gateway.core.presence import PresenceRules, Transition
from gateway.core.site import Zone
from gateway.core.types import Observation, Sighting, TimePassed
from tests.kit.testbed import Gateway, Phone, make_site
from tests.presence.noise import Noise
from tests.presence.walks import ANCHORS, Heard, Visit, Walk, make_walk

Judge = Callable[[Sequence[Heard]], list[Visit]]

NAIVE_DBM = -75.0
NAIVE_SILENCE_MS = 5_000
ENTERED_MS_MAX = 2_000
STAYED_MS_MIN = 5_000  # shorter than this is walking past


class GatewayJudge:
    """The gateway as it is: store, world and engine; one person after the other, each with a tag of their own."""

    def __init__(self, folder: Path, rules: PresenceRules) -> None:
        zones = [Zone(zone, x_m=spot[0], y_m=spot[1], anchors=(f"scan-{zone}",)) for zone, spot in ANCHORS.items()]
        site = make_site(zones={zone.id: zone for zone in zones}, anchors={f"scan-{zone.id}": zone.id for zone in zones}, presence=rules)
        self.gateway = Gateway(folder, site=site, synced=False)
        self._people = 0

    def __call__(self, heard: Sequence[Heard]) -> list[Visit]:
        """Announced visits: both ends are the moments at which they were told."""
        phone = Phone(f"phone-{self._people:04d}")
        self._people += 1
        self.gateway.apply(phone.consent())
        start_ms = self.gateway.clock.now_ms()
        announced: list[tuple[int, Transition]] = []
        for one in heard:
            announced += self._pass(start_ms + one.at_ms)
            announced += self._apply(Sighting(f"scan-{one.zone}", phone.tag, one.rssi_dbm))
        announced += self._pass(self.gateway.clock.now_ms() + 10 * self.gateway.site.presence.exit_after_ms)
        return _visits([(at_ms - start_ms, transition) for at_ms, transition in announced])

    def _pass(self, until_ms: int) -> list[tuple[int, Transition]]:
        announced: list[tuple[int, Transition]] = []
        while (next_ms := self.gateway.next_ms()) <= until_ms:
            self.gateway.clock.advance(max(0, next_ms - self.gateway.clock.now_ms()))
            announced += self._apply(TimePassed())
        self.gateway.clock.advance(max(0, until_ms - self.gateway.clock.now_ms()))
        return announced

    def _apply(self, observation: Observation) -> list[tuple[int, Transition]]:
        return [(self.gateway.clock.now_ms(), transition) for transition in self.gateway.apply(observation).visits.transitions]


def _visits(announced: Sequence[tuple[int, Transition]]) -> list[Visit]:
    entered: dict[str, int] = {}
    found = []
    for at_ms, transition in announced:
        if transition.kind == "entered":
            entered[transition.zone] = at_ms
        elif transition.kind == "left":
            found.append(Visit(transition.zone, entered.pop(transition.zone), at_ms))
    assert not entered, "somebody never left"
    return found


def naive(heard: Sequence[Heard]) -> list[Visit]:
    """In with one strong sample, out with one weak sample or a short silence: no filter, no hysteresis."""
    inside: dict[str, tuple[int, int]] = {}
    found = []
    for one in heard:
        for zone, (from_ms, seen_ms) in list(inside.items()):
            if one.at_ms - seen_ms >= NAIVE_SILENCE_MS or (zone == one.zone and one.rssi_dbm < NAIVE_DBM):
                found.append(Visit(zone, from_ms, min(one.at_ms, seen_ms + NAIVE_SILENCE_MS)))
                del inside[zone]
        if one.rssi_dbm >= NAIVE_DBM:
            inside[one.zone] = (inside.get(one.zone, (one.at_ms, 0))[0], one.at_ms)
    return found + [Visit(zone, from_ms, seen_ms + NAIVE_SILENCE_MS) for zone, (from_ms, seen_ms) in inside.items()]


class Score(NamedTuple):
    """Counts over many walks; delays in milliseconds."""

    visits: int
    found: int
    announced: int
    false: int
    split: int
    entered_late: int
    left_late: int
    entering_ms: list[int]
    leaving_ms: list[int]

    def shares(self) -> dict[str, float]:
        """What is promised: found of true visits; false or split of announced ones; in time, of what was found."""
        return {
            "found": self.found / self.visits,
            "false or split": (self.false + self.split) / max(self.announced, 1),
            "entered in time": 1 - self.entered_late / max(self.found, 1),
            "left in time": 1 - self.left_late / max(self.found, 1),
        }


def score(judge: Judge, walks: Sequence[Walk], exit_after_ms: int) -> Score:
    """Announced visits against true ones: entering is due 2 s after being surely inside, leaving `exit_after_ms` after being surely out."""
    counts: Counter[str] = Counter()
    entering_ms, leaving_ms = [], []
    for walk in walks:
        announced = judge(walk.heard)
        true = [visit for visit in walk.inside if visit.until_ms - visit.from_ms >= STAYED_MS_MIN]
        counts["visits"] += len(true)
        counts["told"] += len(announced)
        counts["false"] += sum(not any(_meet(one, near) for near in walk.near) for one in announced)
        for visit in true:
            mine = [one for one in announced if _meet(one, visit)]
            counts["found"] += bool(mine)
            counts["split"] += max(len(mine) - 1, 0)
            if mine:
                reach_ms = next(reach.until_ms for reach in walk.reach if _meet(visit, reach))
                entering_ms.append(mine[0].from_ms - visit.from_ms)
                leaving_ms.append(mine[-1].until_ms - reach_ms)
    late = sum(delay > ENTERED_MS_MAX for delay in entering_ms), sum(delay > exit_after_ms for delay in leaving_ms)
    return Score(counts["visits"], counts["found"], counts["told"], counts["false"], counts["split"], *late, entering_ms, leaving_ms)


def _meet(one: Visit, other: Visit) -> bool:
    return one.zone == other.zone and one.from_ms < other.until_ms and other.from_ms < one.until_ms


def make_walks(number: int, noise: Noise, rules: PresenceRules, seed: int) -> list[Walk]:
    """So many seeded walks."""
    draws = Random(seed)  # noqa: S311 - simulated people, to be met again
    return [make_walk(draws, noise, rules) for _ in range(number)]
