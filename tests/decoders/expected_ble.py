"""Expectations of Bluetooth messages, as claims for `expected.py`.

Each source has its own names of values. The tables translate each name to a quantity and a unit, or give the reason for
which it is not kept. A name in neither table is a fault of the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from gateway.core.quantities import in_range
from gateway.core.types import Observation, Position, Reading, Sighting

Claim = tuple[str, Callable[[list[Observation]], bool]]

# A source's name -> our quantity and how many of its unit make one of ours; -1 turns "open" into "in contact".
WORDS: dict[str, tuple[str, float]] = {
    "temperature": ("temperature", 1),
    "temperature_1": ("temperature", 1),
    "temperature_2": ("temperature", 1),
    "Temperature": ("temperature", 1),
    "humidity": ("humidity", 1),
    "Humidity": ("humidity", 1),
    "pressure": ("pressure", 1),
    "Pressure": ("pressure", 100),
    "battery": ("battery", 1),
    "battery_level": ("battery", 1),
    "voltage": ("voltage", 1),
    "Voltage": ("voltage", 1),
    "batteryVoltage": ("voltage", 1),
    "illuminance": ("illuminance", 1),
    "ambient_light": ("illuminance", 1),
    "luminosity": ("illuminance", 1),
    "weight": ("mass", 1),
    "mass": ("mass", 1),
    "dewpoint": ("dew_point", 1),
    "dew_point": ("dew_point", 1),
    "energy": ("energy", 1),
    "power": ("power", 1),
    "pm2.5": ("pm2_5", 1),
    "pm25": ("pm2_5", 1),
    "pm_2_5": ("pm2_5", 1),
    "pm10": ("pm10", 1),
    "binary": ("input", 1),
    "generic": ("input", 1),
    "switch": ("switch", 1),
    "opening": ("contact", -1),
    "door": ("contact", -1),
    "window": ("contact", -1),
    "co2": ("co2", 1),
    "carbon_dioxide": ("co2", 1),
    "tvoc": ("tvoc", 1),
    "volatile_organic_compounds": ("tvoc", 1),
    "voc": ("voc_index", 1),
    "nox": ("nox_index", 1),
    "moisture": ("soil_moisture", 1),
    "battery low": ("battery_low", 1),
    "battery charging": ("charging", 1),
    "cold": ("cold", 1),
    "gas detected": ("gas_alarm", 1),
    "heat": ("hot", 1),
    "light": ("light", 1),
    "lock": ("unlocked", 1),
    "moving": ("moving", 1),
    "is_moving": ("moving", 1),
    "motion": ("occupancy", 1),
    "occupancy": ("occupancy", 1),
    "presence": ("occupancy", 1),
    "problem": ("problem", 1),
    "running": ("running", 1),
    "sound": ("sound", 1),
    "tamper": ("tamper", 1),
    "vibration": ("vibration", 1),
    "steps": ("dimmer_steps", 1),
    "count": ("tally", 1),
    "rotation": ("rotation", 1),
    "distance": ("distance", 1),
    "distance mm": ("distance", 1_000),
    "duration": ("duration", 1),
    "current": ("current", 1),
    "speed": ("speed", 1),
    "uv index": ("uv_index", 1),
    "uv_index": ("uv_index", 1),
    "volume": ("volume", 1),
    "water": ("volume", 1),
    "volume flow rate": ("volume_flow", 1),
    "volume_flow_rate": ("volume_flow", 1),
    "gas": ("gas_volume", 1),
    "acceleration": ("acceleration", 1),
    "conductivity": ("conductivity", 1),
    "rotational_speed": ("rotational_speed", 1),
    "msd.temperature": ("temperature", 1),
    "msd.temperatureExt": ("probe_temperature", 1),
    "msd.humidity": ("humidity", 1),
    "msd.battery": ("voltage", 1),
    "ad.manufacturerData.battery": ("voltage", 1),
    "msd.gp": ("pressure", 1),
    "msd.lux": ("illuminance", 1),
    "msd.co2": ("co2", 1),
    "msd.pm2p5": ("pm2_5", 1),
    "msd.pm10p0": ("pm10", 1),
    "msd.voc": ("voc_index", 1),
    "msd.nox": ("nox_index", 1),
    "msd.range": ("distance", 1_000),
    "msd.counter": ("tally", 1),
    "ad.manufacturerData.counter": ("tally", 1),
    "msd.voltage": ("voltage", 1_000),
    "msd.current": ("current", 1_000_000),
    "msd.events.button": ("button", 1),
    "msd.events['button']": ("button", 1),
    "msd.events.moving": ("moving", 1),
    "msd.events['moving']": ("moving", 1),
    "msd.events.fall": ("fall", 1),
    "msd.events.pir": ("occupancy", 1),
    "msd.events.ir": ("occupancy", 1),
    "msd.events.detect": ("occupancy", 1),
    "msd.events.din": ("input", 1),
}
# Names with another meaning for this value: a power that is on or off, a distance in millimetres.
_BY_VALUE: dict[tuple[str, str, object], tuple[str, float]] = {
    ("bthome_v1_svcdata", "power", "True"): ("switch", 1),
    ("bthome_v2_svcdata", "power", "True"): ("switch", 1),
    ("bthome_v2_svcdata", "power", "False"): ("switch", 1),
    ("bthome_v1_svcdata", "mass", "74.86"): ("mass", 1 / 0.45359237),  # pounds
    ("bthome_v2_svcdata", "distance", "12"): ("distance", 1_000),
}
_VOLTS_WORD = ("ruuvi_mfgdata", "battery")  # in mV; elsewhere this name is a percentage

_NAMES = "an identity or an address"
_PACKET = "numbers packets: a decoder remembers nothing to compare it with"
_MODEL = "the name of a product: Wayside keeps what it says, not what it is called"
_LIBRARY = "the state of the library that made it"
_BODY_OF_FRAME = "how the frame is built"
_MOTION = "nothing in Wayside asks for axes of acceleration"
# A source's name that is no claim -> reason.
SILENT: dict[str, str] = {
    "type": _MODEL,
    "firmware": _MODEL,
    "manufacturer": _MODEL,
    "msd.type": _MODEL,
    "msd.company": _MODEL,
    "ad.manufacturerData.type": _MODEL,
    "ad.localName": _MODEL,
    "ad.serviceUuids[0]": _BODY_OF_FRAME,
    "name": _MODEL,
    "packet": _PACKET,
    "packet_id": _PACKET,
    "txCount": _PACKET,
    "measurement_sequence_number": _PACKET,
    "Measurement Sequence": _PACKET,
    "Movement counter": _PACKET,
    "device.supported": _LIBRARY,
    "device.bindkey_verified": _LIBRARY,
    "device.sleepy_device": _LIBRARY,
    "device.downgrade_detected": _LIBRARY,
    "signal_strength": "stated by the test, not by the message",
    "getRssi()": "stated by the test, not by the message",
    "getDataFields()": _BODY_OF_FRAME,
    "getId1()": _BODY_OF_FRAME,
    "getManufacturer()": _BODY_OF_FRAME,
    "getParserIdentifier()": _BODY_OF_FRAME,
    "_decode": "told by whether it is refused",
    "_frame": _BODY_OF_FRAME,
    "properties": "the same once more",
    "protocol_version": _BODY_OF_FRAME,
    "Data format": _BODY_OF_FRAME,
    "data_format": _BODY_OF_FRAME,
    "encrypted": "without its key it says nothing",
    "timestamp": "a sensor's own clock, which nobody set",
    "raw": "a text of the maker's own",
    "text": "a text of the maker's own",
    "button": "a word; the code for it is kept",
    "dimmer": "a word; the steps are kept",
    "channel": "which key of a remote control is a setting of it",
    "event:Button": "a word; the code for it is kept",
    "event:Button 2": "a word; the code for it is kept",
    "event:Button 3": "a word; the code for it is kept",
    "event:Dimmer": "a word; the steps are kept",
    "acceleration_x": _MOTION,
    "acceleration_y": _MOTION,
    "acceleration_z": _MOTION,
    "Acceleration X": _MOTION,
    "Acceleration Y": _MOTION,
    "Acceleration Z": _MOTION,
    "magnetic_field": _MOTION,
    "current_motion_state": "how long it lay or moved: whether it moves is kept",
    "previous_motion_state": "how long it lay or moved: whether it moves is kept",
    "gpio_states": "four wires of the maker's own",
    "has_firmware_error": "nobody here repairs beacons",
    "has_clock_error": "nobody here repairs beacons",
    "calibration_in_progress": "nobody here calibrates sensors",
    "cypress temperature": "a guess of the source: an iBeacon states none",
    "cypress humidity": "a guess of the source: an iBeacon states none",
    "transient": "a judgement of the source",
    "distance_m": "a judgement of the source from the strength",
    "TX Power": "of the radio; the strength at one metre is another value",
    "eid": _NAMES,
    "msd.user": "a number of the owner's own",
    "msd.accel['x']": _MOTION,
    "msd.accel['y']": _MOTION,
    "msd.accel['z']": _MOTION,
    "msd.accels[0]['x']": _MOTION,
    "msd.accels[1]['y']": _MOTION,
    "msd.accels[2]['z']": _MOTION,
    "data.type": "the kind of report",
    "gnss.speed": "in a unit that the maker does not state",
    "gnss.hdop": "a factor of the satellites' places, not an accuracy",
    "ad.manufacturerData.events.din": "of another message of the same test",
    "ad.manufacturerData.events.din2": "of another message of the same test",
    "uptime": "seconds, minutes, hours or days: see Status where the format states it in one unit",
    "rssi": "checked with the address",
}
# Expectations that the collection took from another message of the same test.
MIXED_UP: dict[str, tuple[str, ...]] = {
    "A02061": ("msd.battery", "msd.temperature", "msd.temperatureExt"),
    "A02063": ("msd.temperature", "msd.temperatureExt"),
    "A02067": ("ad.manufacturerData.battery", "ad.manufacturerData.counter", "msd.voltage", "msd.events.din", "msd.counter", "msd.current"),
    "A02082": ("msd.battery", "msd.temperature", "msd.humidity", "msd.lux", "msd.events.button"),
    "A02083": ("msd.battery", "msd.temperature", "msd.humidity", "msd.voc"),
    "A02080": ("msd.events.detect",),
    "A02084": ("msd.counter", "msd.events.ir", "msd.events.button"),
    "A01171": ("Voltage",),  # a vector of Ruuvi's format C5 that begins with 05, for which it is too short
    "A01172": ("Voltage",),
}


def ble_claims(line: dict[str, Any]) -> Iterator[Claim]:
    """Each name in `expected` that is a measurement or an identity."""
    expected = line["expected"]
    yield from _identity(expected)
    for word, value in expected.items():
        row = _row(line["format"], word, value)
        number = _number(value)
        if row is None or number is None or word in MIXED_UP.get(line["id"], ()):
            continue
        quantity, per = row
        ours = 1 - number if per < 0 else number / per
        if in_range(quantity, ours):
            yield word, partial(has_reading, quantity, ours)


def unexplained(line: dict[str, Any]) -> list[str]:
    """Names in `expected` that are in neither table."""
    known = WORDS.keys() | SILENT.keys() | _IDENTITIES
    return [word for word in line["expected"] if word not in known]


def has_reading(quantity: str, value: float, observations: list[Observation]) -> bool:
    """Whether one of them is this reading."""
    readings = (one.value for one in observations if isinstance(one, Reading) and one.quantity == quantity)
    return any(one == pytest.approx(value, rel=1e-4, abs=1e-3) for one in readings)


def _row(form: str, word: str, value: object) -> tuple[str, float] | None:
    if (form, word) == _VOLTS_WORD:
        return "voltage", 1_000
    if form.startswith("ruuvi") and word == "pressure":
        return "pressure", 1
    return _BY_VALUE.get((form, word, str(value)), WORDS.get(word))


def _number(value: object) -> float | None:
    """`24.3` of `"24.3 C"`, 1 of `True`, and `None` of the specification's `"NAN"`."""
    if isinstance(value, str):
        head = value.split(maxsplit=1)[0] if value else ""
        return float(head) if head.replace(".", "", 1).lstrip("-").isdigit() else None
    return float(value) if isinstance(value, (bool, int, float)) else None


