"""Expectations of the shared data (`expected`), compared with our observations.

Each leaf of `expected` is a claim: a number must stand in some observation (in our unit), a text must be a device, an
id, a state or a quantity. Formats for which that would match by accident have a function of their own in `CLAIMS`.
Values that Wayside does not keep stand in `NOT_KEPT` with the reason; a row there that explains nothing is a fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import msgspec
import pytest

from gateway.commands.decode import wire_payload
from gateway.core.types import Message, Observation, Position, Reading, Sighting, Status
from gateway.decoders.values.radio_ids import canonical_id
from tests.decoders.expected_ble import CLAIMS_BLE, CUT_OFF, NOT_KEPT_BLE
from tests.decoders.expected_city import CLAIMS_CITY, NOT_KEPT_CITY
from tests.kit.shared import shared_messages

SHARE_MIN = 0.98
RECEIVED_AT_MS = 1_790_000_000_000

Claims = Callable[[dict[str, Any]], Iterator[tuple[str, Callable[[list[Observation]], bool]]]]
"""A line of the shared data -> the path of each claim below `expected`, and whether observations hold it."""


class Tally(NamedTuple):
    """Claims of a format that are matched and explained; `missed` are the others."""

    matched: int
    explained: int
    missed: list[str]

    @property
    def share(self) -> float:
        """The matched part of all claims that are not explained."""
        return self.matched / max(1, self.matched + len(self.missed))


class UnseenError(ValueError):
    """An expectation of a kind or shape that the tables do not know; the message names it."""


def message_of(line: dict[str, Any]) -> Message:
    """The message of a line of the shared data, with the bytes of the broker. Raises ValueError for a line without one."""
    return Message(line["topic"] or "", wire_payload(line), RECEIVED_AT_MS)


def tally(form: str, decode: Callable[[dict[str, Any]], list[Observation]]) -> Tally:
    """Compare the expectations of each message with the result of `decode`."""
    matched = explained = 0
    missed: list[str] = []
    for line in shared_messages(form):
        if line.get("negative") or "expected" not in line or line["id"] in CUT_OFF:
            continue
        for path, holds in judged(form, line, decode(line)):
            if holds:
                matched += 1
            elif reason_for(form, path):
                explained += 1
            else:
                missed.append(f"{line['id']}: {path}")
    return Tally(matched, explained, missed)


def judged(form: str, line: dict[str, Any], observations: list[Observation], claims: Claims | None = None) -> list[tuple[str, bool]]:
    """The path of each claim of a line, and whether `observations` hold it. Raises UnseenError for unknown kinds and shapes."""
    if isinstance(line["expected"], dict) and "contains" in line["expected"]:
        claims = observation_claims
    try:
        return [(path, holds(observations)) for path, holds in (claims or CLAIMS.get(form, leaf_claims))(line)]
    except KeyError as error:
        raise UnseenError(f"{form}: unknown kind or missing field {error}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise UnseenError(f"{form}: an expectation of unknown shape ({error})") from error


def observation_claims(line: dict[str, Any]) -> Iterator[tuple[str, Callable[[list[Observation]], bool]]]:
    """Each observation below `contains` and `must_not_contain`, compared in the fields that it states."""
    for name, is_wanted in (("contains", True), ("must_not_contain", False)):
        for place, stated in enumerate(line["expected"].get(name, ())):
            yield f"{name}.{place}", partial(_has_observation, stated=stated, is_wanted=is_wanted)


def _has_observation(observations: list[Observation], stated: dict[str, Any], *, is_wanted: bool) -> bool:
    built = [msgspec.to_builtins(one) for one in observations]
    return is_wanted == any(all(field in one and _is_same(one[field], value) for field, value in stated.items()) for one in built)


def _is_same(value: object, stated: object) -> bool:
    is_number = isinstance(value, (int, float)) and isinstance(stated, (int, float))
    return bool(value == pytest.approx(stated, rel=1e-3, abs=1e-3)) if is_number else value == stated


def reason_for(form: str, path: str) -> str | None:
    """The reason for which Wayside does not keep the value at `path`, or `None`."""
    return next((reason for pattern, reason in NOT_KEPT.get(form, {}).items() if re.fullmatch(pattern, path)), None)


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Path and value of everything in `value` that is neither object nor array."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from leaves(inner, f"{path}.{place}")
    else:
        yield path, value


def leaf_claims(line: dict[str, Any]) -> Iterator[tuple[str, Callable[[list[Observation]], bool]]]:
    """Each leaf of `expected`: the claims of formats without a function of their own."""
    for path, value in leaves(line["expected"]):
        yield path, partial(holds_value, value=value)


def holds_value(observations: list[Observation], value: object) -> bool:
    """Whether some observation holds `value`: the same number, or the same id in canonical spelling."""
    held = [inner for one in observations for _, inner in leaves(msgspec.to_builtins(one))]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        numbers = [one for one in held if isinstance(one, (int, float)) and not isinstance(one, bool)]
        return any(one == pytest.approx(value, rel=1e-4, abs=1e-6) for one in numbers)
    return isinstance(value, str) and (value in held or canonical_id(value) in held)


# --- formats for which a number alone would match by accident ------------------------------------
_SENML_QUANTITIES = {"Cel": "temperature", "%RH": "humidity", "%EL": "battery", "V": "voltage", "A": "current"}
_SENML_IS_POSITION = {"lat": "latitude_deg", "lon": "longitude_deg"}


def _senml(line: dict[str, Any]) -> Iterator[tuple[str, Callable[[list[Observation]], bool]]]:
    """A resolved record: its name, quantity and value together, and its time separately."""
    numbers = (record for record in line["expected"].get("resolved", []) if "v" in record)
    for place, record in enumerate(numbers):
        yield f"{place}.v", partial(_has_record, record=record)
        yield f"{place}.now" if record["t"] == _RESOLVED_AT_S else f"{place}.t", partial(_has_record_then, record=record)


_RESOLVED_AT_S = 1_498_780_179.0  # the time at which the RFC's authors resolved records without a time


def _has_record(observations: list[Observation], record: dict[str, Any]) -> bool:
    return bool(_senml_records(observations, record))


def _has_record_then(observations: list[Observation], record: dict[str, Any]) -> bool:
    return record["t"] * 1_000 in _senml_records(observations, record)


def _senml_records(observations: list[Observation], record: dict[str, Any]) -> list[int | None]:
    """The times of the observations of `record`."""
    field = _SENML_IS_POSITION.get(record["u"])
    if field is not None:
        places = [one for one in observations if isinstance(one, Position) and one.device == record["n"]]
        return [one.at_ms for one in places if getattr(one, field) == pytest.approx(record["v"])]
    quantity, value = _SENML_QUANTITIES.get(record["u"], "switch"), record["v"]
    if record["u"] == "/" and value not in (0, 1):
        quantity, value = "level", value * 100
    readings = [one for one in observations if isinstance(one, Reading) and (one.device, one.quantity) == (record["n"], quantity)]
    return [one.at_ms for one in readings if one.value == pytest.approx(value)]


def _sparkplug(line: dict[str, Any]) -> Iterator[tuple[str, Callable[[list[Observation]], bool]]]:
    """A metric: its name, value and time in one reading; the message's time in any observation."""
    expected = line["expected"]
    kind = line["topic"].split("/")[2]
    for metric in expected.get("metrics", []):
        what = "bdSeq" if metric["name"] == "bdSeq" else metric["dataType"]
        yield f"{kind}.{what}", partial(_has_metric, metric=metric)
    if "timestamp" in expected:
        yield f"{kind}.timestamp", partial(holds_value, value=expected["timestamp"])
    if "seq" in expected:
        yield f"{kind}.seq", lambda _: False
    if "online" in expected:
        state = "online" if expected["online"] else "offline"
        yield f"{kind}.online", partial(_has_state, state=state)


