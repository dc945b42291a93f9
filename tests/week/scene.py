"""The stage: a small street for seven days, and the gateway's settings that fit it.

The street is the simulator's own with fewer things on it, and a place far away where people spend most of their day. Radios
speak every few minutes only: a week at one advertisement a second would be a hundred million messages, and presence is not
what this week is about. The gateway's presence rules are slowed down in proportion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firmware_sim import scenario as scenarios
from firmware_sim.adversaries.names import AdversaryName
from firmware_sim.devices.wayside_v1 import TAG_SECRET
from firmware_sim.scenario import Scenario
from gateway.core import limits
from gateway.core.offers import Campaign, Policy
from gateway.core.presence import PresenceRules
from gateway.core.privacy.tables import Terms
from gateway.core.site import ClaimRules, Site, Zone
from gateway.decoders.registry import load
from gateway.runtime.router import Router
from gateway.runtime.sources import source
from tests.kit.attributes import COLUMNS, SCHEMA
from tests.kit.testbed import BERLIN, HOUR_MS, OneOutput, berlin_ms, offer

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from gateway.runtime.sources import Source

SITE, GATEWAY = "street", "gw-w"
START_MS = berlin_ms(2026, 11, 2)  # a Monday, midnight
STEP_MS = 5_000
WINDOW_MS = HOUR_MS
CADENCE_S = 240  # a phone is heard this often; the radio of a week, not of a minute
DWELL_S = 1_500.0
COUNTER = "plaza"  # the scanner to which tags are held
AWAY = "home"  # nothing hears anybody there
STANDING = ("plaza", "arcade", "cafe", "bistro", "station")
EARTH_RADIUS_M = 6_371_000.0

SPEAKERS = {"owntracks": "owntracks/+/{device}"}
"""Templates other than the usual ones: a phone is one device in both of its formats."""

SOURCES = (
    ("wayside/v1/street/up/+/+", "wayside_v1"),
    ("espresense/#", "espresense"),
    ("/gw/+/status", "minew_gateway_json"),
    ("ruuvi/#", "ruuvi_gateway"),
    ("owntracks/+/+", "owntracks"),
)

CAMPAIGN = Campaign(
    (
        offer("espresso", zones=("plaza", "arcade", "station"), value_minor=500),
        offer("cake", zones=("cafe",), value_minor=300, occasions=("dwelled",)),
        offer(
            "lunch",
            category="restaurant_dear",
            zones=("plaza", "bistro", "arcade", "cafe"),
            shop="bistro",
            value_minor=1_200,
            occasions=("entered", "dwelled"),
            per_person_day_max=2,
        ),
    ),
    Policy(per_person_day_max=3, gap_s_min=1_800, quiet_from=22 * 60, quiet_until=7 * 60, contact_cost_minor=20.0),
)
"""What was signed off: the book holds the gateway to it, whatever campaign the gateway was given."""


def scenario(people: int, days: float, cadence_s: int = CADENCE_S, adversaries: tuple[AdversaryName, ...] = ()) -> Scenario:
    """The street of this week: one zone for each way in which somebody can be noticed."""
    base = scenarios.load("street")
    cadence_ms, week_s = cadence_s * 1000, days * 86_400
    home = scenarios.Zone(id=AWAY, x_m=2_000.0, y_m=0.0, dwell_s=4 * 3_600.0, attraction=30.0)
    return base.changed(
        speed=1.0,
        malformed_share=0.0,
        zones=(*(zone.changed(dwell_s=DWELL_S) for zone in base.zones if zone.id in STANDING), home),
        people=base.people.changed(
            walkers=people,
            reach_m=600.0,
            arrive_until_s=min(40_000.0, week_s / 4),
            withdrawing_share=0.2,
            withdraw_from_s=week_s / 4,
            withdraw_until_s=week_s * 0.9,
        ),
        radio=base.radio.changed(advertise_ms=cadence_ms, floor_dbm=-84.0),
        phones=base.phones.changed(
            scan_ms=cadence_ms, fine_ms=3 * cadence_ms, coarse_ms=HOUR_MS, ephemeral_share=0.2, counter=COUNTER, counter_share=0.15
        ),
        adversaries=adversaries,
        scanners=tuple(item.changed(report_ms=10_000) for item in base.scanners if item.zone in STANDING),
        beacons=tuple(item for item in base.beacons if item.zone in STANDING),
        sensors=tuple(item.changed(every_ms=900_000) for item in base.sensors if item.device in {"weather-1", "E3:75:CF:00:00:01"}),
        tills=tuple(item for item in base.tills if item.zone in STANDING),
    )


def zones(scene: Scenario) -> tuple[Zone, ...]:
    """The same zones as the gateway knows them, each with what hears people there."""
    heard: dict[str, tuple[str, ...]] = {}
    for scanner in scene.scanners:
        is_name = scanner.format == "espresense"
        heard[scanner.zone] = (scanner.id if is_name else scanner.id.replace(":", "").lower(),)
    for beacon in scene.beacons:
        heard[beacon.zone] = (f"iBeacon:{beacon.uuid}-{beacon.major}-{beacon.minor}",)
    station = scene.zone(scene.phones.fine_zone)
    north = float(np.degrees(station.y_m / EARTH_RADIUS_M))
    east = float(np.degrees(station.x_m / (EARTH_RADIUS_M * np.cos(np.radians(scene.origin.latitude_deg)))))
    centre = (scene.origin.latitude_deg + north, scene.origin.longitude_deg + east)
    return tuple(
        Zone(zone.id, zone.kind, x_m=zone.x_m, y_m=zone.y_m, anchors=heard[zone.id])
        if zone.id in heard
        else Zone(zone.id, transit=True, x_m=zone.x_m, latitude_deg=centre[0], longitude_deg=centre[1], radius_m=40.0)
        for zone in scene.zones
        if zone.id != AWAY
    )


def site(scene: Scenario, cadence_s: int = CADENCE_S) -> Site:
    """The gateway's fixed part of the world."""
    places = zones(scene)
    silence_ms = round(2.5 * cadence_s * 1000)
    rules = PresenceRules(
        enter_dbm=-80.0,
        exit_dbm=-84.0,
        samples_min=1,
        dwell_ms=600_000,
        exit_after_ms=silence_ms,
        fix_exit_after_ms=3 * silence_ms,
        fix_zones=frozenset(place.id for place in places if not place.anchors),
    )
    return Site(
        name=SITE,
        gateway=GATEWAY,
        timezone=BERLIN,
        zones={place.id: place for place in places},
        anchors={anchor: place.id for place in places for anchor in place.anchors},
        devices={"weather-1": "*", "e375cf000001": "cafe", **{till.device: till.zone for till in scene.tills}},
        presence=rules,
        campaign=CAMPAIGN,
        schema=SCHEMA,
        columns=COLUMNS,
        privacy=Terms(window_ms=WINDOW_MS),
        clock_floor_ms=limits.CLOCK_FLOOR_MS,
        claims=ClaimRules(TAG_SECRET.encode(), frozenset({COUNTER})),
    )


def router(make: Callable[[list[Source]], Router] = Router) -> Router:
    """The formats that this street speaks."""
    return make([source(topic, load(name), SPEAKERS.get(name)) for topic, name in SOURCES])


class HabitScorer(OneOutput):
    """Who comes often to places of a kind takes offers of that kind, the more so the nearer.

    It reads what is known of the person and nothing of the weather: what one person is offered must not depend on which
    reading a crash has lost (see `crashes.py`).
    """

    version = "habit-1"

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """See `gateway.core.policy.choose.Scorer`."""
        visits = np.nan_to_num(rows[:, COLUMNS.index("visits_this_kind")])
        travel = np.nan_to_num(rows[:, COLUMNS.index("travel")])
        odds = 0.3 * visits - 0.1 * travel - 0.5
        return (1.0 / (1.0 + np.exp(-odds))).astype(np.float32)
