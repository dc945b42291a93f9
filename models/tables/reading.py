"""Common parts of all readers: a table's columns as texts, and a filter that counts rejected rows by reason.

Values are read as texts, and each column is parsed into numbers or categories by a rule of its reader. A row that breaks a
rule is rejected with the name of the first rule that it breaks. A table without a required column is refused.
"""

from __future__ import annotations

import lzma
import zlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.errors import ModelsError


class TableError(ModelsError):
    """A table cannot be read; the message names the file and the reason."""


class Counts(msgspec.Struct, frozen=True):
    """Rows of a file, rows used, and rows refused by reason."""

    rows_in: int
    rows_used: int
    refused: Mapping[str, int]


class RowFilter:
    """Parses the columns of a table of texts, and rejects rows; the first rule that rejects a row is counted as the reason."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._table = table
        self._kept: NDArray[np.bool_] = np.ones(len(table), dtype=np.bool_)
        self._refused: Counter[str] = Counter()

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Whether each row is not rejected so far, (n,)."""
        return self._kept

    def reject(self, rows: NDArray[np.bool_], reason: str) -> None:
        """Reject the rows where `rows` (n,) is true, unless rejected already."""
        fresh = rows & self._kept
        if fresh.any():
            self._refused[reason] += int(fresh.sum())
            self._kept = self._kept & ~fresh

    def number(self, column: str, low: float = -np.inf, high: float = np.inf) -> NDArray[np.float64]:
        """The column as finite numbers within [low, high], (n,); other rows are rejected as `unknown_{column}`."""
        values = pd.to_numeric(self._table[column], errors="coerce").to_numpy(dtype=np.float64)
        with np.errstate(invalid="ignore"):
            self.reject(~(np.isfinite(values) & (values >= low) & (values <= high)), f"unknown_{column}")
        return values

    def category(self, column: str, categories: Collection[str]) -> NDArray[np.str_]:
        """The column as texts out of `categories`, (n,); other rows are rejected as `unknown_{column}`."""
        texts = self._table[column].fillna("").to_numpy(dtype=str)
        self.reject(~np.isin(texts, list(categories)), f"unknown_{column}")
        return texts

    def coded(self, column: str, codes: Mapping[str, float]) -> NDArray[np.float64]:
        """The numbers of the column's categories, (n,); other rows are rejected as `unknown_{column}`."""
        texts = self.category(column, codes.keys())
        return np.array([codes.get(text, np.nan) for text in texts], dtype=np.float64)

    def timestamp(self, column: str) -> NDArray[np.datetime64]:
        """The column as times in UTC with a resolution of seconds, (n,), UTC if no time zone is given; other rows are rejected."""
        moments = pd.to_datetime(self._table[column], errors="coerce", utc=True, format="ISO8601")
        self.reject(moments.isna().to_numpy(dtype=np.bool_), f"unknown_{column}")
        return moments.dt.tz_localize(None).to_numpy(dtype="datetime64[s]")

    def counts(self) -> Counts:
        """Rows of the table, rows kept, and rejected rows by reason."""
        return Counts(rows_in=len(self._table), rows_used=int(self._kept.sum()), refused=dict(self._refused))


def read_texts(path: Path, columns: Sequence[str], separator: str = ",") -> pd.DataFrame:
    """The named columns of the CSV file at `path` (may be compressed) as texts, absent values NaN.

    Raises TableError if the file cannot be read, lacks a column or has no rows.
    """
    table = read_all(path, separator)
    require_columns(path, table, columns)
    if table.empty:
        raise TableError(f"{path} holds no rows")
    return table[list(columns)]


def require_columns(path: Path, table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raises TableError if a column is missing; if the header is a single cell, the message names its likely separator."""
    missing = [name for name in columns if name not in table.columns]
    if not missing:
        return
    present = ", ".join(map(str, table.columns))[:300]
    between = [sign for sign in ";\t|" if len(table.columns) == 1 and sign in present]
    hint = f"; {between[0]!r} seems to separate its columns, and a comma should" if between else ""
    raise TableError(f"{path} lacks the columns {', '.join(missing)}; it has {present}{hint}")


def read_all(path: Path, separator: str = ",") -> pd.DataFrame:
    """Every column of the CSV file at `path` (may be compressed) as texts. Raises TableError if the file cannot be read."""
    try:
        return pd.read_csv(path, dtype=str, sep=separator)
    except OSError as error:
        raise TableError(f"{path} cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path} is not a CSV table in UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise TableError(f"{path} is not a CSV table ({str(error).strip()[:120]})") from error
