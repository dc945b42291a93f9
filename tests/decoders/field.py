"""Verdicts on messages of real devices and of publishers' test suites (shared data): `python -m tests.decoders.field`.

One row a set. `right`: every stated value is found and none is invented; `part`: some are; `unsupported`: none; `wrong`: one is
invented, that is, the line excludes it, expects another value of that quantity, or no value of the publisher's own decoder is that
number. A third of the models, by the hash of their name, is put aside: its lines are judged with `--aside` only, so that grammars
are not fitted to the models that judge them. `--list VERDICT` prints the lines of a verdict, and `--reasons` why lines are unsupported,
by model.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gateway.commands.decode import decode_line
from gateway.commands.decode.preview import Preview
from gateway.core.types import Count, Position, Reading
from gateway.decoders.values.decoded_objects import observations_in
from tests.kit.shared import shared_path

SETS = ("hand", "milesight", "akenza", "thingsboard", "bluetooth-devices")
VERDICTS = ("right", "part", "unsupported", "wrong")
OF_THE_LINK = frozenset({"rssi", "snr", "link_quality"})
# Flags that publishers name by texts (open, leak, occupied): compared only where the line states the number.
FLAGS = frozenset({"contact", "input", "leak", "occupancy", "switch", "light", "moving", "vibration", "battery_low", "tamper"})
_OF_CONVERTERS = frozenset({"akenza", "thingsboard"})  # their converters leave values out, so only names in common are compared
_SENT = ("topic", "payload", "payload_hex", "mac", "bindkey", "aes_key", "rssi", "service_uuid", "local_name", "decoder")
_SCALES = (1, 1_000, 100, 10, 1e-1, 1e-2, 1e-3)  # lx and klx, mm and m, kPa and hPa, V and mV, of one value
_ASIDE_OF = 3
_COMPARED = ("quantity", "value", "what", "count", "kind", "direction", "rssi_dbm", "state")

Line = dict[str, Any]
_sources: list[Preview] = []  # of --sources: for topics that no decoder has


@cache
def lines() -> list[Line]:
    """All lines of the set."""
    return [json.loads(line) for line in shared_path("field/messages.jsonl").read_text(encoding="utf-8").splitlines()]


def model_of(line: Line) -> str:
    """The model that a line is about: that of the device profile where a publisher has one format for all models."""
    if line["set"] == "milesight":
        return str(line["payload"]["deviceInfo"]["deviceProfileName"])
    return str(line["format"])


def is_aside(line: Line) -> bool:
    """Whether the line's model is in the third that is put aside."""
    return int.from_bytes(hashlib.sha256(model_of(line).encode()).digest()[:4]) % _ASIDE_OF == 0


def answered(line: Line) -> dict[str, Any]:
    """The answer of `wayside decode` to one line: its observations, or the error."""
    sent = json.dumps({key: line[key] for key in _SENT if line.get(key) is not None}).encode()
    answer: dict[str, Any] = json.loads(decode_line(sent))
    if "error" in answer and _sources and (mapped := json.loads(_sources[0].line(sent))).get("observations"):
        return dict(mapped)
    return answer


def observed(line: Line) -> list[dict[str, Any]]:
    """The observations of one line; none where the message is refused."""
    return list(answered(line).get("observations", []))


def reason(line: Line) -> str:
    """Why a line is unsupported."""
    answer = answered(line)
    if "error" in answer:
        return f"refused: {answer['error']['reason']}"
    if not wanted(line):
        return "the values that it states have no quantity here"
    return "its envelope is read, its bytes are not: no grammar of the model; a codec or a mapping can be named for it"


def inventions(line: Line) -> Iterator[str]:
    """A text for each observation that the line's source did not send."""
    expected = line["expected"] if isinstance(line["expected"], dict) else {"contains": line["expected"]}
    rows = expected.get("contains", [])
    found = observed(line)
    for one in found:
        if any(_is_within(row, one) for row in expected.get("must_not_contain", [])):
            yield f"excluded: {one}"
        if one["type"] == "count" and line["set"] == "milesight" and not _is_stated(one["count"], line["expected"]["maker"]):
            yield f"not of its source: {one}"
        if one["type"] != "reading" or one["quantity"] in OF_THE_LINK:
            continue
        stated = [row["value"] for row in rows if row.get("quantity") == one["quantity"]]
        values = [other["value"] for other in found if other.get("quantity") == one["quantity"]]
        if stated and not any(is_near(value, row) for value in values for row in stated):
            yield f"expected {stated}: {one}"
        source = _source(line, one["quantity"])
        if stated or source is None or one["quantity"] in FLAGS:
            continue
        if not any(_is_stated(value, source) for value in (values if line["set"] in _OF_CONVERTERS else [one["value"]])):
            yield f"not of its source: {one}"


def verdict(line: Line) -> str:
    """One of VERDICTS."""
    if any(True for _ in inventions(line)):
        return "wrong"
    found = observed(line)
    hits = [any(_matches(row, one) for one in found) for row in wanted(line)]
    if hits:
        return "right" if all(hits) else "part" if any(hits) else "unsupported"
    return "right" if _sent_by_the_sensor(found) or _states_nothing(line) else "unsupported"


