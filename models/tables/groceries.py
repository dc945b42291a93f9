"""Groceries: one month of baskets of one outlet, one line a basket, items separated by semicolons.

Hahsler, Hornik & Reutterer 2006: 9,835 baskets, 169 groups of goods; the usual benchmark of association rules.
"""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from typing import NamedTuple

from models.tables.reading import Counts, TableError


class Baskets(NamedTuple):
    """Baskets as sets of items."""

    baskets: tuple[frozenset[str], ...]
    counts: Counts


def read_baskets(path: Path) -> Baskets:
    """The baskets in the text file at `path` (may be compressed). Raises TableError if it cannot be read or has no basket."""
    try:
        packed = path.read_bytes()
        unpacked = gzip.decompress(packed) if path.suffix == ".gz" else lzma.decompress(packed) if path.suffix == ".xz" else packed
        lines = unpacked.decode().splitlines()
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise TableError(f"{path} is not a text of baskets ({error})") from error
    baskets = tuple(frozenset(item.strip() for item in line.split(";") if item.strip()) for line in lines)
    used = tuple(basket for basket in baskets if basket)
    if not used:
        raise TableError(f"{path} holds no basket")
    empty = len(baskets) - len(used)
    return Baskets(used, Counts(rows_in=len(baskets), rows_used=len(used), refused={"empty": empty} if empty else {}))
