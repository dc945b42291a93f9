"""Share of the expected values of real messages that is found: `python -m tests.decoders.shares`.

One row a format of the set. `refused` are messages that are marked as ones to be refused, `expected` the values that
their sources state, `matched` those found in an observation (the same number in our unit, the same id, the kind of
observation), `raw` the matched part of all. `explained` are values that Wayside does not keep, each with its reason in
`expected.py` and the tables beside it; `share` is the matched part of the others. Forms of bare advertisements are read
as by `wayside decode`. Brands have a command of their own, `python -m tests.decoders.brands`; its sum stands below the
table.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from gateway.commands.decode import decode_line
from gateway.core.types import Observation
from gateway.decoders.bluetooth.advertisement_forms import FORMS
from gateway.decoders.contract import DecodeError
from gateway.decoders.registry import load
from tests.decoders.brands import COLLECTIONS, shares
from tests.decoders.expected import Claims, UnseenError, judged, message_of, reason_for
from tests.decoders.expected_ble import CUT_OFF, SILENT, ble_claims, unexplained
from tests.decoders.message_sets import Line, Unmeasured, arguments

SHARE_MIN = 0.98
_ASKED = ("payload_hex", "mac", "bindkey", "aes_key", "rssi", "service_uuid", "local_name")
_OBSERVATIONS = msgspec.json.Decoder(list[Observation])

Decode = Callable[[Line], list[Observation] | None]
"""A line of the set -> its observations, or `None` where it is refused."""


class Share(NamedTuple):
    """The counts of one format."""

    messages: int
    decoded: int
    refused: int
    expected: int
    matched: int
    explained: int

    @property
    def raw(self) -> float:
        """The matched part of all expected values."""
        return self.matched / max(1, self.expected)

    @property
    def share(self) -> float:
        """The matched part of the expected values that are not explained."""
        return self.matched / max(1, self.expected - self.explained)


def of_format(form: str, lines: list[Line], unmeasured: Unmeasured) -> Share:
    """The share of a format that a decoder reads."""
    decoder = load(form)

    def decode(line: Line) -> list[Observation] | None:
        try:
            return decoder.decode(message_of(line))
        except DecodeError:
            return None

    return _share(form, lines, decode, None, unmeasured)


def of_form(form: str, lines: list[Line], unmeasured: Unmeasured) -> Share:
    """The share of a form of bare advertisements."""

    def decode(line: Line) -> list[Observation] | None:
        asked = {name: line[name] for name in _ASKED if line.get(name) is not None} | {"decoder": form}
        answer = msgspec.json.decode(decode_line(msgspec.json.encode(asked)))
        return None if "error" in answer else _OBSERVATIONS.decode(msgspec.json.encode(answer["observations"]))

    found = _share(form, lines, decode, ble_claims, unmeasured)
    stated = [line for line in lines if not line.get("negative") and "contains" not in line.get("expected", {})]
    for line in stated:
        for name in unexplained(line):
            unmeasured.add(f"{form}: unknown value {name!r}")
    silent = sum(name in SILENT for line in stated for name in line.get("expected", ()))
    return found._replace(expected=found.expected + silent, explained=found.explained + silent)


def _share(form: str, lines: list[Line], decode: Decode, claims: Claims | None, unmeasured: Unmeasured) -> Share:
    counts: Counter[str] = Counter()
    for line in lines:
        if line["id"] in CUT_OFF:
            continue
        try:
            observations = decode(line)
            judgements = [] if line.get("negative") or "expected" not in line else judged(form, line, observations or [], claims)
        except UnseenError as error:
            unmeasured.add(str(error))
            continue
        except (KeyError, ValueError) as error:
            unmeasured.add(f"{form} {line['id']}: no message ({error})")
            continue
        counts["messages"] += 1
        counts["decoded"] += observations is not None
        counts["refused"] += observations is None and bool(line.get("negative"))
        counts["expected"] += len(judgements)
        counts["matched"] += sum(holds for _, holds in judgements)
        counts["explained"] += sum(not holds and bool(reason_for(form, path)) for path, holds in judgements)
    return Share(*(counts[name] for name in Share._fields))


def _brands(lines: dict[str, list[Line]], unmeasured: Unmeasured) -> str:
    rows = [row for collection in COLLECTIONS if collection in lines for row in shares(collection, lines[collection], unmeasured).values()]
    messages, matched = sum(row.messages for row in rows), sum(row.matched for row in rows)
    return f"brands of Bluetooth sensors: {matched} of {messages} messages matched, {matched / max(1, messages):.1%}"


def main(given: list[str] | None = None) -> int:
    """Print the table; 1 where a format that states something is below SHARE_MIN, else 2 where something was not measured."""
    asked, unmeasured = arguments(__doc__ or "", given), Unmeasured()
    found: dict[str, Share] = {}
    for form in asked.choose(()):
        lines = asked.lines.get(form, [])
        if unmeasured.knows(form, lines) and form not in COLLECTIONS:
            found[form] = (of_form if form in FORMS else of_format)(form, lines, unmeasured)
    table = Table("format", "messages", "decoded", "refused", "expected", "matched", "raw", "explained", "share", title="Real messages")
    for form, one in found.items():
        shown = (f"{one.raw:.1%}", str(one.explained), f"{one.share:.1%}") if one.expected else ("none stated", "", "")
        table.add_row(form, *map(str, (one.messages, one.decoded, one.refused, one.expected, one.matched)), *shown)
    total = Share(*(sum(column) for column in zip(*found.values(), strict=True))) if found else Share(0, 0, 0, 0, 0, 0)
    counts = (total.messages, total.decoded, total.refused, total.expected, total.matched)
    table.add_row("all", *map(str, counts), f"{total.raw:.1%}", str(total.explained), f"{total.share:.1%}", style="bold")
    console = Console(width=110)
    console.print(table)
    if not asked.lines.keys().isdisjoint(COLLECTIONS):
        console.print(_brands(asked.lines, unmeasured))
    left_out = unmeasured.report(lambda text: console.print(text, markup=False))
    if any(one.share < SHARE_MIN for one in found.values() if one.expected > one.explained):
        return 1
    return left_out


if __name__ == "__main__":
    sys.exit(main())
