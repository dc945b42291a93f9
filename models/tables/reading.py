"""What every reader of a published table needs: the named columns as texts, and a sieve that counts what it holds back.

A published table is as foreign as a message. Nothing is guessed: values arrive as texts, each column is turned into
numbers or words by a rule that its reader states, and a row that breaks one is left out under the name of the first
rule it broke. A table that lacks a column is refused whole, with the columns named.
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
    """A published table cannot be read; the text says which and why."""


class Counts(msgspec.Struct, frozen=True):
    """How many rows a file held, how many are used, and why the others are not."""

    rows_in: int
    rows_used: int
    refused: Mapping[str, int]


class Sieve:
    """Rows of texts on their way to numbers. Every rule may hold rows back; the first one that does is the reason that counts."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._table = table
        self._kept: NDArray[np.bool_] = np.ones(len(table), dtype=np.bool_)
        self._refused: Counter[str] = Counter()

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which rows no rule has held back so far."""
        return self._kept

    def hold_back(self, rows: NDArray[np.bool_], reason: str) -> None:
        """Leave out the rows where `rows` is true, if they are still in."""
        fresh = rows & self._kept
        if fresh.any():
            self._refused[reason] += int(fresh.sum())
            self._kept = self._kept & ~fresh

    def number(self, column: str, low: float = -np.inf, high: float = np.inf) -> NDArray[np.float64]:
        """The column as finite numbers within [low, high]; other rows are held back as `unknown_{column}`."""
        values = pd.to_numeric(self._table[column], errors="coerce").to_numpy(dtype=np.float64)
        with np.errstate(invalid="ignore"):
            self.hold_back(~(np.isfinite(values) & (values >= low) & (values <= high)), f"unknown_{column}")
        return values

    def word(self, column: str, words: Collection[str]) -> NDArray[np.str_]:
        """The column as texts out of `words`; other rows are held back as `unknown_{column}`."""
        texts = self._table[column].fillna("").to_numpy(dtype=str)
        self.hold_back(~np.isin(texts, list(words)), f"unknown_{column}")
        return texts

    def coded(self, column: str, codes: Mapping[str, float]) -> NDArray[np.float64]:
        """The column's words as the numbers that stand for them; other rows are held back as `unknown_{column}`."""
        texts = self.word(column, codes.keys())
        return np.array([codes.get(text, np.nan) for text in texts], dtype=np.float64)

    def moment(self, column: str) -> NDArray[np.datetime64]:
        """The column as moments in UTC (those without a zone are taken as such); other rows are held back."""
        moments = pd.to_datetime(self._table[column], errors="coerce", utc=True, format="ISO8601")
        self.hold_back(moments.isna().to_numpy(dtype=np.bool_), f"unknown_{column}")
        return moments.dt.tz_localize(None).to_numpy(dtype="datetime64[s]")

    def counts(self) -> Counts:
        """What came in, what is used, and why the rest is not."""
        return Counts(rows_in=len(self._table), rows_used=int(self._kept.sum()), refused=dict(self._refused))


def read_texts(path: Path, columns: Sequence[str], separator: str = ",") -> pd.DataFrame:
    """The named columns of the CSV file at `path` (may be compressed) as texts, absent values NaN; or `TableError`."""
    table = read_all(path, separator)
    require(path, table, columns)
    if table.empty:
        raise TableError(f"{path} holds no rows")
    return table[list(columns)]


def require(path: Path, table: pd.DataFrame, columns: Sequence[str]) -> None:
    """`TableError` when a column is missing; where the whole header is one cell, it tells what seems to stand between them."""
    missing = [name for name in columns if name not in table.columns]
    if not missing:
        return
    present = ", ".join(map(str, table.columns))[:300]
    between = [sign for sign in ";\t|" if len(table.columns) == 1 and sign in present]
    hint = f"; {between[0]!r} seems to separate its columns, and a comma should" if between else ""
    raise TableError(f"{path} lacks the columns {', '.join(missing)}; it has {present}{hint}")


def read_all(path: Path, separator: str = ",") -> pd.DataFrame:
    """Every column of the CSV file at `path` as texts, or `TableError`."""
    try:
        return pd.read_csv(path, dtype=str, sep=separator)
    except OSError as error:
        raise TableError(f"{path} cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path} is not a CSV table in UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise TableError(f"{path} is not a CSV table ({str(error).strip()[:120]})") from error
