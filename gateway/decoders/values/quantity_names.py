"""Names of measured values, as written by sensors and decoder scripts, and the quantity that each means.

Two ways to look one up:
- `folded_name()` is the key of `QUANTITY_OF`: letters and digits in lower case, without a channel number at the end, so
  that `Relative_Humidity_4` (Cayenne LPP) and `relativeHumidity` are one name;
- `quantity_named()` also reads free names (Homie, Sparkplug): the name of a quantity, preceded by a place and followed
  by a unit, as in `Outdoor Temperature`, `windSpeed_kmh` or `PM2.5`.

A name counts only if every part is known, so `target_temperature` is not read as weather.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_CHARS_MAX = 60
_NAMES_CACHED_MAX = 1_024  # sensors repeat a few names; names that are sent once drop out of the cache

_NAMES = {
    "temperature": "temperature temp airtemperature ambienttemperature temperaturesensor tempcsht tempcds",
    "humidity": "humidity hum rh relativehumidity airhumidity humiditysensor humsht",
    "pressure": "pressure airpressure barometer barometricpressure atmosphericpressure",
    "illuminance": "illuminance illumination lightintensity light lux luminosity illuminancesensor brightnesslux illumlx",
    "co2": "co2 co2ppm carbondioxide",
    "pm1": "pm1 pm1p0",
    "pm2_5": "pm25 pm2p5",
    "pm10": "pm10",
    "no2": "no2",
    "o3": "o3",
    "so2": "so2",
    "voc_index": "vocindex",
    "nox_index": "noxindex",
    "noise": "noise noiselevel laeq leq soundlevel soundavg soundpressurelevel",
    "wind_speed": "windspeed",
    "wind_direction": "winddirection",
    "solar_radiation": "solarradiation totalsolarradiation",
    "uv_index": "uvindex uvi uv",
    "rain_total": "raintotal rainfalltotal",
    "precipitation": "precipitationrate rainrate rainintensity",
    "battery": "battery batterylevel batterypercent batterypercentage batterypct",
    "voltage": "voltage batteryvoltage batv batvolt batmv vbat vdd",
    "occupancy": "occupancy occupied presence presencesensor",
    "device_temperature": "devicetemperature internaltemperature chiptemperature",
    "probe_temperature": "soiltemperature soiltemp tempsoil watertemperature",
    "soil_moisture": "soilmoisture",
}
QUANTITY_OF = {name: quantity for quantity, names in _NAMES.items() for name in names.split()}

_NAMES_WITH_DIGITS = frozenset(name for name in QUANTITY_OF if name[-1].isdigit())  # not a channel number: `pm_10`
_CHANNEL = re.compile(r"[_\s-]\d{1,3}$")
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", re.ASCII)
_PLACES = frozenset({"air", "ambient", "indoor", "inside", "measured", "outdoor", "outside", "room"})

# Names of plugs, meters and contacts, which stand in the device's own object or topic.
_OF_DEVICES: dict[str, str] = {
    "contact": "contact",
    "contactstate": "contact",
    "door": "contact",
    "magnetstatus": "contact",
    "window": "contact",
    "leak": "leak",
    "leakagestatus": "leak",
    "waterleak": "leak",
    "pir": "occupancy",
    "pirstatus": "occupancy",
    "socketstatus": "switch",
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

# The unit at the end of a name -> its spelling in `units.UNITS`.
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


class NamedQuantity(NamedTuple):
    """A row of `gateway.core.quantities`, and the unit where the name states one."""

    quantity: str
    unit: str | None = None


def folded_name(name: str) -> str:
    """The key of `QUANTITY_OF` for `name`; an empty text for a name that is longer than all keys."""
    return _folded(name) if len(name) <= _CHARS_MAX else ""


def quantity_named(name: str) -> NamedQuantity | None:
    """The quantity (and unit) that `name` means, or `None` where a part of it is unknown."""
    return _quantity_named(name) if len(name) <= _CHARS_MAX else None


@lru_cache(maxsize=_NAMES_CACHED_MAX)
def _folded(name: str) -> str:
    lower = name.lower()
    whole = _NOT_ALPHANUMERIC.sub("", lower)
    return whole if whole in _NAMES_WITH_DIGITS else _NOT_ALPHANUMERIC.sub("", _CHANNEL.sub("", lower))


@lru_cache(maxsize=_NAMES_CACHED_MAX)
def _quantity_named(name: str) -> NamedQuantity | None:
    whole = _quantity(folded_name(name))
    if whole is not None:
        return NamedQuantity(whole)
    words = [word.lower() for word in _WORDS.findall(name)]
    while len(words) > 1 and words[0] in _PLACES:
        words.pop(0)
    whole = _quantity("".join(words))
    if whole is not None:
        return NamedQuantity(whole)
    for count in range(1, min(2, len(words) - 1) + 1):  # km_h is split in two
        quantity, unit = _quantity("".join(words[:-count])), _UNITS.get("".join(words[-count:]))
        if quantity is not None and unit is not None:
            return NamedQuantity(quantity, unit)
    return None


def _quantity(folded: str) -> str | None:
    return _OF_DEVICES.get(folded) or QUANTITY_OF.get(folded)
