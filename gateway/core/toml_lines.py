"""The line of a TOML file on which a setting stands, for error messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

Path = tuple[str | int, ...]
"""Keys and list positions from the root of the file, such as ("zones", 2, "kind")."""


def line_of(lines: Sequence[str], path: Path) -> int | None:
    """The line (from 1) of a setting, or of the table that should hold it; None if the file has neither."""
    table: Path = ()
    found: dict[Path, int] = {}
    counts: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        head, is_setting, _ = line.partition("=")
        name = head.partition("#")[0].strip()
        keys = tuple(part.strip().strip("\"'") for part in name.strip("[]").split("."))
        if name.startswith("[["):
            table = (*keys, counts[name])
            counts[name] += 1
            found.setdefault(table, number)
        elif name.startswith("["):
            table = keys
            found.setdefault(table, number)
        elif is_setting:
            found.setdefault((*table, *keys), number)
    return next((found[path[:length]] for length in range(len(path), 0, -1) if path[:length] in found), None)
