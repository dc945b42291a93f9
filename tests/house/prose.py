"""Count the wordy families of our docstrings and comments, a room at a time.

Standard technical English is measured against well-kept libraries: per 1,000 words of docstrings and comments, h11 0.16 has
7.3 of the `people` family, 1.6 of `speech` and 2.1 of `what`; sqlite-utils 4.2 has 4.0, 0.7 and 0.0 (this counter, tests left out).

Run it: `python -m tests.house.prose [--by-file ROOM]` prints the figures of each room, or of each file of one room.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.house import tree

FAMILIES: dict[str, frozenset[str]] = {
    "people": frozenset(
        "who whom whose whoever whomever they them their theirs themselves "
        "somebody someone anybody anyone nobody everybody everyone".split()
    ),
    "speech": frozenset("tell tells told telling say says said saying sayings word words".split()),
    "what": frozenset("what whatever".split()),
}
"""Families that make a text read like a riddle when they are frequent; each alone is plain English."""


class Figures(NamedTuple):
    """Words counted, and occurrences of each family per 1,000 of them."""

    words: int
    people: float
    speech: float
    what: float


def texts(source: str) -> Iterator[str]:
    """Every docstring (of attributes too) and every comment of a Python source."""
    for node in ast.walk(ast.parse(source)):
        for statement in getattr(node, "body", ()) if isinstance(getattr(node, "body", None), list) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str):
                yield statement.value.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string.lstrip("#")


def words(text: str) -> list[str]:
    """The words of a text in lower case, without quoted code and without 's."""
    plain = re.sub(r"`[^`]*`", " ", text)
    return [word.split("'")[0] for word in re.findall(r"[a-z]+(?:'[a-z]+)?", plain.lower())]


def measure(sources: Iterator[str] | list[str]) -> Figures:
    """The figures of several sources together."""
    found: Counter[str] = Counter()
    for source in sources:
        for text in texts(source):
            for word in words(text):
                found["words"] += 1
                found.update(name for name, family in FAMILIES.items() if word in family)
    per_thousand = {name: round(1000 * found[name] / max(1, found["words"]), 1) for name in FAMILIES}
    return Figures(found["words"], **per_thousand)


def sources(room: str, root: Path = tree.ROOT) -> dict[str, str]:
    """Path -> source of every Python file of a room."""
    return {module.path: (root / module.path).read_text(encoding="utf-8") for module in tree.modules(root, room)}


def main() -> None:
    """Print the figures of the rooms, or with --by-file those of the files of one room, worst first."""
    rows: list[tuple[str, Figures]]
    if sys.argv[1:2] == ["--by-file"]:
        rows = [(path, measure([source])) for path, source in sources(sys.argv[2]).items()]
        rows.sort(key=lambda row: -(row[1].people + row[1].speech + row[1].what) * row[1].words)
    else:
        rows = [(room, measure(list(sources(room).values()))) for room in (*tree.OURS, "tests")]
    for name, figures in rows:
        sys.stdout.write(
            f"{name:40} {figures.words:6} words  people {figures.people:5}  speech {figures.speech:5}  what {figures.what:5}\n"
        )


if __name__ == "__main__":
    main()
