"""The site: zones with anchors and outlines, and the rules of this gateway.

Built once from the config and the bundle; only the campaign is replaced while the gateway runs.
"""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from gateway.core.attributes.grouping import NOTHING_MINED, Mined
from gateway.core.attributes.read import ReadPlan
from gateway.core.attributes.schema import Schema
from gateway.core.campaign.rules import NoRules, Rules
from gateway.core.coupons import Signer
from gateway.core.geometry import Corner, depth_m, fix_confidence, offset_m
from gateway.core.learned import OfferPriors
from gateway.core.learning.policy import Learner
from gateway.core.learning.types import Settings
from gateway.core.offers import Campaign
from gateway.core.opening_hours import OpeningHours
from gateway.core.presence import PresenceRules
from gateway.core.privacy.tables import Spans, Terms
from gateway.core.types import Position

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

DAY_MS = 86_400_000
EVERYWHERE = "*"  # the zone of sensors of the whole site
CROSSING_CONFIDENCE = 0.9  # of a region crossing that a phone states: the phone's system debounces it


class Zone(msgspec.Struct, frozen=True):
    """A place that a person can be in.

    `anchors` are the scanners and beacons of the zone. The outline for position fixes is `polygon`, or a circle of centre and radius.
    `regions` are the names of the zone in the region crossings of phones. At `empty_at_min` (minutes of the local day) it is empty.
    """

    id: str
    kind: str | None = None
    transit: bool = False
    x_m: float = 0.0
    y_m: float = 0.0
    anchors: tuple[str, ...] = ()
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    radius_m: float = 0.0
    polygon: tuple[Corner, ...] = ()
    regions: tuple[str, ...] = ()
    opening_hours: OpeningHours | None = None
    empty_at_min: int | None = None

    def has_outline(self) -> bool:
        """Whether positions or region crossings of phones can begin a visit here."""
        return bool(self.polygon or self.regions) or self.latitude_deg is not None


class Cuts(NamedTuple):
    """By table: the time in milliseconds before which rows are outdated. The clock was set by `set_ms` in total."""

    visits_ms: int
    decisions_ms: int
    facts_ms: int
    withdrawals_ms: int
    history_ms: int
    redemptions_ms: int
    slots_ms: int
    set_ms: int = 0


class Retention(msgspec.Struct, frozen=True):
    """Days after which rows are deleted, by table."""

    visits_days: int = 90
    decisions_days: int = 180
    facts_days: int = 400
    withdrawals_days: int = 400

    def cuts(self, now_ms: int, set_ms: int = 0) -> Cuts:
        """The times before which rows are outdated at `now_ms`, by a clock that was set by `set_ms` in total."""
        days = (
            self.visits_days,
            self.decisions_days,
            self.facts_days,
            self.withdrawals_days,
            self.facts_days,
            self.decisions_days,
            self.decisions_days,
        )
        return Cuts._make((*(now_ms - count * DAY_MS for count in days), set_ms))


class ClaimRules(NamedTuple):
    """`secret` of the codes issued with tags (None: no codes), and the scanners to which a tag is presented."""

    secret: bytes | None = None
    counters: frozenset[str] = frozenset()


class ScreenTerms(NamedTuple):
    """Least number of people in a group that a programme of a screen is chosen for, and its length in seconds."""

    people_min: int = 5
    programme_s: int = 60


class Door(NamedTuple):
    """A people counter at a door: `in` leads from `from_zone` (None: from outside) into the device's zone, or out if `inverted`."""

    from_zone: str | None = None
    inverted: bool = False


