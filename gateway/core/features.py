"""FEATURES: the table of a model's input columns, shared by training and serving.

The workstation fills a `Situation` from history, the gateway from its context, and both convert it to numbers here. `SCHEMA_HASH` is
part of the bundle; a gateway with another table refuses the model. Unknown values are NaN.
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
    """One subject, one offer and one time. `visits_month` is visits a month by kind of place.

    Sensor values of the zone have a default, because a history of answers seldom holds them: `noise_dba` and `pm2_5_ug_m3` are the
    newest levels, `crowd_per_hour` is the flow of people past the zone's counters (see `gateway.core.context.Crowd`), and
    `context_age_min` is the age of the oldest of these readings.
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
    """A column: name, unit, and the function that reads its value from a situation."""

    name: str
    unit: str
    read: Callable[[Situation], float]


def _nan_if_none(value: float | None) -> float:
    return math.nan if value is None else value


def _is_offer(kind: OfferKind) -> Callable[[Situation], float]:
    return lambda situation: float(situation.offer_kind == kind)


def _is_heading(heading: Heading) -> Callable[[Situation], float]:
    return lambda situation: float(situation.heading == heading)


def _is_weather(weather: Weather) -> Callable[[Situation], float]:
    return lambda situation: math.nan if situation.weather is None else float(situation.weather == weather)


def _visits(kind: OfferKind) -> Callable[[Situation], float]:
    return lambda situation: _nan_if_none(situation.visits_month.get(kind))


KINDS: tuple[OfferKind, ...] = tuple(kind for kind in get_args(OfferKind) if kind != "other")

FEATURES: tuple[Feature, ...] = (
    Feature("hour", "h", lambda situation: situation.hour),
    Feature("travel", "min", lambda situation: situation.travel_min),
    Feature("expiry", "h", lambda situation: situation.expiry_hours),
    Feature("temperature", "°C", lambda situation: _nan_if_none(situation.temperature_c)),
    *(Feature(f"weather_{weather}", "0/1", _is_weather(weather)) for weather in get_args(Weather)),
    *(Feature(f"heading_{heading}", "0/1", _is_heading(heading)) for heading in get_args(Heading)),
    *(Feature(f"offer_{kind}", "0/1", _is_offer(kind)) for kind in KINDS),
    *(Feature(f"visits_{kind}", "1/month", _visits(kind)) for kind in KINDS),
    Feature("visits_this_kind", "1/month", lambda situation: _nan_if_none(situation.visits_month.get(situation.offer_kind))),
    Feature("noise", "dB(A)", lambda situation: _nan_if_none(situation.noise_dba)),
    Feature("air", "µg/m³ PM2.5", lambda situation: _nan_if_none(situation.pm2_5_ug_m3)),
    Feature("crowd", "people/h", lambda situation: _nan_if_none(situation.crowd_per_hour)),
    Feature("context_age", "min", lambda situation: _nan_if_none(situation.context_age_min)),
)

NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)

SCHEMA_HASH: str = hashlib.blake2b(
    "\n".join(f"{feature.name}\t{feature.unit}" for feature in FEATURES).encode(), digest_size=16
).hexdigest()
"""Identifies names, units and order. A column that is read in another way must also get another name."""


def row(situation: Situation) -> list[float]:
    """The feature values of one situation, in the order of FEATURES; NaN where unknown."""
    return [feature.read(situation) for feature in FEATURES]


def matrix(situations: Sequence[Situation]) -> NDArray[np.float32]:
    """Feature rows as float32, shape (len(situations), len(FEATURES)): the model's input."""
    rows = [row(situation) for situation in situations]
    return np.asarray(rows, dtype=np.float32).reshape(len(rows), len(FEATURES))