def _has_metric(observations: list[Observation], metric: dict[str, Any]) -> bool:
    return any(
        isinstance(one, Reading)
        and f"{one.device}/{one.quantity}".find("/" + metric["name"]) > 0
        and one.value == metric["value"]
        and one.at_ms == metric["timestamp"]
        for one in observations
    )


def _has_state(observations: list[Observation], state: str) -> bool:
    return any(isinstance(one, Status) and one.state == state for one in observations)


def _owntracks(line: dict[str, Any]) -> Iterator[tuple[str, Callable[[list[Observation]], bool]]]:
    """The kind of message: a position, a crossing, a status, or nothing."""
    yield "_type", partial(_is_of_type, kind=line["expected"]["_type"], has_place="lat" in line["payload"])


def _is_of_type(observations: list[Observation], kind: str, *, has_place: bool) -> bool:
    if kind in ("location", "transition") and has_place:
        return any(isinstance(one, Position) and bool(one.crossing) == (kind == "transition") for one in observations)
    if kind in ("lwt", "status"):
        return _has_state(observations, "offline" if kind == "lwt" else "online")
    return not observations


def _shelly_gen2(line: dict[str, Any]) -> Iterator[tuple[str, Callable[[list[Observation]], bool]]]:
    """The device, and of a notification a status at its time."""
    expected = line["expected"]
    yield "src", partial(holds_value, value=expected["src"])
    yield "method", partial(_is_alive_at, at_ms=round(line["payload"]["params"]["ts"] * 1_000))