class Site(msgspec.Struct, frozen=True):
    """The site as the engine uses it.

    `anchors` maps scanners and beacons to their zone, `devices` maps sensors and tills to their zone (or to EVERYWHERE), `doors` has the
    counters between two zones. `privacy` are the terms under which counts leave, `claims` how radio ids are proven; `coupons` signs the
    codes of offers. `holdout_salt` divides the people into those with offers and the holdout (see `Policy.holdout`). Learning starts with
    `priors`, and with `positives`, the accepted offers behind the model. `neighbours` are the other gateways of the site, which share their
    contacts; `screens` have their zone. Before `clock_floor_ms` the clock is not set. `rules` are the compiled rules of the campaign.
    `columns` are those of the active model; `plan`, derived from them, reads the attributes of the schema, and `learner`, if the campaign
    learns, has no state. Constructing raises ColumnsError for a column that the schema does not have.
    """

    name: str
    gateway: str
    timezone: ZoneInfo
    zones: Mapping[str, Zone]
    anchors: Mapping[str, str]
    devices: Mapping[str, str]
    presence: PresenceRules
    campaign: Campaign
    schema: Schema
    columns: tuple[str, ...]
    mined: Mined = NOTHING_MINED
    privacy: Terms = Terms()
    clock_floor_ms: int = 0
    retention: Retention = Retention()
    holidays: frozenset[date] = frozenset()
    rules: Rules = NoRules()
    claims: ClaimRules = ClaimRules()
    holdout_salt: str = ""
    priors: tuple[OfferPriors, ...] = ()
    positives: float = 0.0
    learner: Learner | None = None  # set below, if the campaign learns
    coupons: Signer | None = None
    neighbours: frozenset[str] = frozenset()
    screens: Mapping[str, str] = {}
    screen_terms: ScreenTerms = ScreenTerms()
    doors: Mapping[str, Door] = {}
    plan: ReadPlan = None  # type: ignore[assignment]  # set below, from the fields above

    def __post_init__(self) -> None:
        positions = {zone.id: (zone.x_m, zone.y_m) for zone in self.zones.values()}
        plan = ReadPlan(self.schema, self.columns, self.campaign.offers, positions, self.rules.attributes, self.mined)
        msgspec.structs.force_setattr(self, "plan", plan)
        policy = self.campaign.policy
        settings = Settings(horizon_ms=policy.anyway_s * 1_000, buys=policy.buying_share, positives=self.positives)
        learner = Learner(self.schema, self.columns, self.campaign.offers, policy, settings) if policy.learn else None
        msgspec.structs.force_setattr(self, "learner", learner)

    @property
    def fix_zones(self) -> tuple[Zone, ...]:
        """The zones with an outline or with regions."""
        return tuple(zone for zone in self.zones.values() if zone.has_outline())


def local(now_ms: int, timezone: ZoneInfo) -> datetime:
    """The local time at the site."""
    return datetime.fromtimestamp(now_ms / 1000, timezone)


def last_ms(now_ms: int, timezone: ZoneInfo, minute_of_day: int) -> int:
    """The last time at which the local clock showed `minute_of_day`."""
    clock = local(now_ms, timezone)
    at = clock.replace(hour=minute_of_day // 60, minute=minute_of_day % 60, second=0, microsecond=0, fold=0)
    return round((at if at <= clock else at - timedelta(days=1)).timestamp() * 1000)


def local_day_ms(clock: datetime) -> tuple[int, int]:
    """Start and end, in milliseconds, of the calendar day of a local time; the day has 23, 24 or 25 hours."""
    start = _midnight(clock)
    return _ms(start), _ms(start + timedelta(days=1))


def local_spans_ms(clock: datetime) -> Spans:
    """Start and end, in milliseconds, of the calendar day, week (from Monday on) and quarter of a local time."""
    day = _midnight(clock)
    week = day - timedelta(days=day.weekday())
    quarter = day.replace(month=3 * ((day.month - 1) // 3) + 1, day=1)
    after = quarter.replace(year=quarter.year + quarter.month // 10, month=(quarter.month + 2) % 12 + 1)
    return {
        "day": local_day_ms(clock),
        "week": (_ms(week), _ms(week + timedelta(days=7))),
        "quarter": (_ms(quarter), _ms(after)),
    }


def _midnight(clock: datetime) -> datetime:
    return clock.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def _ms(clock: datetime) -> int:
    return round(clock.timestamp() * 1000)


def distance_m(zone: Zone, latitude_deg: float, longitude_deg: float) -> float | None:
    """Metres from the centre of a zone, or None for a zone without coordinates."""
    if zone.latitude_deg is None or zone.longitude_deg is None:
        return None
    return math.hypot(*offset_m(latitude_deg, longitude_deg, (zone.latitude_deg, zone.longitude_deg)))


def depth_in_m(zone: Zone, latitude_deg: float, longitude_deg: float) -> float | None:
    """Metres from the edge of a zone, positive inside and negative outside; None for a zone without an outline."""
    if zone.polygon:
        return depth_m(latitude_deg, longitude_deg, zone.polygon)
    metres = distance_m(zone, latitude_deg, longitude_deg)
    return None if metres is None else zone.radius_m - metres


def fix_in(zone: Zone, position: Position) -> tuple[bool, float] | None:
    """Whether a position is inside a zone, and the probability of that; None if it is too near the edge for its accuracy.

    A region crossing of the zone takes precedence over the coordinates.
    """
    if position.crossing is not None and position.region in zone.regions:
        return position.crossing == "entered", CROSSING_CONFIDENCE
    depth = depth_in_m(zone, position.latitude_deg, position.longitude_deg)
    accuracy_m = position.accuracy_m or 0.0
    if depth is None or -accuracy_m <= depth < accuracy_m:
        return None
    return depth >= 0.0, fix_confidence(depth, accuracy_m)
