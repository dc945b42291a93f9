"""Which quantity a free name means: `Outdoor Temperature`, `battery_level`, `windSpeed_kmh`, `PM2.5`.

Homie and Sparkplug let people name what they measure. A name counts only when all its words are understood:
the name of a quantity (`known_keys` has the table that all such formats share), before it words that tell
where, behind it a unit. So a `target_temperature` is not read as weather.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from gateway.decoders.values.quantity_names import QUANTITY_OF, spelled

_CHARS_MAX = 60
_REMEMBERED_MAX = 1_024  # a street's sensors say the same few names again and again; strangers' names push each other out
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", re.ASCII)
_WHERE = frozenset({"air", "ambient", "indoor", "inside", "measured", "outdoor", "outside", "room"})

# Of plugs, meters and contacts: names that stand beside what they belong to, so one word is enough.
_OF_DEVICES: dict[str, str] = {
    "contact": "contact",
    "motion": "occupancy",
    "power": "power",
    "activepower": "power",
    "current": "current",
    "energy": "energy",
    "linkquality": "link_quality",
    "cputemp": "device_temperature",
    "cputemperature": "device_temperature",
    "boardtemperature": "device_temperature",
}

# What stands behind a name as its unit -> the unit in `units.UNITS`.
_UNITS: dict[str, str] = {
    "c": "°C",
    "celsius": "°C",
    "f": "°F",
    "fahrenheit": "°F",
    "k": "K",
    "pa": "Pa",
    "hpa": "hPa",
    "kpa": "kPa",
    "pct": "%",
    "percent": "%",
    "ms": "m/s",
    "kmh": "km/h",
    "mph": "mph",
    "mmh": "mm/h",
    "lx": "lx",
    "lux": "lx",
    "ppm": "ppm",
    "v": "V",
    "mv": "mV",
    "a": "A",
    "ma": "mA",
    "w": "W",
    "kw": "kW",
    "wh": "Wh",
    "kwh": "kWh",
}


class Named(NamedTuple):
    """A quantity, and the unit where the name states one."""

    quantity: str
    unit: str | None = None


def named(name: str) -> Named | None:
    """What `name` means, or `None` where one of its words is not understood."""
    return None if len(name) > _CHARS_MAX else _understood(name)


@lru_cache(maxsize=_REMEMBERED_MAX)
def _understood(name: str) -> Named | None:
    whole = _quantity(spelled(name))
    if whole is not None:
        return Named(whole)
    words = [word.lower() for word in _WORDS.findall(name)]
    while len(words) > 1 and words[0] in _WHERE:
        words.pop(0)
    whole = _quantity("".join(words))
    if whole is not None:
        return Named(whole)
    for count in range(1, min(2, len(words) - 1) + 1):  # km_h is two words
        quantity, unit = _quantity("".join(words[:-count])), _UNITS.get("".join(words[-count:]))
        if quantity is not None and unit is not None:
            return Named(quantity, unit)
    return None


def _quantity(spelling: str) -> str | None:
    return _OF_DEVICES.get(spelling) or QUANTITY_OF.get(spelling)
