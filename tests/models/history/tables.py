"""Small histories written by hand, and a runner of the command line."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from models import cli
from models.inputs import Inputs
from models.tables.coupon import INPUTS

DAY_MS = 86_400_000
START_MS = 1_767_225_600_000  # 2026-01-01
BASKET_COLUMNS = ("subject", "at_ms", "basket", "item", "quantity", "amount_minor")
FEATURES = tuple(f"f_{name}" for name in INPUTS.columns)
INTERACTION_COLUMNS = ("subject", "at_ms", "what", "zone", "kind", "offer", "decision", "amount_minor", "p_select", "propensity")

Row = Mapping[str, object]


def write(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> Path:
    """Rows as a CSV file; a column missing in a row is empty."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def line(subject: str, day: int, item: str = "tea", amount: object = 100, quantity: object = 1) -> dict[str, object]:
    """One row of a basket; a subject has one basket a day."""
    return {
        "subject": subject,
        "at_ms": START_MS + day * DAY_MS,
        "basket": f"{subject}-{day}",
        "item": item,
        "quantity": quantity,
        "amount_minor": amount,
    }


def baskets(path: Path, rows: Iterable[Row]) -> Path:
    """A table of baskets."""
    return write(path, BASKET_COLUMNS, rows)


def happened(subject: str, minute: float, what: str, **more: object) -> dict[str, object]:
    """One row of interactions."""
    return {"subject": subject, "at_ms": START_MS + round(minute * 60_000), "what": what, **more}


def interactions(path: Path, rows: Iterable[Row], columns: Sequence[str] = INTERACTION_COLUMNS, inputs: Inputs = INPUTS) -> Path:
    """A table of interactions, with its sidecar."""
    sidecar = {"columns": inputs.columns, "digest": "0" * 16, "schema": inputs.schema, "timezone": "Europe/Berlin"}
    (path.parent / "history.json").write_bytes(msgspec.json.encode(sidecar))
    return write(path, columns, rows)


def proposed(subject: str, minute: float, decision: str, **features: float) -> dict[str, object]:
    """A proposal with every feature 0 but those given."""
    row = happened(subject, minute, "proposed", decision=decision, offer="o", zone="z", p_select=0.5, propensity=0.2)
    return row | dict.fromkeys(FEATURES, 0.0) | {f"f_{name}": value for name, value in features.items()}


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The exit code of `wayside-models` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["wayside-models", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert isinstance(end.value.code, int)
    return end.value.code
