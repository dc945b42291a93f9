"""Optional tables of a scenario about people: segments, effects of offers, rhythm, company and sleeping phones.

Every table has a default that leaves the behaviour simple: the demo street has no rhythm, no company and no sleep. All times
are street time; log-odds are added up in `tastes.accept` and `tastes.buying`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from firmware_sim.checked import Checked
from firmware_sim.world.hours import Span

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
SegmentName = Literal["communication", "ethical_behavioural", "individual", "economic"]


class Segment(Checked):
    """Behaviour of one of the four published segments; it needs no age, gender, income or schooling.

    `price`, `quality` and `novelty` are log-odds of accepting per unit of an offer's own attribute (a discount of the whole
    price is 1), `fatigue` log-odds lost per recent offer, `buying` log-odds of buying without an offer, `loyalty` the
    attraction of the favourite shop.
    """

    share: Share
    visits: Positive = 1.0
    loyalty: NotNegative = 0.0
    buying: float = 0.0
    price: float = 1.5
    quality: float = 0.0
    novelty: float = 0.0
    fatigue: NotNegative = 0.3


# After published/segments: the first come often and buy without offers, and discounts should not be pushed on them; the second
# value quality, the third novelty, the fourth the price. The shares are our own: the survey reports loadings, not sizes.
SEGMENTS: dict[SegmentName, Segment] = {
    "communication": Segment(share=0.3, visits=1.5, loyalty=1.2, buying=0.6, price=0.3, quality=0.3, novelty=0.2, fatigue=0.2),
    "ethical_behavioural": Segment(share=0.25, visits=1.0, loyalty=0.6, buying=0.1, price=0.4, quality=1.2, novelty=0.2, fatigue=0.35),
    "individual": Segment(share=0.2, visits=0.9, loyalty=0.0, buying=0.0, price=0.2, quality=0.5, novelty=1.4, fatigue=0.45),
    "economic": Segment(share=0.25, visits=0.8, loyalty=0.2, buying=-0.7, price=3.2, quality=0.0, novelty=0.0, fatigue=0.25),
}


class OfferEffect(Checked):
    """True attributes of an offer: discount as a share of the price, and how far it stresses quality or novelty (0 to 1)."""

    id: str
    shop: str
    discount: Share = 0.0
    quality: Share = 0.0
    novelty: Share = 0.0


class Choices(Checked):
    """Choice parameters that all people share.

    `character` is the influence of the segment on visits and purchases (0: it affects only the answers to offers). `anyway_s`
    is the horizon of the counterfactual question whether a person would have bought without the offer.
    """

    character: Share = 0.0
    fatigue_half_s: Positive = 3600.0
    company: float = -0.4
    rain_walk: Positive = 1.5
    rain_outdoors: Share = 0.35
    price_spread: NotNegative = 0.35
    anyway_s: Positive = 7200.0


class Curve(Checked):
    """Demand by hour of the day (24 factors) and by day of the week (7 factors, Monday first)."""

    hours: Annotated[tuple[NotNegative, ...], Field(min_length=24, max_length=24)] = (1.0,) * 24
    weekdays: Annotated[tuple[NotNegative, ...], Field(min_length=7, max_length=7)] = (1.0,) * 7

    def at(self, minute_of_week: float) -> float:
        """Product of the factors of hour and day."""
        return self.hours[int(minute_of_week // 60) % 24] * self.weekdays[int(minute_of_week // 1440) % 7]


class Rhythm(Checked):
    """Arrivals and departures: outings per day and person, stays per outing, arrival curve and entrances.

    Without a rhythm every person stays on the site after arriving.
    """

    outings_day: Positive = 1.0
    stays: Annotated[float, Field(ge=1)] = 5.0
    arrivals: Curve = Curve()
    entrances: Annotated[tuple[str, ...], Field(min_length=1)]


class Trains(Checked):
    """Trains of one line at a platform: every `every_min` within its hours; the passengers alight within `alight_s`."""

    zone: str
    every_min: Positive
    first_min: NotNegative = 0.0
    hours: tuple[Span, ...]
    share: Share
    alight_s: Positive = 60.0


class Happening(Checked):
    """A concert or market day: during it, and `before_min` earlier, its zone attracts more and more people arrive."""

    id: str
    zone: str
    hours: tuple[Span, ...]
    pull: Positive = 5.0
    arrivals: Positive = 1.5
    before_min: NotNegative = 30.0


class Incident(Checked):
    """An incident in a zone: people leave and avoid it, and an offer there counts as an error of the gateway."""

    id: str
    zone: str
    hours: tuple[Span, ...]


class Company(Checked):
    """Share of people in groups of two to four that stay together."""

    share: Share = 0.0
    apart_m: Positive = 1.0


class Loyalty(Checked):
    """Loyalty app of the shops: with each consent it states the purchases of the last `days` days by category, and interests.

    `past_days` of purchases precede a run. `stating_share` of the people state an interest in each category, from 1 to 5.
    """

    days: Annotated[int, Field(ge=1, le=400)] = 30
    past_days: Annotated[int, Field(ge=1, le=400)] = 120
    stating_share: Share = 0.7


class Sleep(Checked):
    """Phones that sleep: for `share` of the phones the app pauses and the radio is off at times (mean durations in published seconds)."""

    share: Share = 0.0
    awake_s: Positive = 60.0
    asleep_s: Positive = 20.0


class Climate(Checked):
    """Climate of the site; without `mean_c` the mean temperature is drawn from the seed."""

    mean_c: float | None = None
    rain_share: Share = 0.25
    rain_mm_h: Positive = 2.0