def _is_alive_at(observations: list[Observation], at_ms: int) -> bool:
    return any(isinstance(one, Status) and one.at_ms == at_ms for one in observations)


def _senml_xml(line: dict[str, Any]) -> Iterator[tuple[str, Callable[[list[Observation]], bool]]]:
    """The name of the same pack in JSON: the attributes hold the same values."""
    records = re.findall(r'n="([a-z]+)"[^>]* v="([0-9.]+)"', line["payload"])
    yield "same_as", partial(_has_values, records=[(name, float(value)) for name, value in records])


def _has_values(observations: list[Observation], records: list[tuple[str, float]]) -> bool:
    found = [(one.device.rpartition(":")[2], one.value) for one in observations if isinstance(one, Reading)]
    return bool(records) and found == records


def _minew_json(line: dict[str, Any]) -> Iterator[tuple[str, Callable[[list[Observation]], bool]]]:
    """The number of iBeacons, and the gateway that received them."""
    expected = line["expected"]
    yield "n_beacons", partial(_hears_beacons, count=expected["n_beacons"])
    if "gateway_mac" in expected:
        yield "gateway_mac", partial(holds_value, value=expected["gateway_mac"])


def _hears_beacons(observations: list[Observation], count: int) -> bool:
    return sum(isinstance(one, Sighting) and one.heard.startswith("iBeacon:") for one in observations) == count


CLAIMS: dict[str, Claims] = {
    **CLAIMS_BLE,
    **CLAIMS_CITY,
    "minew_gateway_json": _minew_json,
    "owntracks": _owntracks,
    "senml_cbor": _senml,
    "senml_json": _senml,
    "senml_xml": _senml_xml,
    "shelly_gen2_rpc": _shelly_gen2,
    "sparkplug_b": _sparkplug,
}

# --- values that are not kept: format -> pattern of paths -> reason ------------------------------
NOT_KEPT: dict[str, dict[str, str]] = {
    **NOT_KEPT_BLE,
    **NOT_KEPT_CITY,
    "espresense": {"rssi_var": "the spread of a signal that was smoothed already"},
    "senml_json": {r"\d+\.now": "the record states no time; its source resolved it with the clock of that day"},
    "sparkplug_b": {
        r"DCMD\..*": "a command is somebody's wish and not a fact",
        r".*\.String": "a text is no measurement",
        r".*\.seq": "numbers messages of one connection; a decoder remembers nothing to compare it with",
        r".*\.bdSeq": "pairs a death with its birth; likewise",
    },
}
