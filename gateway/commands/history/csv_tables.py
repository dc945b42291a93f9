"""The export as CSV: interactions.csv, baskets.csv, and history.json with the hash of the feature table.

`interactions.csv` has one row per visit, decision, answer and purchase, each person's rows in the order of time.
"""

from __future__ import annotations

import csv
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.commands.history.files import private_file
from gateway.commands.history.rows import decision_type
from gateway.core import features

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from gateway.commands.history.rows import PersonRows

Row = dict[str, Any]

FEATURE_COLUMNS = tuple(f"f_{name}" for name in features.NAMES)
INTERACTIONS = (
    *("subject", "at_ms", "what", "zone", "kind", "offer", "decision", "amount_minor", "dwell_s", "confidence", "propensity", "p_select"),
    *FEATURE_COLUMNS,
)
BASKETS = ("subject", "at_ms", "basket", "item", "quantity", "amount_minor")


def write_csv(people: Iterable[PersonRows], folder: Path, now_ms: int) -> tuple[Path, ...]:  # noqa: ARG001 - the signature of `WRITERS`
    """Write both tables and history.json into `folder`; returns their paths. Raises OSError.

    history.json comes last: after a failure before it, new rows beside the old hash are refused if the feature table has changed.
    """
    paths = folder / "interactions.csv", folder / "baskets.csv", folder / "history.json"
    with _table(paths[0], INTERACTIONS) as interactions, _table(paths[1], BASKETS) as baskets:
        for person in people:
            interactions.writerows({"subject": person.subject, **row} for row in _interactions(person))
            baskets.writerows({"subject": person.subject, **row} for row in _baskets(person))
    with private_file(paths[2]) as draft:
        draft.write_bytes(msgspec.json.encode({"features_hash": features.SCHEMA_HASH}) + b"\n")
    return paths


def _interactions(person: PersonRows) -> list[Row]:
    decisions = {decision.id: decision for decision in person.decisions}
    rows: list[Row] = [
        {
            "at_ms": visit.entered_ms,
            "what": "visit",
            "zone": visit.zone,
            "kind": visit.kind,
            "dwell_s": (visit.left_ms - visit.entered_ms) / 1000,
            "confidence": visit.confidence,
        }
        for visit in person.visits
    ]
    rows += [
        {
            "at_ms": decision.at_ms,
            "what": decision_type(decision),
            "zone": decision.zone,
            "kind": decision.kind,
            "offer": decision.offer,
            "decision": decision.id,
            "propensity": decision.propensity,
            "p_select": decision.p_select,
            **dict(zip(FEATURE_COLUMNS, decision.features or (), strict=False)),
        }
        for decision in person.decisions
    ]
    for answer in person.answers:
        decision = decisions[answer.decision]
        row: Row = {"zone": decision.zone, "kind": decision.kind, "offer": decision.offer, "decision": decision.id}
        rows.append({"at_ms": answer.at_ms, "what": answer.kind, **row})
    for purchase in person.purchases:
        decision = decisions[purchase.decision]
        row = {"zone": purchase.zone, "kind": purchase.kind, "offer": decision.offer, "decision": decision.id}
        rows.append({"at_ms": purchase.at_ms, "what": "purchase", "amount_minor": purchase.amount_minor, **row})
    return sorted(rows, key=lambda row: int(row["at_ms"]))


def _baskets(person: PersonRows) -> list[Row]:
    return [
        {"at_ms": one.at_ms, "basket": one.id, "item": one.kind, "quantity": 1, "amount_minor": one.amount_minor}
        for one in person.purchases
    ]


@contextmanager
def _table(path: Path, columns: tuple[str, ...]) -> Iterator[csv.DictWriter[str]]:
    """A CSV file with a header."""
    with private_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        yield writer
