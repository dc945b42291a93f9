"""The names under which sensors and those who decode for them call what they measured, in one table.

Names are compared in one spelling: letters and digits in lower case, without a channel number at the end, so
that `Relative_Humidity_4`, as Cayenne LPP has it, is `relativehumidity`. What is not in the table is not
guessed at. Names that carry a unit or tell where something is measured are read by `naming.named`.
"""

from __future__ import annotations

import re
from functools import lru_cache

_CHARS_MAX = 60
_NAMES_REMEMBERED_MAX = 1_024  # devices say the same few names all day; strangers' names push each other out

_NAMES = {
    "temperature": "temperature temp airtemperature ambienttemperature temperaturesensor tempcsht tempcds",
    "humidity": "humidity hum rh relativehumidity airhumidity humiditysensor humsht",
    "pressure": "pressure airpressure barometer barometricpressure atmosphericpressure",
    "illuminance": "illuminance illumination light lux luminosity illuminancesensor brightnesslux illumlx",
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
    "uv_index": "uvindex uvi",
    "precipitation": "precipitationrate rainrate rainintensity",
    "battery": "battery batterylevel batterypercent batterypercentage batterypct",
    "voltage": "voltage batteryvoltage batv batvolt batmv vbat vdd",
    "occupancy": "occupancy occupied presence presencesensor",
    "device_temperature": "devicetemperature internaltemperature chiptemperature",
    "probe_temperature": "soiltemperature tempsoil watertemperature",
    "soil_moisture": "soilmoisture",
}
QUANTITY_OF = {name: quantity for quantity, names in _NAMES.items() for name in names.split()}

_WITH_DIGITS = frozenset(name for name in QUANTITY_OF if name[-1].isdigit())  # their digits are no channel: `pm_10`
_CHANNEL = re.compile(r"[_\s-]\d{1,3}$")
_OTHERS = re.compile(r"[^a-z0-9]+")


def spelled(name: str) -> str:
    """`name` in the spelling of the table; nothing in it is longer than a name that is worth remembering."""
    return _spelled(name) if len(name) <= _CHARS_MAX else ""


@lru_cache(maxsize=_NAMES_REMEMBERED_MAX)
def _spelled(name: str) -> str:
    lower = name.lower()
    whole = _OTHERS.sub("", lower)
    return whole if whole in _WITH_DIGITS else _OTHERS.sub("", _CHANNEL.sub("", lower))
