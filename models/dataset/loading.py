"""From the file of a table to a training set: staged, profiled, described by a schema, read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gateway.core.nearest import nearest
from models.dataset import matrix, profile
from models.dataset.columns import ReadFrom, TableSchema, columns_of, read_table_schema
from models.dataset.names import attribute_name
from models.dataset.proposal import propose, schema_text
from models.dataset.roles import Labels, Roles, read_labels
from models.dataset.source import ROWS_MAX, Source, open_source
from models.inputs import Inputs
from models.propensity.masking import mask
from models.propensity.training_set import TrainingSet
from models.report import ColumnReport, TableReport
from models.screen import progressing
from models.tables.reading import TableError

SCHEMA_FILE = "schema.toml"


class LoadedTable(NamedTuple):
    """A training set with masked rows, its columns, the report of the table, and the text of its schema file."""

    data: TrainingSet
    inputs: Inputs
    table: TableReport
    schema: str


class _Described(NamedTuple):
    """A schema with its text, the columns that each attribute is read from, and the report of every column."""

    table: TableSchema
    read: Mapping[str, Sequence[ReadFrom]]
    columns: tuple[ColumnReport, ...]
    text: str


def load_table(
    path: Path, roles: Roles, *, schema: Path | None = None, drop: Sequence[str] = (), rows_max: int = ROWS_MAX, seed: int = 0
) -> LoadedTable:
    """The table at `path`, by a schema file or by a schema that is proposed from it, without the columns in `drop`.

    Raises TableError if it cannot be used, ColumnsError if the schema file cannot, HistoryError if the file is no table.
    """
    with open_source(path, roles.groups, rows_max, seed) as source:
        labels = read_labels(source, roles)
        described = _proposed(source, roles, drop) if schema is None else _stated(source, read_table_schema(schema), schema, roles, drop)
        loaded = _read(source, roles, labels, described)
    return loaded._replace(data=loaded.data._replace(masked=mask(loaded.data.rows, loaded.inputs, seed)))


def load_by_columns(
    path: Path, roles: Roles, schema: Path, columns: tuple[str, ...], *, rows_max: int = ROWS_MAX, seed: int = 0
) -> tuple[LoadedTable, list[str]]:
    """Another table by the schema and the columns of a trained model, and the attributes that it has no column for, which are unknown.

    Raises as `load_table`, and TableError if the table has none of the columns.
    """
    inputs = Inputs(read_table_schema(schema).schema, columns)
    with open_source(path, roles.groups, rows_max, seed) as source:
        labels = read_labels(source, roles)
        described = _stated(source, read_table_schema(schema), schema, roles, ())
        names = {one.name for one in inputs.used}
        described = described._replace(read={name: places for name, places in described.read.items() if name in names})
        loaded = _read(source, roles, labels, described)
    rows = np.full((len(loaded.data.taken), len(columns)), np.nan, np.float32)
    present = {column: at for at, column in enumerate(loaded.inputs.columns)}
    for at, column in enumerate(columns):
        if column in present:
            rows[:, at] = loaded.data.rows[:, present[column]]
    absent = [one.name for one in inputs.used if len(inputs.positions(one)) and not present.keys() & set(one.columns)]
    return loaded._replace(data=loaded.data._replace(rows=rows, names=columns, inputs=inputs), inputs=inputs), absent


def _proposed(source: Source, roles: Roles, drop: Sequence[str]) -> _Described:
    for name in drop:
        source.column(name)
    with progressing(f"profiling {source.path.name}", profile.steps_of(source)) as step:
        profiles = profile.profiles(source, step)
    proposal = propose(profiles, _roles(roles), drop)
    if not proposal.features:
        left_out = "; ".join(f"{name}: {reason}" for name, reason in list(proposal.left_out.items())[:8])
        raise TableError(f"{source.path} has no column that can be a feature; {left_out}")
    attributes = {one.name: of.name for one, of in proposal.features}
    columns = tuple(ColumnReport(one.name, one.kind, attributes.get(one.name, ""), proposal.left_out.get(one.name, "")) for one in profiles)
    read = {name: places for name, places in columns_of(proposal.table, source.names).items() if name in attributes.values()}
    return _Described(proposal.table, read, columns, schema_text(proposal, source.path.name, source.rows))


def _stated(source: Source, table: TableSchema, path: Path, roles: Roles, drop: Sequence[str]) -> _Described:
    read = columns_of(table, source.names)
    owners = {place.column: name for name, places in read.items() for place in places}
    for name in drop:
        if name not in source.names and attribute_name(name) not in read:
            raise TableError(f"{source.path} has no column {name!r}{nearest(name, source.names)}")
    dropped = {owners.get(name, attribute_name(name)) for name in drop}
    kept = {name: places for name, places in read.items() if name not in dropped}
    if not kept:
        raise TableError(f"{source.path} has no column for an attribute of {path}{nearest(table.schema.attributes[0].name, source.names)}")
    role = _roles(roles)
    columns = tuple(
        ColumnReport(name, "", owners.get(name, ""), role.get(name, "" if name in owners else "not in the schema")) for name in source.names
    )
    return _Described(table, kept, columns, path.read_text(encoding="utf-8"))


def _read(source: Source, roles: Roles, labels: Labels, described: _Described) -> LoadedTable:
    with progressing(f"reading {source.path.name}", matrix.steps_of(len(described.read))) as step:
        values = matrix.read_matrix(source, described.table.schema, described.read, labels, step)
    inputs = Inputs(described.table.schema, values.columns)
    table = TableReport(
        name=source.path.name,
        sha256=_digest(source.path),
        rows_in=source.rows_in,
        rows_used=len(labels.taken),
        refused=labels.refused,
        target=roles.target,
        positive=labels.positive,
        groups=roles.groups,
        time="in the order of the rows" if roles.ordered else roles.time,
        not_drawn=source.rows_in - source.malformed - source.rows,
        columns=described.columns,
        unreadable=values.unreadable,
    )
    data = TrainingSet(values.rows, labels.taken, labels.groups, labels.times, names=values.columns, inputs=inputs)
    return LoadedTable(data, inputs, table, described.text)


def _roles(roles: Roles) -> dict[str, str]:
    return {roles.target: "the outcome", **dict.fromkeys(roles.groups, "the group"), **({roles.time: "the time"} if roles.time else {})}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
