"""Basket files: one basket per line, items between separators, no header, no amounts (basket format of arules)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from models.history.derived import Baskets
from models.history.files import open_compressed
from models.history.mapping import HistoryError


def read_basket_file(path: Path, separator: str, support: float) -> Baskets:
    """Baskets of a text file (plain or compressed), over the items in at least the share `support` of them.

    Raises HistoryError if the separator is not one character, or if the file cannot be read or has no basket.
    """
    if len(separator) != 1:
        raise HistoryError(f"the separator must be one character, not {separator!r}")
    try:
        with open_compressed(path) as file:
            lines = [{item for item in line.decode("utf-8").strip("\r\n").split(separator) if item.strip()} for line in file]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise HistoryError(f"{path} cannot be read as lines of text ({str(error)[:120]})") from error
    lines = [line for line in lines if line]
    if not lines:
        raise HistoryError(f"{path} holds no basket")
    often = Counter(item for line in lines for item in line)
    items = sorted(item for item, times in often.items() if times >= support * len(lines) - 1e-9)
    number = {item: place for place, item in enumerate(items)}
    pairs = np.array([(row, number[item]) for row, line in enumerate(lines) for item in sorted(line) if item in number], dtype=np.int64)
    rows, columns = pairs.reshape(-1, 2).T
    return Baskets(rows, columns, tuple(items), len(lines), rare=len(often) - len(items))
