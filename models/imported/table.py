"""Rows of attribute values in a table: CSV, Parquet or arrays of numpy, one column an attribute, as the rows of a model.

A category is a column of texts with the attribute's name, or one 0/1 column a value. An empty cell is unknown. Every text that is no value
of its attribute refuses the table, because a model that never sees it would be measured on other rows than the maker meant.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pandas as pd

from gateway.core.attributes.schema import Attribute
from gateway.core.nearest import nearest
from models.arrays import Floats, Ints, Rows
from models.inputs import Inputs
from models.tables.reading import TableError, read_all

_FLAGS = {"1": 1.0, "1.0": 1.0, "true": 1.0, "yes": 1.0, "0": 0.0, "0.0": 0.0, "false": 0.0, "no": 0.0}


class Labelled(NamedTuple):
    """Outcomes 0/1, (n,), and the number of each row's group, (n,): of rows that belong together, such as those of one person."""

    taken: Ints
    groups: Ints


class Table:
    """A table of texts, numbers or both. Raises TableError if the file cannot be read or holds no rows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        readers = {".parquet": _parquet, ".npz": _arrays}
        self._frame = readers.get(path.suffix.lower(), read_all)(path)
        if self._frame.empty:
            raise TableError(f"{path} holds no rows")

    def rows(self, inputs: Inputs) -> Rows:
        """The rows float32 (n, columns) of a model with these inputs. Raises TableError that names column and first row of each fault."""
        found = np.full((len(self._frame), len(inputs.columns)), np.nan, np.float32)
        places = {column: at for at, column in enumerate(inputs.columns)}
        for one in inputs.used:
            if not any(column in places for column in one.columns):
                continue
            for column, values in self._values(one, inputs).items():
                if column in places:
                    found[:, places[column]] = _bounded(one, values)
        return found

    def labelled(self, target: str, group: str | None) -> Labelled:
        """The outcomes in the column `target`, and groups by the column `group`; without it each row is a group.

        Raises TableError for an absent column, and for outcomes that are not of two kinds.
        """
        outcomes = self._flags(target)
        if np.isnan(outcomes).any() or len(np.unique(outcomes)) < 2:
            raise TableError(f"{self._path}: the outcomes in {target!r} must be known, some 0 and some 1")
        groups = np.arange(len(outcomes)) if group is None else pd.factorize(self._column(group))[0]
        return Labelled(outcomes.astype(np.int64), groups.astype(np.int64))

    def _values(self, one: Attribute, inputs: Inputs) -> dict[str, Floats]:
        if one.name not in self._frame and one.dtype == "category" and all(column in self._frame for column in one.columns):
            return {column: self._flags(column) for column in one.columns}
        if one.name not in self._frame and one.between is not None and one.between.by_category:
            return {one.name: self._by_category(one, inputs)}
        if one.dtype == "category":
            return self._category(one)
        return {one.name: self._flags(one.name) if one.dtype == "flag" else self.numbers(one.name)}

    def _category(self, one: Attribute) -> dict[str, Floats]:
        texts = self._texts(one.name)
        wrong = ~texts.isin([*one.values, ""])  # noqa: PD011 - an attribute's values
        self._refuse(one.name, wrong.to_numpy(), f"is no value of {one.name!r}", one.values)
        return {
            column: np.where(texts == "", np.nan, (texts == value).astype(np.float64))
            for column, value in zip(one.columns, one.values, strict=True)
        }

    def _by_category(self, one: Attribute, inputs: Inputs) -> Floats:
        """The number of the person that belongs to the category of the row's offer."""
        assert one.between is not None
        if inputs.category is None:
            return self.numbers(one.name)
        offered = self._column(inputs.category.name)
        found = np.full(len(self._frame), np.nan)
        for category, name in one.between.by_category.items():
            of = (offered == category).to_numpy()
            found[of] = self.numbers(name)[of]
        return found

    def numbers(self, name: str) -> Floats:
        """A column as numbers, (n,), NaN for empty cells. Raises TableError for other texts."""
        column = self._column(name)
        numbers = pd.to_numeric(column, errors="coerce")
        self._refuse(name, (numbers.isna() & column.notna() & (column.astype(str) != "")).to_numpy(), "is no number")
        values: Floats = numbers.to_numpy(np.float64)
        return values

    def _flags(self, name: str) -> Floats:
        texts = self._texts(name).str.casefold()
        self._refuse(name, (~texts.isin([*_FLAGS, ""])).to_numpy(), "is no flag; write 1 or 0")
        flags: Floats = np.asarray(texts.map(_FLAGS), np.float64)
        return flags

    def _texts(self, name: str) -> Any:
        """A column as texts, empty where it is unknown."""
        column = self._column(name)
        return column.astype(object).where(column.notna(), "").astype(str)

    def _column(self, name: str) -> Any:
        if name not in self._frame:
            raise TableError(f"{self._path} has no column {name!r}{nearest(name, [str(column) for column in self._frame.columns])}")
        return self._frame[name]

    def _refuse(self, name: str, wrong: np.ndarray, fault: str, known: tuple[str, ...] = ()) -> None:
        if wrong.any():
            first = int(np.argmax(wrong))
            text = str(self._frame[name].iloc[first])
            hint = nearest(text, known) if known else ""
            raise TableError(f"{self._path}: {int(wrong.sum())} rows of {name!r}: {text!r} (row {first + 1}) {fault}{hint}")


def _bounded(one: Attribute, values: Floats) -> Floats:
    """Values clipped to the bounds of the attribute, as on a gateway."""
    low, high = -np.inf if one.low is None else one.low, np.inf if one.high is None else one.high
    bounded: Floats = np.clip(values, low, high)
    return bounded


def _parquet(path: Path) -> pd.DataFrame:
    try:
        found: pd.DataFrame = duckdb.connect(config={"threads": 1}).read_parquet(str(path)).df()
    except duckdb.Error as error:
        raise TableError(f"{path} is no Parquet file ({' '.join(str(error).split())[:120]})") from error
    return found


def _arrays(path: Path) -> pd.DataFrame:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return pd.DataFrame({name: arrays[name] for name in arrays.files})
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise TableError(f"{path} is no .npz file with one array (n,) a column ({str(error)[:120]})") from error
