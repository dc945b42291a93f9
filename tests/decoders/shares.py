"""How much of what the sources of real messages say of them is found: `python -m tests.decoders.shares`.

A row a format of the shared data. `refused` are messages marked as ones that must be, `expected` the values that their
sources state, `matched` those found in an observation (the same number in our unit, the same id, the kind of observation),
`raw` their part of all. `explained` are values that Wayside does not keep, each with its reason in `expected.py` and the
tables beside it; `share` is what is matched of the rest. Forms of bare advertisements are read as `wayside decode`
reads them. Brands have a measure of their own, `python -m tests.decoders.brands`, whose sum stands below the table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from gateway.commands.decode import decode_line
from gateway.core.types import Observation
from gateway.decoders.bluetooth.advertisement_forms import FORMS
from gateway.decoders.contract import DecodeError
from gateway.decoders.registry import load
from tests.decoders.brands import COLLECTIONS, shares
from tests.decoders.expected import CLAIMS, Claims, leaf_claims, message_of, reason_for
from tests.decoders.expected_ble import CUT_OFF, SILENT, ble_claims
from tests.decoders.formats import FORMATS
from tests.kit.shared import shared_messages

OURS_ALONE = "wayside_v1"
SHARE_MIN = 0.98
_ASKED = ("payload_hex", "mac", "bindkey", "aes_key", "rssi", "service_uuid", "local_name")
_OBSERVATIONS = msgspec.json.Decoder(list[Observation])

Decode = Callable[[dict[str, Any]], list[Observation] | None]
"""Of one line of the shared data: its observations, `None` where it is refused."""


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
        """The part of all expected values that is matched."""
        return self.matched / max(1, self.expected)

    @property
    def share(self) -> float:
        """The part that is matched of what is not explained."""
        return self.matched / max(1, self.expected - self.explained)


def of_format(form: str) -> Share:
    """The share of a format that a decoder reads."""
    decoder = load(form)

    def decode(line: dict[str, Any]) -> list[Observation] | None:
        try:
            return decoder.decode(message_of(line))
        except DecodeError:
            return None

    return _share(form, decode, CLAIMS.get(form, leaf_claims))


def of_form(form: str) -> Share:
    """The share of a form of bare advertisements."""

    def decode(line: dict[str, Any]) -> list[Observation] | None:
        asked = {name: line[name] for name in _ASKED if line.get(name) is not None} | {"decoder": form}
        answer = msgspec.json.decode(decode_line(msgspec.json.encode(asked)))
        return None if "error" in answer else _OBSERVATIONS.decode(msgspec.json.encode(answer["observations"]))

    found = _share(form, decode, ble_claims)
    silent = sum(word in SILENT for line in shared_messages(form) if not line.get("negative") for word in line.get("expected", ()))
    return found._replace(expected=found.expected + silent, explained=found.explained + silent)


def _share(form: str, decode: Decode, claims: Claims) -> Share:
    lines = [line for line in shared_messages(form) if line["id"] not in CUT_OFF]
    decoded = refused = expected = matched = explained = 0
    for line in lines:
        observations = decode(line)
        decoded += observations is not None
        refused += observations is None and bool(line.get("negative"))
        if line.get("negative") or "expected" not in line:
            continue
        for path, holds in claims(line):
            expected += 1
            if holds(observations or []):
                matched += 1
            elif reason_for(form, path):
                explained += 1
    return Share(len(lines), decoded, refused, expected, matched, explained)


def main() -> int:
    """Print the table; 1 where a format that states something is below the ceiling of misses."""
    table = Table("format", "messages", "decoded", "refused", "expected", "matched", "raw", "explained", "share", title="Real messages")
    found = {form: of_format(form) for form in FORMATS if form != OURS_ALONE and form not in COLLECTIONS}
    found |= {form: of_form(form) for form in sorted(FORMS.keys() - set(COLLECTIONS))}
    for form, one in found.items():
        shown = (f"{one.raw:.1%}", str(one.explained), f"{one.share:.1%}") if one.expected else ("none stated", "", "")
        table.add_row(form, *map(str, (one.messages, one.decoded, one.refused, one.expected, one.matched)), *shown)
    total = Share(*map(sum, zip(*found.values(), strict=True)))
    counts = (total.messages, total.decoded, total.refused, total.expected, total.matched)
    table.add_row("all", *map(str, counts), f"{total.raw:.1%}", str(total.explained), f"{total.share:.1%}", style="bold")
    console = Console(width=110)
    console.print(table)
    brands = [row for collection in COLLECTIONS for row in shares(collection).values()]
    messages, matched = sum(row.messages for row in brands), sum(row.matched for row in brands)
    console.print(f"brands of Bluetooth sensors: {matched} of {messages} messages matched, {matched / max(1, messages):.1%}")
    return 1 if any(one.share < SHARE_MIN for one in found.values() if one.expected > one.explained) else 0


if __name__ == "__main__":
    sys.exit(main())
