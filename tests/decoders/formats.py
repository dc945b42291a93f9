"""The formats with a file of hand-made cases; all tests of formats run on each of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from gateway.core.types import Message
from gateway.decoders.conformance.checks import Case, parse_cases

_CASES = Path(__file__).parent / "cases"
FORMATS = tuple(sorted(path.stem for path in _CASES.glob("*.jsonl")))
UNCOLLECTED = frozenset({"axis_people_counter", "footfallcam", "homeassistant", "lorawan_bytes", "terabee", "wayside_v1", "xovis"})
"""Formats without captured messages in the shared data; the hand-made cases follow the publications of the makers."""
COLLECTED = tuple(form for form in FORMATS if form not in UNCOLLECTED)


def cases_messages(form: str) -> list[Message]:
    """The messages of the cases of one format; none where it has no cases."""
    return [case.message for case in cases_of(form)] if form in FORMATS else []


@cache
def cases_of(form: str) -> list[Case]:
    """The cases of one format."""
    return parse_cases((_CASES / f"{form}.jsonl").read_text(encoding="utf-8").splitlines())
