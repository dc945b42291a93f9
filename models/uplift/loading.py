"""A trial from any table: treatment, outcome, units, and all other columns as features, read by `models.dataset`."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from gateway.core.attributes.schema import Attribute
from models.arrays import Floats
from models.dataset.loading import LoadedTable, load_by_columns, load_table
from models.dataset.names import plain_name
from models.dataset.roles import Roles
from models.dataset.source import UNKNOWN
from models.history.mapping import nearest
from models.inputs import Inputs
from models.tables.reading import Counts
from models.uplift.checks import TrialError
from models.uplift.trial import Trial

OTHER_ARM, UNKNOWN_ARM = "other_arm", "unknown_treatment"


class TrialRoles(NamedTuple):
    """Columns of treatment and outcome, positive text of the outcome ("" for yes, true, 1), columns of the unit, columns to leave out.

    `treated` and `control` are the values of the two arms; both "" if the treatment is 0 or 1.
    """

    treatment: str
    outcome: str
    positive: str = ""
    groups: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    treated: str = ""
    control: str = ""

    @property
    def of_table(self) -> Roles:
        """The roles of the table's reader."""
        return Roles(self.outcome, self.positive, self.groups)


class TrialTable(NamedTuple):
    """A trial with the inputs of its rows, the columns of the treatment, the counts of the table's rows and the text of its schema."""

    trial: Trial
    inputs: Inputs
    treatment: tuple[str, ...]
    left_out: dict[str, str]
    counts: Counts
    schema: str


def load_trial(path: Path, roles: TrialRoles, seed: int = 0) -> TrialTable:
    """The trial in the table at `path`. Raises TrialError for an unusable treatment, and as `load_table`."""
    table = load_table(path, roles.of_table, drop=roles.drop, seed=seed)
    columns = {one.column: one for one in table.table.columns}
    if roles.treatment not in columns:
        raise TrialError(f"{path} has no column {roles.treatment!r}{nearest(roles.treatment, columns)}")
    column = columns[roles.treatment]
    attribute = table.inputs.schema.attribute(column.attribute)
    if attribute is None:
        raise TrialError(f"{path}: the treatment {roles.treatment!r} cannot be used: {column.left_out}")
    return _trial(path, table, attribute, roles)


def load_trial_by_columns(path: Path, roles: TrialRoles, schema: Path, columns: tuple[str, ...], treatment: tuple[str, ...]) -> TrialTable:
    """Another trial, by the schema and the columns of a trained model. Raises TrialError, and as `load_by_columns`."""
    table, absent = load_by_columns(path, roles.of_table, schema, (*columns, *treatment))
    if absent:
        raise TrialError(f"{path} lacks the columns of {', '.join(absent)}, which the model reads")
    owners = {column: one for one in table.inputs.used for column in one.columns}
    return _trial(path, table, owners[treatment[0]], roles)


def _trial(path: Path, table: LoadedTable, attribute: Attribute, roles: TrialRoles) -> TrialTable:
    column = table.inputs.coded(table.data.rows, attribute).astype(np.float64)
    arms = _arms(path, column, attribute, roles)
    features = [name for name in table.inputs.columns if name not in attribute.columns]
    if not features:
        raise TrialError(f"{path} has no column besides treatment and outcome that can be a feature")
    places = [table.inputs.columns.index(name) for name in features]
    kept = arms >= 0.0  # false for NaN too
    refused = {UNKNOWN_ARM: int(np.isnan(arms).sum()), OTHER_ARM: int((arms < 0.0).sum())}
    data = table.data
    return TrialTable(
        trial=Trial(
            data.rows[kept][:, places],
            arms[kept].astype(np.int64),
            data.taken[kept],
            np.unique(data.groups[kept], return_inverse=True)[1].astype(np.int64),
        ),
        inputs=Inputs(table.inputs.schema, tuple(features)),
        treatment=tuple(name for name in table.inputs.columns if name in attribute.columns),
        left_out={one.column: one.left_out for one in table.table.columns if one.left_out},
        counts=Counts(
            table.table.rows_in, int(kept.sum()), {**table.table.refused, **{why: rows for why, rows in refused.items() if rows}}
        ),
        schema=table.schema,
    )


def _arms(path: Path, column: Floats, attribute: Attribute, roles: TrialRoles) -> Floats:
    """1 treated, 0 untreated, -1 another arm, NaN unknown, (n,)."""
    shown = dict(enumerate(attribute.values)) if attribute.dtype == "category" else {}
    counted = dict(zip(*np.unique(column[~np.isnan(column)], return_counts=True), strict=True))
    texts = {value: shown.get(int(value), f"{value:g}") for value in counted}
    if not (roles.treated or roles.control):
        if attribute.dtype == "category" or not set(counted) <= {0.0, 1.0}:
            listed = ", ".join(f"{texts[value]} ({rows:,})" for value, rows in sorted(counted.items(), key=lambda pair: -pair[1])[:8])
            more = f" and {len(counted) - 8:,} more" if len(counted) > 8 else ""
            raise TrialError(
                f"{path}: the treatment {roles.treatment!r} is not 0 or 1 but has the values {listed}{more}; name the two arms with "
                "--treated VALUE --control VALUE"
            )
        return column
    by_text = {plain_name(text): value for value, text in texts.items()}
    arms = np.where(np.isnan(column), np.nan, -1.0)
    for text, arm in ((roles.treated, 1.0), (roles.control, 0.0)):
        if plain_name(text) not in by_text:
            hint = ", which is read as unknown: write another text" if text.lower() in UNKNOWN else nearest(text, texts.values())
            raise TrialError(f"{path}: no row has {text!r} in {roles.treatment!r}{hint}")
        arms[column == by_text[plain_name(text)]] = arm
    return arms
