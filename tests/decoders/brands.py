"""Share of the advertisements of Bluetooth brands whose values are found: `python -m tests.decoders.brands`.

Four collections of the shared data hold advertisements of some hundred brands. A message is matched if it is decoded or
refused as it is marked, and if each of its main values stands in a reading. Main values are measurements of a quantity
that Wayside has; a message without one (a tracker, encrypted data) only has to be decoded. Values that Wayside does not
keep (of a person's body, packet numbers, names of models) are not main values.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from gateway.commands.decode import decode_line
from gateway.core.quantities import in_range
from tests.decoders.message_sets import UNMEASURED, Line, Unmeasured, arguments

COLLECTIONS = ("theengs_ble_json", "ble_hci_adv", "ble_mfgdata", "ble_svcdata")
_TOLERANCE = 2e-3  # some sources round, and some compute with 32-bit floats

# the source's name -> (quantities that it may be, how many of its unit make one of ours)
_MAIN: dict[str, tuple[tuple[str, ...], float]] = {
    "tempc": (("temperature", "probe_temperature"), 1),
    "temperature": (("temperature",), 1),
    "meat temperature": (("probe_temperature",), 1),
    "hum": (("humidity",), 1),
    "humidity": (("humidity",), 1),
    "relativeHumidity": (("humidity",), 1),
    "pres": (("pressure",), 1),
    "pressure": (("pressure",), 1),
    "batt": (("battery",), 1),
    "battery": (("battery",), 1),
    "batteryPercentage": (("battery",), 1),
    "volt": (("voltage",), 1),
    "voltage": (("voltage",), 1),
    "batteryVoltage": (("voltage",), 1),
    "lux": (("illuminance",), 1),
    "illuminance": (("illuminance",), 1),
    "moi": (("soil_moisture",), 1),
    "moisture": (("soil_moisture",), 1),
    "fer": (("conductivity",), 1),
    "conductivity": (("conductivity",), 1),
    "co2": (("co2",), 1),
    "carbonDioxideConcentration": (("co2",), 1),
    "pm25": (("pm2_5",), 1),
    "pm2.5": (("pm2_5",), 1),
    "pm10": (("pm10",), 1),
    "tvoc": (("tvoc",), 1),
    "formaldehyde": (("formaldehyde",), 1),
    "energy": (("energy",), 1),
    "power": (("power",), 1),
    "amperage": (("current",), 1),
    "lvl_cm": (("distance",), 100),
    "distance mm": (("distance",), 1_000),
    "distance": (("distance",), 1),
    "speed": (("speed",), 1),
    "count": (("tally",), 1),
    "elevation": (("elevation",), 1),
    "angleOfRotation": (("rotation",), 1),
    "heading": (("direction",), 1),
    "dewpoint": (("dew_point",), 1),
    "motion": (("occupancy", "moving"), 1),
    "button": (("button",), 1),
    "position": (("level",), 1),
    "opening percentage": (("level",), 1),
} | {f"tempc{n}": (("temperature", "probe_temperature"), 1.0) for n in range(1, 7)}
_MAIN |= {f"temperature probe {n}": (("probe_temperature",), 1.0) for n in range(1, 7)}
_MAIN |= {f"button{n}": (("button",), 1.0) for n in range(1, 5)}
_PASCAL_FROM = 2_000
_STATED = ("topic", "payload", "payload_hex", "mac", "bindkey", "aes_key", "rssi", "service_uuid", "local_name")
# The service of sources that removed it from the data and name it in another field; a radio receives both.
_SERVICES = {"bthome": "fcd2", "minew": "ffe1", "exposurenotification": "fd6f"}


class Share(NamedTuple):
    """The messages of one brand in one collection, and those that are matched."""

    messages: int
    matched: int


def shares(collection: str, lines: list[Line], unmeasured: Unmeasured) -> dict[str, Share]:
    """The share of each brand."""
    messages: Counter[str] = Counter()
    matched: Counter[str] = Counter()
    for line in lines:
        try:
            brand, is_found = brand_of(line), is_matched(collection, line)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            unmeasured.add(f"{collection} {line['id']}: an expectation of unknown shape ({error!r})")
            continue
        messages[brand] += 1
        matched[brand] += is_found
    return {brand: Share(count, matched[brand]) for brand, count in messages.items()}


def brand_of(line: Line) -> str:
    """The brand of an advertisement, as its source names it."""
    expected = line["expected"]
    return str(expected.get("brand") or line.get("service_or_vendor") or expected.get("firmware") or "none")


def is_matched(collection: str, line: Line) -> bool:
    """Whether `wayside decode` reads the line as its source does."""
    said = decoded(collection, line)
    if line.get("negative") or "error" in said:
        return bool(line.get("negative")) and "error" in said
    held = [one for one in said["observations"] if one["type"] == "reading"]
    return all(any(one["quantity"] in names and _is_near(one["value"], value) for one in held) for names, value in main_values(line))


def decoded(collection: str, line: Line) -> dict[str, Any]:
    """The result of `wayside decode` for the line, with the name of its collection as decoder."""
    asked = {name: line[name] for name in _STATED if line.get(name) is not None} | {"decoder": collection}
    if line.get("service_or_vendor") in _SERVICES:
        asked.setdefault("service_uuid", _SERVICES[line["service_or_vendor"]])
    answer: dict[str, Any] = msgspec.json.decode(decode_line(msgspec.json.encode(asked)))
    return answer


def main_values(line: Line) -> Iterator[tuple[tuple[str, ...], float]]:
    """The main values: the possible quantities of each, and its amount in our unit."""
    for name, value in line["expected"].items():
        names, per = _MAIN.get(name, ((), 1))
        if not names or not isinstance(value, (int, float)):
            continue
        ours = value / 100 if names == ("pressure",) and value > _PASCAL_FROM else value / per
        if any(in_range(one, ours) for one in names):
            yield names, ours


def _is_near(value: float, expected: float) -> bool:
    return abs(value - expected) <= max(1e-6, _TOLERANCE * abs(expected))


def _figures(messages: int, matched: int) -> tuple[str, str, str]:
    return str(messages), str(matched), f"{matched / max(1, messages):.1%}"


def main(given: list[str] | None = None) -> int:
    """Print the table; 2 where something, or everything, was not measured."""
    asked, unmeasured = arguments(__doc__ or "", given), Unmeasured()
    table = Table("collection", "brand", "messages", "matched", "share", title="Advertisements of brands")
    totals: Counter[str] = Counter()
    for collection in asked.choose(()):
        lines = asked.lines.get(collection, [])
        if not unmeasured.knows(collection, lines) or collection not in COLLECTIONS:
            continue
        found = shares(collection, lines, unmeasured)
        for brand, row in sorted(found.items(), key=lambda pair: (-pair[1].messages, pair[0])):
            table.add_row(collection, brand, str(row.messages), str(row.matched), f"{row.matched / row.messages:.0%}")
        messages, matched = sum(row.messages for row in found.values()), sum(row.matched for row in found.values())
        table.add_row(collection, "all", *_figures(messages, matched), style="bold", end_section=True)
        totals.update(messages=messages, matched=matched)
    table.add_row("all", "all", *_figures(totals["messages"], totals["matched"]), style="bold")
    console = Console()
    console.print(table)
    left_out = unmeasured.report(lambda text: console.print(text, markup=False))
    return left_out if totals["messages"] else UNMEASURED


if __name__ == "__main__":
    sys.exit(main())
