"""Records that left the gateways, compared with the truth: offers sent by zone (with noise), and personal identifiers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from firmware_sim.people.truth import LoadedTruth
from firmware_sim.score.history import HistoryError


class Records(NamedTuple):
    """Offers sent by zone in (noised) records and on phones; `leaks` counts lines that contain a person's name, tag or decision code."""

    lines: int
    told: dict[str, int]
    received: dict[str, int]
    leaks: int


def score(file: Path, known: LoadedTruth) -> Records:
    """Read records from JSON lines, each a single record or a batch.

    Raises HistoryError if a line is no JSON, and OSError if the file cannot be read.
    """
    identifiers = _identifiers(known)
    told: Counter[str] = Counter()
    lines = leaks = 0
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        lines += 1
        leaks += any(name in line for name in identifiers)
        try:
            record = json.loads(line)
        except ValueError as error:
            raise HistoryError(f"{file}:{number}: not JSON: {error}") from error
        for item in _each(record):
            if item.get("type") == "hours":
                told.update(dict(zip(item["zones"], item["counts"], strict=True)))
    received = Counter(row["zone"] for row in known.tables["offers"])
    return Records(lines, dict(sorted(told.items())), dict(sorted(received.items())), leaks)


def _each(record: Any) -> list[dict[str, Any]]:
    items = record.get("records", [record]) if isinstance(record, dict) else []
    return [item for item in items if isinstance(item, dict)]


def _identifiers(known: LoadedTruth) -> list[str]:
    """Identifiers of people: phone names, the app's beacon UUID, decision codes."""
    app = known.world.scenario.phones.app_uuid
    codes = {row["decision"] for row in known.tables["offers"] if row["decision"]}
    return [app, *known.walkers, *sorted(codes)]
