"""The scored columns of past proposals worked out anew under another schema, with groups and patterns, from the history log of an export.

So a model can be trained on attributes that were mined after the proposals were made: the values of the person are those that a gateway
with these definitions would have had just before each proposal. Columns of place, moment and offer are not in the log and are copied
from the export.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.attributes.grouping import Mined
from gateway.core.attributes.read import ReadPlan
from gateway.core.attributes.replay import IncompleteLogError, PastDecision, replayed_rows
from gateway.core.attributes.schema import Attribute, Schema
from models.history.columns import COLUMNS, FEATURE_PREFIX
from models.history.fact_log import FactLog, read_log
from models.history.mapping import HistoryError
from models.history.reading import SIDECAR, History, Sidecar, find_tables, read_sidecar

_PROPOSALS = (
    "SELECT rowid, subject, at_ms, kind, facts, {features} FROM interactions_staged WHERE refused_for IS NULL AND what = 'proposed'"
)
_ROWS = "SELECT rowid, {columns} FROM interactions_staged WHERE refused_for IS NULL ORDER BY subject, at_ms, rowid"


class Recomputed(NamedTuple):
    """Columns of the new rows, number of proposals with them, and number without, because the log is incomplete."""

    columns: tuple[str, ...]
    proposals: int
    incomplete: int


def recompute(history: History, folder: Path, out: Path, schema: Schema, mined: Mined) -> Recomputed:
    """Write interactions.csv with new `f_` columns and history.json into `out`, from the export in `folder`, opened as `history`.

    Raises HistoryError if the export has no scored columns or no log, and OSError.
    """
    if history.inputs is None:
        raise HistoryError("the interactions have no f_ columns: only a gateway's export has the proposals that were scored")
    columns = recomputable(schema, history.inputs.columns)
    plan = ReadPlan(schema, columns, (), {}, mined=mined)
    rows, incomplete = _rows(history, plan, read_log(folder))
    out.mkdir(parents=True, exist_ok=True)
    _write(history, out / "interactions.csv", plan, rows)
    before = read_sidecar(find_tables(folder)["interactions"])
    sidecar = Sidecar(plan.columns, plan.digest, msgspec.to_builtins(schema), before.timezone)
    (out / SIDECAR).write_bytes(msgspec.json.encode(sidecar) + b"\n")
    return Recomputed(plan.columns, len(rows), incomplete)


def recomputable(schema: Schema, scored: Sequence[str]) -> tuple[str, ...]:
    """The columns of a schema that a log gives, or that were scored under the same name."""
    return tuple(column for one in schema.attributes for column in one.columns if _is_personal(one) or column in scored)


def _is_personal(one: Attribute) -> bool:
    """Whether an attribute follows from the history of a person, alone or with the offer's category."""
    return one.about == "person" or one.pattern is not None or (one.between is not None and one.between.field in {"by_category", "group"})


def _rows(history: History, plan: ReadPlan, log: FactLog) -> tuple[dict[int, NDArray[np.float32]], int]:
    """Row number -> the new row of each proposal; and the number of proposals that the log does not cover."""
    assert history.inputs is not None
    scored = history.inputs.columns
    table = history.sql(_PROPOSALS.replace("{features}", ", ".join(FEATURE_PREFIX + name for name in scored))).df()
    old = np.full((len(table), len(plan.columns)), np.nan, dtype=np.float32)
    for at, name in enumerate(plan.columns):
        if name in scored:
            old[:, at] = table[FEATURE_PREFIX + name].to_numpy(dtype=np.float32)
    found: dict[int, NDArray[np.float32]] = {}
    incomplete = 0
    for subject, places in table.groupby("subject").indices.items():
        past = [PastDecision(int(table["facts"].iloc[at]), int(table["at_ms"].iloc[at]), table["kind"].iloc[at], old[at]) for at in places]
        facts = log.get(str(subject), ()) if past[0].facts else ()
        try:
            new = list(replayed_rows(plan, facts, past))
        except IncompleteLogError:
            incomplete += len(past)
            continue
        found |= {int(table["rowid"].iloc[at]): row for at, row in zip(places, new, strict=True)}
    return found, incomplete


def _write(history: History, path: Path, plan: ReadPlan, rows: Mapping[int, NDArray[np.float32]]) -> None:
    """All rows of the interactions; a proposal without a new row is left out."""
    names = [column.name for column in COLUMNS["interactions"]]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*names, *(FEATURE_PREFIX + name for name in plan.columns)])
        for number, *values in history.sql(_ROWS.replace("{columns}", ", ".join(names))).fetchall():
            new = rows.get(number)
            if values[names.index("what")] == "proposed" and new is None:
                continue
            scored = [] if new is None else [None if np.isnan(value) else value for value in new.tolist()]
            writer.writerow([*values, *scored, *([None] * (len(plan.columns) - len(scored)))])