_IDENTITIES = frozenset(
    """uuid major minor mac MAC tx_power txPower namespace instance url uri identifier deviceIds getIdentifier(0) getIdentifier(1)
    getIdentifier(2) getTxPower() data.beacon data.gateway data.timestamp gnss.latitude gnss.longitude""".split()
) | {"measured power"}


def _identity(expected: dict[str, Any]) -> Iterator[Claim]:
    uuid = str(expected.get("uuid") or expected.get("getIdentifier(0)") or "").replace("-", "").lower()
    if len(uuid) == 32:
        major = expected.get("major", expected.get("getIdentifier(1)"))
        minor = expected.get("minor", expected.get("getIdentifier(2)"))
        yield "uuid", partial(_is_named, f"{uuid}{major}{minor}")
    for word in ("namespace", "url", "uri", "identifier"):
        if isinstance(expected.get(word), str):
            yield word, partial(_is_named, expected[word] + str(expected.get("instance", "")))
    for word in ("mac", "data.beacon", "data.gateway"):
        digits = str(expected.get(word) or "").replace(":", "").replace(" ", "").lower()
        if len(digits) == 12 and digits not in _NOBODY and not uuid:
            yield word, partial(_is_named, digits)
    yield from _place_and_time(expected)


_NOBODY = ("f" * 12,)


