"""What a scenario may say of people beyond where they walk: segments, offers' true effects, rhythm, company, sleep.

Everything here is optional, and what is left out leaves people as simple as they were: the demo street has no rhythm, no
company and no sleep. All times are street time; log-odds add up in `tastes.accept` and `tastes.buying`, where they are told.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
SegmentName = Literal["communication", "ethical_behavioural", "individual", "economic"]


class Segment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one of the four published segments behaves; nothing of it needs age, gender, income or schooling.

    `price`, `quality` and `novelty` are log-odds of accepting per unit of an offer's own (a discount of the whole price is 1),
    `fatigue` log-odds lost per recent offer, `buying` log-odds of buying unasked, `loyalty` the pull of the favourite shop.
    """

    share: Share
    visits: Positive = 1.0
    loyalty: NotNegative = 0.0
    buying: float = 0.0
    price: float = 1.5
    quality: float = 0.0
    novelty: float = 0.0
    fatigue: NotNegative = 0.3


# After published/segments: loyal people come and buy anyway and are not to be pushed with discounts; the second listen to
# quality, the third to what is new, the fourth to the price. Shares are ours: the survey states loadings, not sizes.
SEGMENTS: dict[SegmentName, Segment] = {
    "communication": Segment(share=0.3, visits=1.5, loyalty=1.2, buying=0.6, price=0.3, quality=0.3, novelty=0.2, fatigue=0.2),
    "ethical_behavioural": Segment(share=0.25, visits=1.0, loyalty=0.6, buying=0.1, price=0.4, quality=1.2, novelty=0.2, fatigue=0.35),
    "individual": Segment(share=0.2, visits=0.9, loyalty=0.0, buying=0.0, price=0.2, quality=0.5, novelty=1.4, fatigue=0.45),
    "economic": Segment(share=0.25, visits=0.8, loyalty=0.2, buying=-0.7, price=3.2, quality=0.0, novelty=0.0, fatigue=0.25),
}


class OfferEffect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an offer truly is: the share of the price that it gives away, and how far it speaks of quality or of something new."""

    id: str
    shop: str
    discount: Share = 0.0
    quality: Share = 0.0
    novelty: Share = 0.0


class Choices(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How people choose, all of them alike.

    `character` is how far segments decide where people go and whether they buy (at 0 only how they answer offers), and
    `anyway_s` how far the question "would they have bought anyway" looks ahead.
    """

    character: Share = 0.0
    fatigue_half_s: Positive = 3600.0
    company: float = -0.4
    rain_walk: Positive = 1.5
    rain_outdoors: Share = 0.35
    price_spread: NotNegative = 0.35
    anyway_s: Positive = 7200.0


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much something is wanted by hour of the day (24 numbers) and by day of the week (Monday first)."""

    hours: Annotated[tuple[NotNegative, ...], Meta(min_length=24, max_length=24)] = (1.0,) * 24
    weekdays: Annotated[tuple[NotNegative, ...], Meta(min_length=7, max_length=7)] = (1.0,) * 7

    def at(self, minute_of_week: float) -> float:
        """The product of hour and day."""
        return self.hours[int(minute_of_week // 60) % 24] * self.weekdays[int(minute_of_week // 1440) % 7]


class Rhythm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """People come and go: outings a day and person, stays an outing, when they come, where they come in.

    Without it everybody who has come stays for ever.
    """

    outings_day: Positive = 1.0
    stays: Annotated[float, Meta(ge=1)] = 5.0
    arrivals: Curve = Curve()
    entrances: Annotated[tuple[str, ...], Meta(min_length=1)]


class Trains(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A line at a platform: it comes every so often within its hours; whoever came with it alights within `alight_s`."""

    zone: str
    every_min: Positive
    first_min: NotNegative = 0.0
    hours: tuple[str, ...]
    share: Share
    alight_s: Positive = 60.0


class Happening(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A concert, a market day: while it lasts (and `before_min` earlier) its zone pulls harder and more people come."""

    id: str
    zone: str
    hours: tuple[str, ...]
    pull: Positive = 5.0
    arrivals: Positive = 1.5
    before_min: NotNegative = 30.0


class Incident(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something bad in a zone: people leave, nobody goes there, and an offer there is a fault of whoever sends it."""

    id: str
    zone: str
    hours: tuple[str, ...]


class Company(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which share of people walks in groups of two to four that stay together."""

    share: Share = 0.0
    apart_m: Positive = 1.0


class Sleep(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Phones that sleep: of `share` of them, the app is paused and the radio silent now and then (published seconds, means)."""

    share: Share = 0.0
    awake_s: Positive = 60.0
    asleep_s: Positive = 20.0


class Climate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The weather's habits; `mean_c` unset is drawn from the seed."""

    mean_c: float | None = None
    rain_share: Share = 0.25
    rain_mm_h: Positive = 2.0
