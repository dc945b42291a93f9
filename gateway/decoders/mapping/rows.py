"""The rows of a declared mapping, and the checks of each: pointers, quantities, units, and fields of persons."""

from __future__ import annotations

import re
from collections.abc import Mapping as Words
from typing import Any, Literal, NamedTuple

from gateway.core.nearest import nearest
from gateway.core.quantities import QUANTITIES
from gateway.core.types import CountKind, Direction
from gateway.decoders.values.units import units_of

Form = Literal["json", "number", "text", "csv"]
Pointer = tuple[str, ...]
"""The keys of a JSON pointer (RFC 6901); for CSV one key, the number of the column."""

_TOKENS_MAX = 16
# Fields of persons in the messages of trackers, cameras and phones: a pointer through one of them is refused.
_PERSONAL_NAMES = """
    firstname lastname surname fullname longname shortname email mail phone phonenumber msisdn imei imsi iccid ssid bssid plate licenseplate
    recognizedlicenseplate face faceid user userid username owner birthday age sex gender password token ip ipaddress sublabel person
    personname heartrate weight bodyfat
"""
_PERSONAL = frozenset(_PERSONAL_NAMES.split())
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")


class Value(NamedTuple):
    """One value of a message: a reading of `quantity`, or a count of `what` of one `kind`.

    `topic` narrows the row to topics; `scale` is multiplied before the unit; `words` are values of texts; numbers in `missing` stand for
    "not measured"; `part` names a part of the device.
    """

    at: Pointer
    quantity: str | None = None
    unit: str | None = None
    scale: float = 1.0
    words: Words[str, float] = {}
    missing: tuple[float, ...] = ()
    kind: CountKind | None = None
    direction: Direction | None = None
    what: str = "people"
    part: str | None = None
    topic: str | None = None


class Mapping(NamedTuple):
    """A declared format. `each` points at a list or object whose members are decoded one by one; the other pointers start there.

    Without `device` and `name` the device is the speaker of the topic. `heard` and `rssi` make sightings, `latitude` and `longitude`
    positions, in units of `degrees`.
    """

    values: tuple[Value, ...] = ()
    form: Form = "json"
    each: Pointer | None = None
    device: Pointer | None = None
    name: str | None = None
    time: Pointer | None = None
    delimiter: str = ","
    heard: Pointer | None = None
    rssi: Pointer | None = None
    latitude: Pointer | None = None
    longitude: Pointer | None = None
    degrees: float = 1.0


def pointer(text: str, form: Form = "json", *, names: bool = False) -> Pointer:
    """The keys of a pointer. `names`: it points at the name of a device. Raises ValueError for a malformed one and a personal field."""
    if form in ("number", "text"):
        if text:
            raise ValueError(f"a payload of form {form} has one value: leave the pointer out")
        return ()
    if form == "csv":
        if not text.isdigit():
            raise ValueError(f"{text!r} is no column of CSV: write its number, such as 0 for the first one")
        return (text,)
    if text and not text.startswith("/"):
        raise ValueError(f"{text!r} is no JSON pointer: write it as /{text.lstrip('$.').replace('.', '/')}")
    keys = tuple(key.replace("~1", "/").replace("~0", "~") for key in text.split("/")[1:])
    if len(keys) > _TOKENS_MAX:
        raise ValueError(f"{text!r} is deeper than {_TOKENS_MAX} levels")
    personal = next((key for key in keys if _NOT_ALPHANUMERIC.sub("", key.lower()) in _PERSONAL), None)
    if personal is not None and not (names and personal.lower() == "name"):
        raise ValueError(f"{personal!r} is about a person, and no mapping may read it: point at a measurement")
    return keys


def check_quantity(quantity: str, unit: str | None) -> None:
    """Raise ValueError for a quantity or a unit that does not exist, and for a unit of another quantity; it names the nearest one."""
    if quantity not in QUANTITIES:
        raise ValueError(f"there is no quantity {quantity!r}{nearest(quantity, QUANTITIES)}")
    if unit is not None and unit not in units_of(quantity):
        ours = QUANTITIES[quantity].unit
        known = [ours, *units_of(quantity)] if ours not in units_of(quantity) else units_of(quantity)
        raise ValueError(f"{unit!r} is no unit of {quantity}{nearest(unit, known)}")


def resolved(body: Any, keys: Pointer) -> Any:
    """The value that a pointer leads to; None where there is none."""
    for key in keys:
        if isinstance(body, dict):
            body = body.get(key)
        elif isinstance(body, list) and key.isascii() and key.isdigit() and int(key) < len(body):
            body = body[int(key)]
        else:
            return None
    return body
