"""The sensor values of a past decision, from the row that was scored, as the context of a zone from which attributes are read again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gateway.core.context import FREEZING_C, HOUR_MS, MINUTE_MS, PEOPLE, RAIN_MM_H, ZoneContext
from gateway.core.counting import Counting, Crowd, Minute

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gateway.core.attributes.read import ReadPlan
    from gateway.core.attributes.schema import Attribute

_MILD_C = FREEZING_C + 1.0
_WEATHER = {"sunny": (0.0, _MILD_C), "rainy": (RAIN_MM_H, _MILD_C), "snowy": (RAIN_MM_H, FREEZING_C)}
"""Weather -> a precipitation and a temperature that give it; a temperature of the row itself replaces the second."""
STALE_MS = HOUR_MS


def here_of(row: NDArray[np.float32], plan: ReadPlan, at_ms: int) -> ZoneContext:
    """The context behind a row that was scored with the columns of `plan`; values that the row does not state stay unknown."""
    values: dict[str, float] = {}
    for one in plan.used:
        if one.reading is None:
            continue
        if one.reading.quantity == "weather":
            weather = _category(one, row, plan)
            if weather is not None:
                precipitation, temperature = _WEATHER[weather]
                values = {"precipitation": precipitation, "temperature": temperature, **values}
        elif one.name in plan.columns and not math.isnan(number := float(row[plan.columns.index(one.name)])):
            values[one.reading.quantity] = number
    age_ms = int(values.pop("context_age", 0.0) * MINUTE_MS)
    counting = _counting({name: values.pop(name) for name in PEOPLE if name in values}, at_ms)
    return ZoneContext({quantity: (value, at_ms - age_ms) for quantity, value in values.items()}, counting)


def _counting(people: dict[str, float], at_ms: int) -> Counting:
    """Counters that give the stated values."""
    flow, came, went = (people.get(f"people{way}_per_hour") for way in ("", "_in", "_out"))
    minutes = () if came is None and went is None else (Minute(at_ms, round(came or 0), round(went or 0)),)
    present = people.get("people_present")
    return Counting(
        crowds={} if flow is None else {"log": Crowd(flow, at_ms)},
        minutes=minutes,
        since_ms=at_ms - HOUR_MS if minutes else None,
        present_ms=at_ms if minutes else None,
        in_view={} if present is None else {"log": (round(present), at_ms)},
    )


def dwell_s_of(row: NDArray[np.float32], plan: ReadPlan) -> float | None:
    """Seconds since the person entered, as far as the row states it."""
    name = next((one.name for one in plan.used if one.occasion is not None and one.occasion.field == "dwell_s"), None)
    if name is None or name not in plan.columns:
        return None
    seconds = float(row[plan.columns.index(name)])
    return None if math.isnan(seconds) else seconds


def _category(one: Attribute, row: NDArray[np.float32], plan: ReadPlan) -> str | None:
    return next(
        (
            value
            for column, value in zip(one.columns, one.values, strict=True)
            if column in plan.columns and row[plan.columns.index(column)] == 1.0
        ),
        None,
    )
