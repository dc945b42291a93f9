"""The export as CSV: interactions.csv, baskets.csv, the history log facts.jsonl, and history.json, which describes the `f_` columns.

`interactions.csv` has one row per visit, decision, answer and purchase, each person's rows in the order of time.
"""

from __future__ import annotations

import csv
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.commands.history.files import private_file
from gateway.commands.history.rows import decision_type
from gateway.core.types import Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from gateway.commands.history.rows import Description, PersonRows, PurchaseRow

Row = dict[str, Any]

INTERACTIONS = (
    *("subject", "at_ms", "what", "zone", "kind", "offer", "decision"),
    *("amount_minor", "dwell_s", "confidence", "propensity", "p_select", "facts", "arm", "intended", "policy"),
)
BASKETS = ("subject", "at_ms", "basket", "item", "quantity", "amount_minor")


def feature_columns(description: Description) -> tuple[str, ...]:
    """Names of the columns of scored values."""
    return tuple(f"f_{name}" for name in description.columns)


def write_csv(people: Iterable[PersonRows], description: Description, folder: Path, now_ms: int) -> tuple[Path, ...]:  # noqa: ARG001 - the signature of `WRITERS`
    """Write both tables, the history log and history.json into `folder`; returns their paths. Raises OSError.

    history.json comes last: after a failure before it, new rows beside the old description are refused if the columns have changed.
    """
    paths = folder / "interactions.csv", folder / "baskets.csv", folder / "facts.jsonl", folder / "history.json"
    columns = feature_columns(description)
    with (
        _table(paths[0], (*INTERACTIONS, *columns)) as interactions,
        _table(paths[1], BASKETS) as baskets,
        private_file(paths[2]) as draft,
        draft.open("wb") as log,
    ):
        for person in people:
            interactions.writerows({"subject": person.subject, **row} for row in _interactions(person, columns))
            baskets.writerows({"subject": person.subject, **row} for row in _baskets(person))
            log.writelines(msgspec.json.encode(fact) + b"\n" for fact in person.facts)
    with private_file(paths[3]) as draft:
        draft.write_bytes(msgspec.json.encode(description) + b"\n")
    return paths


def _interactions(person: PersonRows, columns: tuple[str, ...]) -> list[Row]:
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
            "facts": decision.facts,
            "arm": decision.arm or None,
            "intended": decision.intended,
            "policy": decision.policy,
            **dict(zip(columns, decision.features or (), strict=False)),
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
    """One row a line of a purchase; a purchase without lines is one row, with its category as item."""
    return [
        {"at_ms": one.at_ms, "basket": one.id, "item": line.code, "quantity": line.quantity, "amount_minor": line.amount_minor}
        for one in person.purchases
        for line in lines_of(one)
    ]


def lines_of(purchase: PurchaseRow) -> tuple[Item, ...]:
    """The lines of a purchase, or one line for the whole with its category as item."""
    return purchase.items or (Item(purchase.kind, 1.0, purchase.amount_minor),)


@contextmanager
def _table(path: Path, columns: tuple[str, ...]) -> Iterator[csv.DictWriter[str]]:
    """A CSV file with a header."""
    with private_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        yield writer