def wanted(line: Line) -> list[dict[str, Any]]:
    """The observations that a line states; for a publisher's object, those that it would give if the network server had sent it."""
    expected = line["expected"]
    if isinstance(expected, list):
        return expected
    if "contains" in expected:
        return list(expected["contains"])
    telemetry = expected.get("telemetry", expected)
    rows = [row.get("values", row) for row in telemetry] if isinstance(telemetry, list) else [telemetry.get("values", telemetry)]
    stated = [{name: _parsed(value) for name, value in row.items()} for row in rows]
    if line["set"] == "akenza":  # its library works the level out from the voltage, which alone was sent
        stated = [{name: value for name, value in row.items() if name != "batteryLevel" or "batteryVoltage" not in row} for row in stated]
    known = [one for row in stated for one in observations_in("", row, None) if isinstance(one, Reading | Count | Position)]
    return [
        {"type": "reading", "quantity": one.quantity, "value": one.value}
        if isinstance(one, Reading)
        else {"type": "position"}
        if isinstance(one, Position)
        else {"type": "count", "count": one.count}
        for one in known
    ]


def _parsed(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _matches(row: dict[str, Any], one: dict[str, Any]) -> bool:
    if row.get("type", one["type"]) != one["type"]:
        return False
    return all(_is_same(row[key], one.get(key)) for key in _COMPARED if key in row)


def _is_same(stated: Any, found: Any) -> bool:
    if isinstance(stated, int | float) and isinstance(found, int | float) and not isinstance(stated, bool):
        return is_near(found, stated)
    return bool(stated == found)


def _sent_by_the_sensor(found: list[dict[str, Any]]) -> bool:
    return any(one["type"] in ("count", "position") or (one["type"] == "reading" and one["quantity"] not in OF_THE_LINK) for one in found)


def _states_nothing(line: Line) -> bool:
    """Whether the line states nothing that is kept (settings, an error frame), so that an answer without values is right."""
    expected = line["expected"]
    if not isinstance(expected, dict):
        return False
    return expected.get("contains") == [] or all(value == "error" for value in expected.values())


def _source(line: Line, quantity: str) -> object:
    """The values that a reading of `quantity` may come from; `None` where the line states none."""
    expected = line["expected"]
    if line["set"] == "milesight":
        return expected["maker"]
    if line["set"] == "bluetooth-devices":
        return expected
    if line["set"] in _OF_CONVERTERS and isinstance(expected, dict):
        return expected if any(name.lower().startswith(quantity) for name in expected) else None
    return None


def _is_within(row: dict[str, Any], one: dict[str, Any]) -> bool:
    return all(one.get(key) == value for key, value in row.items())


def is_near(found: float, stated: float) -> bool:
    """Whether two values are equal but for rounding."""
    return math.isclose(found, stated, rel_tol=0.02, abs_tol=0.06)


def _is_stated(found: float, source: object) -> bool:
    return any(is_near(found, value * scale) for value in _numbers(source) for scale in _SCALES)


def _numbers(source: object) -> Iterator[float]:
    if isinstance(source, dict | list):
        for value in source.values() if isinstance(source, dict) else source:
            yield from _numbers(value)
    elif isinstance(source, bool):
        yield float(source)
    else:
        try:
            yield float(str(source))
        except ValueError:
            return


def table(chosen: list[Line]) -> dict[str, Counter[str]]:
    """Set -> the number of lines of each verdict."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in SETS}
    for line in chosen:
        counts[line["set"]][verdict(line)] += 1
    return counts


def main(given: list[str] | None = None) -> int:
    """Print the table; 1 where a line is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--aside", action="store_true", help="judge the models that are put aside instead of the others")
    parser.add_argument("--list", choices=VERDICTS, help="print the lines of this verdict, by number")
    parser.add_argument("--reasons", action="store_true", help="print why lines are unsupported, by model")
    parser.add_argument("--sources", type=Path, help="TOML file with sources for topics that no decoder has, such as deploy/mappings.toml")
    asked = parser.parse_args(given)
    _sources[:] = [] if asked.sources is None else [Preview(asked.sources)]
    chosen = [line for line in lines() if is_aside(line) == asked.aside]
    counts = table(chosen)
    rows = Table("set", "lines", *VERDICTS, title="Models put aside" if asked.aside else "Models that may be looked at")
    for name, one in counts.items():
        rows.add_row(name, str(one.total()), *(str(one[each]) for each in VERDICTS))
    total = sum(counts.values(), Counter())
    rows.add_row("all", str(total.total()), *(str(total[each]) for each in VERDICTS), style="bold")
    console = Console(width=110)
    console.print(rows)
    for number, line in enumerate(lines(), 1):
        if asked.list and is_aside(line) == asked.aside and verdict(line) == asked.list:
            console.print(f"{number} {line['set']} {model_of(line)} {[*inventions(line)] or wanted(line)}", markup=False)
    if asked.reasons:
        console.print(reasons([line for line in chosen if verdict(line) == "unsupported"]))
    return 1 if total["wrong"] else 0


def reasons(unsupported: list[Line]) -> Table:
    """The number of lines of each reason and model, most first."""
    counts = Counter((reason(line), line["set"], model_of(line)) for line in unsupported)
    rows = Table("reason", "set", "model", "lines", title="Unsupported")
    for (why, name, model), number in counts.most_common():
        rows.add_row(why, name, model, str(number))
    return rows


if __name__ == "__main__":
    sys.exit(main())
