"""`[[columns]]` of a schema file: the columns of a table from which the values of an attribute are read.

An attribute without an entry is read from the column with its name (see `plain_name`), and a category's value from a text with its name.
An entry states another column, or the value for each text. Of several entries for one attribute, the last with a known value counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from gateway.adapters.toml_files import COLUMNS, TomlFileError, load_schema, read_toml
from gateway.core.attributes.convert import Fault, convert
from gateway.core.attributes.schema import Name, Schema
from gateway.core.nearest import nearest
from models.dataset.names import attribute_name
from models.errors import ModelsError


class ColumnsError(ModelsError):
    """The entries of `[[columns]]`, or the schema of a table, cannot be used; one line for each fault, with file and line."""


class ColumnEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values of `attribute` from `column`, or from the first of `also` that the table has: `values` by text, or the text itself."""

    column: str
    attribute: Name
    also: tuple[str, ...] = ()
    values: dict[str, float | str] = {}

    def found_in(self, names: Sequence[str]) -> str | None:
        """The column of a table with these column `names`, or None."""
        return next((name for name in (self.column, *self.also) if name in names), None)


class TableSchema(NamedTuple):
    """A schema, and the entries of its `[[columns]]`."""

    schema: Schema
    entries: tuple[ColumnEntry, ...]


class ReadFrom(NamedTuple):
    """A column (its name and its number in the table) and the values by text, empty for the text itself."""

    column: str
    at: int
    values: Mapping[str, float | str]


def read_table_schema(path: Path) -> TableSchema:
    """The schema file at `path`. Raises ColumnsError with every fault of the schema or of its `[[columns]]`."""
    try:
        schema, file = load_schema(path), read_toml(path)
    except TomlFileError as error:
        raise ColumnsError(str(error)) from error
    faults: list[Fault] = []
    entries = _entries(file.table.get(COLUMNS, []), schema, faults)
    if faults:
        raise ColumnsError(file.placed(faults))
    return TableSchema(schema, entries)


def _entries(table: object, schema: Schema, faults: list[Fault]) -> tuple[ColumnEntry, ...]:
    if not isinstance(table, list):
        faults.append(Fault((COLUMNS,), "expected a list of tables, [[columns]]"))
        return ()
    entries: list[ColumnEntry] = []
    for at, one in enumerate(table):
        entry = convert(ColumnEntry, one, (COLUMNS, at), faults)
        if entry is not None:
            faults += _faults(entry, schema, at)
            entries.append(entry)
    return tuple(entries)


def _faults(entry: ColumnEntry, schema: Schema, at: int) -> Iterable[Fault]:
    attribute = schema.attribute(entry.attribute)
    if attribute is None:
        names = [one.name for one in schema.attributes]
        yield Fault((COLUMNS, at, "attribute"), f"{entry.attribute!r} is no attribute of the schema{nearest(entry.attribute, names)}")
        return
    for text, value in entry.values.items():
        if attribute.dtype == "category" and value not in attribute.values:
            yield Fault(
                (COLUMNS, at, "values"), f"{value!r} for {text!r} is no value of {attribute.name}{nearest(str(value), attribute.values)}"
            )
        if attribute.dtype != "category" and not isinstance(value, float):
            yield Fault((COLUMNS, at, "values"), f"{value!r} for {text!r} is no number, and {attribute.name} is a {attribute.dtype}")


def columns_of(table: TableSchema, names: Sequence[str]) -> dict[str, tuple[ReadFrom, ...]]:
    """By attribute, the columns of a table with these column `names` that it is read from, the first to count first.

    An attribute without a column is not in the result.
    """
    by_name: dict[str, list[str]] = {}
    claimed = {entry.found_in(names) for entry in table.entries}
    for name in names:
        if name not in claimed:
            by_name.setdefault(attribute_name(name), []).append(name)
    found: dict[str, tuple[ReadFrom, ...]] = {}
    for attribute in table.schema.attributes:
        stated = [entry for entry in table.entries if entry.attribute == attribute.name]
        read = [
            ReadFrom(column, names.index(column), entry.values)
            for entry in reversed(stated)
            if (column := entry.found_in(names)) is not None
        ]
        if not stated and len(same := by_name.get(attribute.name, [])) == 1:
            read = [ReadFrom(same[0], names.index(same[0]), {})]
        if read:
            found[attribute.name] = tuple(read)
    return found
