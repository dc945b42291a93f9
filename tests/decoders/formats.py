"""The six formats of the house and where their hand-made cases are."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from gateway.decoders.checks import Case, parse_cases

FORMATS = ("espresense", "minew_gateway_json", "owntracks", "ruuvi_gateway", "wayside_v1", "zigbee2mqtt")
_CASES = Path(__file__).parent / "cases"


@cache
def cases_of(form: str) -> list[Case]:
    """The cases of one format."""
    return parse_cases((_CASES / f"{form}.jsonl").read_text(encoding="utf-8").splitlines())
