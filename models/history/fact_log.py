"""The history log in an export of a gateway: the facts of each person in the order in which the gateway folded them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.core.attributes.log import LogRow
from gateway.core.attributes.replay import logged_facts
from models.history import files
from models.history.mapping import HistoryError
from models.history.reading import SQLITE_FILE

LOG_FILE = "facts.jsonl"

FactLog = Mapping[str, Sequence[LogRow]]
"""Subject -> facts."""


def log_of(folder: Path | None) -> FactLog | None:
    """The facts in a folder that holds the export of a gateway, None for any other history. Raises HistoryError."""
    if folder is None or not ((folder / LOG_FILE).exists() or (folder / SQLITE_FILE).exists()):
        return None
    return read_log(folder)


def read_log(folder: Path) -> FactLog:
    """The facts in `folder`: facts.jsonl, or the SQLite file. Raises HistoryError."""
    try:
        if (folder / SQLITE_FILE).exists():
            return logged_facts(files.log_lines(folder / SQLITE_FILE))
        with (folder / LOG_FILE).open("rb") as lines:
            return logged_facts(lines)
    except (OSError, ValueError) as error:
        raise HistoryError(f"{folder} has no readable history log ({str(error)[:120]}): repeat the export with this version") from error
