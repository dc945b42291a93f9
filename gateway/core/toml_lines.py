"""The line of a TOML file on which a setting stands, for error messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Path = tuple[str | int, ...]
"""Keys and list positions from the root of the file, such as ("zones", 2, "kind")."""


def line_of(lines: Sequence[str], path: Path) -> int | None:
    """The line (from 1) of a setting, or of the table that should hold it; None if the file has neither."""
    table: Path = ()
    found: dict[Path, int] = {}
    newest: dict[tuple[str, ...], int] = {}  # position of the newest table of each list
    for number, line in enumerate(lines, 1):
        head, is_setting, _ = line.partition("=")
        name = head.partition("#")[0].strip()
        keys = tuple(part.strip().strip("\"'") for part in name.strip("[]").split("."))
        if name.startswith("["):
            if name.startswith("[["):
                newest[keys] = newest.get(keys, -1) + 1
                newest = {one: at for one, at in newest.items() if one == keys or one[: len(keys)] != keys}
            table = _placed(keys, newest)
            found.setdefault(table, number)
        elif is_setting:
            found.setdefault((*table, *keys), number)
    return next((found[path[:length]] for length in range(len(path), 0, -1) if path[:length] in found), None)


def _placed(keys: tuple[str, ...], newest: Mapping[tuple[str, ...], int]) -> Path:
    """The path of a table's name, with the position in each list on the way: `sources.mapping` is ("sources", 2, "mapping")."""
    path: list[str | int] = []
    for length, key in enumerate(keys, 1):
        path.append(key)
        if keys[:length] in newest:
            path.append(newest[keys[:length]])
    return tuple(path)
