"""A trial from a table: treatment, outcome, units, and all other columns as features.

A column of numbers is read as numbers, a column of at most CATEGORIES_MAX texts as one 0/1 column a text; other columns (names, ids,
free text) and columns with a single value are left out. A trained model keeps its columns, by which another table is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import msgspec
import numpy as np
import pandas as pd

from models.arrays import Floats, Rows
from models.history.mapping import nearest
from models.tables.reading import Counts, TableError, read_all
from models.uplift.trial import Trial

CATEGORIES_MAX = 24
_NUMBERS_SHARE = 0.95  # of the known values of a column of numbers
_TRUTHS = {"1": 1, "0": 0, "1.0": 1, "0.0": 0, "true": 1, "false": 0, "yes": 1, "no": 0}
_SHOWN = 8


class Feature(msgspec.Struct, frozen=True):
    """A feature column: `categories`, each a 0/1 column; none for a number. `low` and `high` bound most known numbers."""

    name: str
    categories: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns in the rows of a model."""
        return tuple(f"{self.name}={value}" for value in self.categories) or (self.name,)


class Roles(NamedTuple):
    """Columns of treatment, outcome and unit ("" if every row is one), columns to leave out, and the treatment's two values, if not 0/1."""

    treatment: str
    outcome: str
    group: str = ""
    drop: tuple[str, ...] = ()
    treated: str = ""
    control: str = ""


