"""The street mix: the messages of a street as the benchmark sends them, without end and the same for the same seed.

Of 100 messages STRANGERS are sightings of radios without a consent, and the others of people with one, half by scanners and half by their
own phones. A person stays in a zone for STAY sightings, is then silent, and walks into another one; so people come, go and get offers.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from gateway.core.claims import claim_code

if TYPE_CHECKING:
    from gateway.config import Config

STRANGERS = 60
STAY = 300
PEOPLE, PRESENT = 2_000, 100  # so many that a person is silent for longer than a visit takes to end
SETTINGS = ("presence.dwell_s=60", "presence.exit_after_s=30", "privacy.window_s=3600", "privacy.demonstration=false")
"""Overrides of the demonstration's config, where time passes twenty times as fast."""

STRANGER_IDS = 20_000
STRANGER_SIGHTINGS = 20  # of one radio before another one passes
MIX = f"{STRANGERS} % of the sightings are of strangers; a visit has {STAY} sightings; {PRESENT} of {PEOPLE} people are in a zone"
"""The mix in one sentence, for the report."""


class Sent(NamedTuple):
    """One message; `qos` 1 for a fact."""

    topic: str
    payload: bytes
    qos: int = 0


class Places(NamedTuple):
    """Where a sighting happens: `scanners` that report to the topic of ESPresense, and `beacons` that phones hear, with zones."""

    site: str
    scanners: tuple[str, ...]
    beacons: tuple[str, ...]


def places(config: Config) -> Places:
    """The anchors of a config, by form. Raises ValueError unless it has a scanner and a beacon."""
    anchors = sorted(config.anchors())
    scanners = tuple(anchor for anchor in anchors if ":" not in anchor)
    beacons = tuple(anchor for anchor in anchors if ":" in anchor)
    if not scanners or not beacons:
        raise ValueError("the street mix needs an anchor that is a scanner and one that is a beacon: use deploy/worlds/street/gw-a.toml")
    return Places(config.site, scanners, beacons)


def consents(where: Places, secret: bytes | None, boot: str, people: int = PEOPLE) -> Iterator[Sent]:
    """The consent of every person to all purposes, with the tag and its code."""
    for number in range(people):
        own = tag(number)
        codes = {} if secret is None else {own: claim_code(secret, own)}
        body = {"v": 1, "boot": f"{boot}-c", "seq": 0, "version": 1, "tags": [own], "codes": codes}
        body["purposes"] = ["presence", "offers", "learning", "measurement"]
        yield Sent(f"wayside/v1/{where.site}/up/phone-{number:04}/consent", msgspec.json.encode(body), 1)


def sightings(where: Places, boot: str, seed: int = 1) -> Iterator[Sent]:
    """The sightings without end."""
    draws = random.Random(seed)  # noqa: S311 - a seeded mix
    present = [_Walk(number, draws.randrange(STAY), draws.randrange(1_000)) for number in range(PRESENT)]
    waiting, seq, passing = list(range(PRESENT, PEOPLE)), 0, [0] * STRANGER_SIGHTINGS
    while True:
        seq += 1
        if draws.randrange(100) < STRANGERS:
            at = seq % len(passing)
            if not draws.randrange(STRANGER_SIGHTINGS):
                passing[at] = draws.randrange(STRANGER_IDS)
            yield by_scanner(draws.choice(where.scanners), f"{passing[at]:012x}", _level(draws))
            continue
        at = draws.randrange(PRESENT)
        walk = present[at]
        if not walk.left:
            waiting.append(walk.person)
            present[at] = walk = _Walk(waiting.pop(0), STAY, draws.randrange(1_000))
        present[at] = walk._replace(left=walk.left - 1)
        if walk.place % 2:
            yield by_scanner(where.scanners[walk.place % len(where.scanners)], tag(walk.person), _level(draws))
        else:
            yield _by_phone(where, where.beacons[walk.place % len(where.beacons)], walk.person, boot, seq, draws)


class _Walk(NamedTuple):
    person: int
    left: int
    place: int


def tag(number: int) -> str:
    """The tag of a person."""
    return f"iBeacon:5a1e0000-0000-4000-8000-0000000000bb-7-{number}"


def by_scanner(scanner: str, heard: str, level: float) -> Sent:
    """A sighting of a radio by a scanner at a level in dBm, as ESPresense sends it."""
    body = {"mac": "5a3f1c9d0e42", "id": heard, "rssi@1m": -59, "rssi": level, "rxAdj": 0, "rssiVar": 4.0, "distance": 2.4, "int": 1000}
    return Sent(f"espresense/devices/{heard}/{scanner}", msgspec.json.encode(body))


def _by_phone(where: Places, beacon: str, person: int, boot: str, seq: int, draws: random.Random) -> Sent:
    heard = [{"id": beacon, "rssi": _level(draws), "tx": -59}]
    body = {"v": 1, "boot": boot, "seq": seq, "heard": heard}
    return Sent(f"wayside/v1/{where.site}/up/phone-{person:04}/sighting", msgspec.json.encode(body))


def _level(draws: random.Random) -> float:
    return round(draws.gauss(-60.0, 3.0), 1)
