"""The rules for a single observation, on which the engine relies.

The engine calculates with observations and stores the results without further checks. So the bounds are checked here,
in the suite that a decoder must pass, and not for every message that a gateway receives.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import get_args

import msgspec

from gateway.core import limits
from gateway.core.quantities import in_range
from gateway.core.types import (
    Consent,
    Envelope,
    Observation,
    Reading,
    TimePassed,
)

_KEY = re.compile("[0-9a-f]{32}", re.ASCII)
_KINDS = tuple(kind for kind in get_args(Observation) if kind is not TimePassed)
_BATTERY_PCT = (0.0, 100.0)
_RANGES: dict[str, tuple[float, float]] = {
    "rssi_dbm": (-127.0, -1.0),
    "tx_power_dbm": (-127.0, 20.0),
    "distance_m": (0.0, 1e4),
    "latitude_deg": (-90.0, 90.0),
    "longitude_deg": (-180.0, 180.0),
    "accuracy_m": (0.0, 1e7),
    "battery_pct": _BATTERY_PCT,
}


def fault_of(observation: object) -> str | None:
    """The first rule that `observation` breaks, or `None`. A decoder may not return `TimePassed`."""
    if not isinstance(observation, _KINDS):
        return "not an observation that a message can make"
    try:
        # The constructor of a struct checks no types, so msgspec compares values with the declared types.
        again: object = msgspec.convert(msgspec.to_builtins(observation), type(observation))
    except (msgspec.ValidationError, TypeError, ValueError, OverflowError) as error:
        return f"wrong type ({error})"
    if again != observation:
        return "a value that does not survive being written down (NaN?)"
    return next(_faults(observation), None)


def _faults(observation: msgspec.Struct) -> Iterator[str]:
    for name in observation.__struct_fields__:
        yield from _field_faults(name, getattr(observation, name))
    if isinstance(observation, Reading) and not in_range(observation.quantity, observation.value):
        yield "value outside the range of its quantity"
    if isinstance(observation, Consent):
        yield from _consent_faults(observation)


def _field_faults(name: str, value: object) -> Iterator[str]:
    if isinstance(value, Envelope):
        yield from _faults(value)
    elif isinstance(value, str):
        yield from _text_faults(name, value)
    elif isinstance(value, float):
        low, high = _RANGES.get(name, (-math.inf, math.inf))
        if not math.isfinite(value) or not low <= value <= high:
            yield f"{name} is not a possible number"
    elif isinstance(value, int) and not 0 <= value <= limits.INTEGER_MAX:
        yield f"{name} outside 0..{limits.INTEGER_MAX}"


def _text_faults(name: str, value: str) -> Iterator[str]:
    if not value:
        yield f"{name} is empty"
    if len(value) > limits.TEXT_CHARS_MAX:
        yield f"{name} over {limits.TEXT_CHARS_MAX} characters"
    if not value.isprintable():
        yield f"{name} holds characters that cannot be printed"


def _consent_faults(consent: Consent) -> Iterator[str]:
    if len(consent.tags) > limits.TAGS_PER_SUBJECT_MAX:
        yield f"over {limits.TAGS_PER_SUBJECT_MAX} tags"
    for tag in consent.tags:
        yield from _text_faults("tags", tag)
    for tag in consent.codes:
        yield from _text_faults("codes", tag)
    if any(not _KEY.fullmatch(key) for key in (*consent.irks, *consent.eid_keys)):
        yield "irks or eid_keys that are not 32 lower-case hex digits"
    if any(isinstance(value, float) and not math.isfinite(value) for value in consent.told.values()):
        yield "told holds a value that is not a possible number"