def _is_named(what: str, observations: list[Observation]) -> bool:
    """Whether an observation has this id, without regard to dashes."""
    plain = what.replace("-", "")
    return any(name.replace("-", "").endswith(plain) for name in _names(observations))


def _place_and_time(expected: dict[str, Any]) -> Iterator[Claim]:
    if "gnss.latitude" in expected:
        yield "gnss.latitude", partial(_is_at, expected["gnss.latitude"], expected["gnss.longitude"])
    if "data.timestamp" in expected:
        yield "data.timestamp", partial(_is_of, expected["data.timestamp"])
    if isinstance(expected.get("rssi"), int) and "mac" in expected:
        yield "rssi", partial(_is_heard, expected["rssi"])


def _is_at(latitude_deg: float, longitude_deg: float, observations: list[Observation]) -> bool:
    return any(isinstance(one, Position) and (one.latitude_deg, one.longitude_deg) == (latitude_deg, longitude_deg) for one in observations)


def _is_of(at_ms: int, observations: list[Observation]) -> bool:
    return any(getattr(one, "at_ms", None) == at_ms for one in observations)


def _is_heard(rssi_dbm: float, observations: list[Observation]) -> bool:
    return any(isinstance(one, Sighting) and one.rssi_dbm == rssi_dbm for one in observations)