class TrialTable(NamedTuple):
    """A trial, its features, the reasons why other columns are left out, and the counts of the rows."""

    trial: Trial
    features: tuple[Feature, ...]
    left_out: dict[str, str]
    counts: Counts

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the rows."""
        return tuple(column for feature in self.features for column in feature.columns)


def read_trial(path: Path, roles: Roles, features: Sequence[Feature] | None = None) -> TrialTable:
    """The trial in the CSV or Parquet file at `path`, by its own features or by those of a trained model.

    Raises TableError if it cannot be read, lacks a column, or treatment or outcome have other values than 0 and 1.
    """
    table = _read(path)
    for name in (roles.treatment, roles.outcome, *((roles.group,) if roles.group else ()), *roles.drop):
        if name not in table.columns:
            raise TableError(f"{path} has no column {name!r}{nearest(name, [str(one) for one in table.columns])}")
    treated = _treatment(path, table[roles.treatment], roles)
    outcome = _coded(path, table[roles.outcome], roles.outcome, "add an own column with 0 and 1")
    reasons = {f"unknown_{roles.treatment}": np.isnan(treated), f"unknown_{roles.outcome}": np.isnan(outcome)}
    reasons[f"other_{roles.treatment}"] = treated < 0
    if roles.group:
        reasons[f"unknown_{roles.group}"] = table[roles.group].isna().to_numpy()
    kept, refused = np.ones(len(table), np.bool_), {}
    for reason, wrong in reasons.items():
        if rows := int((wrong & kept).sum()):
            refused[reason] = rows
        kept &= ~wrong
    if not kept.any():
        raise TableError(f"{path}: no row has both a treatment and an outcome")
    rest = table[kept].drop(columns=[roles.treatment, roles.outcome, *roles.drop, *((roles.group,) if roles.group else ())])
    known, left_out = (tuple(features), {}) if features is not None else _features(rest)
    if not known:
        raise TableError(f"{path} has no column that can be a feature: {'; '.join(f'{name}: {why}' for name, why in left_out.items())}")
    units = np.unique(table[roles.group][kept].astype(str), return_inverse=True)[1] if roles.group else np.arange(int(kept.sum()))
    trial = Trial(_rows(path, rest, known), treated[kept].astype(np.int64), outcome[kept].astype(np.int64), units.astype(np.int64))
    return TrialTable(trial, known, left_out, Counts(len(table), int(kept.sum()), refused))


def drawn_rows(features: Sequence[Feature], count: int, seed: int) -> Rows:
    """Random rows float32 (count, columns) within the bounds of the features, a fifth of the values unknown; no row of a table."""
    draws = np.random.default_rng(seed)
    blocks = []
    for feature in features:
        if feature.categories:
            block = np.eye(len(feature.categories))[draws.integers(len(feature.categories), size=count)]
        else:
            block = draws.uniform(feature.low, feature.high, (count, 1))
            block[::2] = np.floor(block[::2])
        block[draws.random(count) < 0.2] = np.nan
        blocks.append(block)
    return np.hstack(blocks).astype(np.float32)


def _read(path: Path) -> pd.DataFrame:
    """All columns as texts."""
    if path.suffix != ".parquet":
        return read_all(path)
    try:
        texts: pd.DataFrame = duckdb.read_parquet(str(path)).df().astype("string").astype(object)
    except duckdb.Error as error:
        raise TableError(f"{path} is not a Parquet table ({str(error)[:120]})") from error
    return texts.where(texts.notna(), np.nan)


def _treatment(path: Path, column: pd.Series[str], roles: Roles) -> Floats:
    """1 treated, 0 untreated, -1 another arm, NaN unknown, (n,)."""
    if not (roles.treated or roles.control):
        return _coded(path, column, roles.treatment, "name the two arms with --treated VALUE --control VALUE")
    texts = column.str.strip()
    for value in (roles.treated, roles.control):
        if not (texts == value).any():
            raise TableError(f"{path}: no row has {value!r} in {roles.treatment!r}{nearest(value, list(texts.dropna().unique()))}")
    arms = np.full(len(texts), -1.0)
    for value, arm in ((roles.treated, 1.0), (roles.control, 0.0)):
        arms[(texts == value).to_numpy(dtype=np.bool_)] = arm
    arms[texts.isna().to_numpy(dtype=np.bool_)] = np.nan
    return arms


def _coded(path: Path, column: pd.Series[str], name: str, remedy: str) -> Floats:
    """The column as 0 and 1, NaN unknown, (n,). Raises TableError with the values of a column that has others."""
    texts = column.str.strip().str.lower()
    numbers = np.array([_TRUTHS.get(text, np.nan) for text in texts], dtype=np.float64)
    if (np.isnan(numbers) & texts.notna().to_numpy()).any():
        counted = column.value_counts()
        shown = ", ".join(f"{value} ({rows:,})" for value, rows in counted.head(_SHOWN).items())
        more = f" and {len(counted) - _SHOWN:,} more" if len(counted) > _SHOWN else ""
        raise TableError(f"{path}: {name!r} is not 0 or 1 but has the values {shown}{more}; {remedy}")
    return numbers


def _features(table: pd.DataFrame) -> tuple[tuple[Feature, ...], dict[str, str]]:
    found, left_out = [], {}
    for name in map(str, table.columns):
        texts = table[name].dropna()
        numbers = pd.to_numeric(texts, errors="coerce")
        if texts.nunique() < 2:
            left_out[name] = "a single value"
        elif numbers.notna().mean() >= _NUMBERS_SHARE:
            finite = numbers[np.isfinite(numbers)]
            found.append(Feature(name, (), *(float(bound) for bound in finite.quantile((0.01, 0.99)))))
        elif texts.nunique() <= CATEGORIES_MAX:
            found.append(Feature(name, tuple(sorted(texts.unique()))))
        else:
            left_out[name] = f"{texts.nunique():,} different texts"
    return tuple(found), left_out


def _rows(path: Path, table: pd.DataFrame, features: Sequence[Feature]) -> Rows:
    absent = [feature.name for feature in features if feature.name not in table.columns]
    if absent:
        raise TableError(f"{path} lacks the columns {', '.join(absent)}, which the model reads")
    blocks = []
    for feature in features:
        texts = table[feature.name]
        if feature.categories:
            block = np.array([texts == value for value in feature.categories], dtype=np.float64).T
            block[texts.isna().to_numpy()] = np.nan
        else:
            block = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64)[:, np.newaxis]
        blocks.append(np.where(np.isfinite(block), block, np.nan))
    return np.hstack(blocks).astype(np.float32)
