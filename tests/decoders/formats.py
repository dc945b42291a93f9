"""The formats of the house: each that has a file of hand-made cases is held to everything that the tests ask."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from gateway.decoders.conformance.checks import Case, parse_cases

_CASES = Path(__file__).parent / "cases"
FORMATS = tuple(sorted(path.stem for path in _CASES.glob("*.jsonl")))


@cache
def cases_of(form: str) -> list[Case]:
    """The cases of one format."""
    return parse_cases((_CASES / f"{form}.jsonl").read_text(encoding="utf-8").splitlines())