def _names(observations: list[Observation]) -> set[str]:
    """All ids in the observations."""
    names: set[str] = set()
    for one in observations:
        names |= {one.hearer, one.heard} if isinstance(one, Sighting) else {getattr(one, "device", "")}
    return names


def binary_claims(line: dict[str, Any]) -> Iterator[Claim]:
    """Of the decoded tags of a binary message: each address, and the mean rssi."""
    for place, raddec in enumerate(line["expected"]["raddecs"]):
        (signature,) = raddec["rssiSignature"]
        if place not in _NAMED_BY_BEACON:
            yield f"{place}.transmitterId", partial(_is_named, raddec["transmitterId"])
        yield f"{place}.rssi", partial(_is_about, signature["receiverId"], signature["rssi"])


_NAMED_BY_BEACON = (3, 10)  # a beacon's identity takes the place of the address
_MEAN_DB = 4.0  # between the mean of a tag's strengths and one of them


def _is_about(hearer: str, rssi_dbm: float, observations: list[Observation]) -> bool:
    return any(isinstance(one, Sighting) and one.hearer == hearer and abs(one.rssi_dbm - rssi_dbm) <= _MEAN_DB for one in observations)


CLAIMS_BLE: dict[str, Callable[[dict[str, Any]], Iterator[Claim]]] = {
    "ingics_gprp_text": ble_claims,
    "minew_gateway_binary": binary_claims,
}
NOT_KEPT_BLE: dict[str, dict[str, str]] = {
    "cassia_scan": {"name": _MODEL},
    "theengs_ble_json": {r".*": "brands have a measure of their own: `python -m tests.decoders.brands`"},
}
# Lines without a message, cut off by the collection.
CUT_OFF: dict[str, str] = {"A02054": "a JSON text of which only the first bracket was taken down"}
