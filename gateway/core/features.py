"""FEATURES: the one table that training and serving both read.

A model is only as true as the row it is shown. The workstation fills a `Situation` from history, the
gateway fills one from its context, and both turn it into numbers here; `SCHEMA_HASH` travels in the
bundle, and a gateway whose table differs refuses the model. Unknown is NaN, never a made-up value.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.types import OfferKind

Heading = Literal["nowhere_urgent", "home", "work"]
Weather = Literal["sunny", "rainy", "snowy"]


class Situation(msgspec.Struct, frozen=True):
    """One subject, one offer, one moment. `visits_month` is visits a month by kind of place.

    What is known of the zone has a default, because a history of answers seldom knows it: `noise_dba` and `pm2_5_ug_m3` are the
    latest levels, `crowd_per_hour` is how many people pass the zone's counters (a flow; see `gateway.core.context.Crowd`), and
    `context_age_min` is how old the oldest of the readings is that this situation was told.
    """

    hour: float
    heading: Heading
    weather: Weather | None
    temperature_c: float | None
    offer_kind: OfferKind
    expiry_hours: float
    travel_min: float
    visits_month: Mapping[OfferKind, float]
    noise_dba: float | None = None
    pm2_5_ug_m3: float | None = None
    crowd_per_hour: float | None = None
    context_age_min: float | None = None


class Feature(NamedTuple):
    """A column: its name, its unit, and how it is read off a situation."""

    name: str
    unit: str
    read: Callable[[Situation], float]


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def _is_offer(kind: OfferKind) -> Callable[[Situation], float]:
    return lambda situation: float(situation.offer_kind == kind)


def _is_heading(heading: Heading) -> Callable[[Situation], float]:
    return lambda situation: float(situation.heading == heading)


def _is_weather(weather: Weather) -> Callable[[Situation], float]:
    return lambda situation: math.nan if situation.weather is None else float(situation.weather == weather)


def _visits(kind: OfferKind) -> Callable[[Situation], float]:
    return lambda situation: _known(situation.visits_month.get(kind))


KINDS: tuple[OfferKind, ...] = tuple(kind for kind in get_args(OfferKind) if kind != "other")

FEATURES: tuple[Feature, ...] = (
    Feature("hour", "h", lambda situation: situation.hour),
    Feature("travel", "min", lambda situation: situation.travel_min),
    Feature("expiry", "h", lambda situation: situation.expiry_hours),
    Feature("temperature", "°C", lambda situation: _known(situation.temperature_c)),
    *(Feature(f"weather_{weather}", "0/1", _is_weather(weather)) for weather in get_args(Weather)),
    *(Feature(f"heading_{heading}", "0/1", _is_heading(heading)) for heading in get_args(Heading)),
    *(Feature(f"offer_{kind}", "0/1", _is_offer(kind)) for kind in KINDS),
    *(Feature(f"visits_{kind}", "1/month", _visits(kind)) for kind in KINDS),
    Feature("visits_this_kind", "1/month", lambda situation: _known(situation.visits_month.get(situation.offer_kind))),
    Feature("noise", "dB(A)", lambda situation: _known(situation.noise_dba)),
    Feature("air", "µg/m³ PM2.5", lambda situation: _known(situation.pm2_5_ug_m3)),
    Feature("crowd", "people/h", lambda situation: _known(situation.crowd_per_hour)),
    Feature("context_age", "min", lambda situation: _known(situation.context_age_min)),
)

NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)

SCHEMA_HASH: str = hashlib.blake2b(
    "\n".join(f"{feature.name}\t{feature.unit}" for feature in FEATURES).encode(), digest_size=16
).hexdigest()
"""Identifies names, units and order. Changing how a column is read must also change its name."""


def row(situation: Situation) -> list[float]:
    """The feature values of one situation, in the order of FEATURES; NaN where unknown."""
    return [feature.read(situation) for feature in FEATURES]


def matrix(situations: Sequence[Situation]) -> NDArray[np.float32]:
    """Feature rows as float32, shape (len(situations), len(FEATURES)): what the model is given."""
    rows = [row(situation) for situation in situations]
    return np.asarray(rows, dtype=np.float32).reshape(len(rows), len(FEATURES))
