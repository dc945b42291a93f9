"""The question about columns that may state the outcome: keep or drop. Without a terminal, the command stops and names the options."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection, Mapping, Sequence

import typer

from models.dataset.leaks import Leak
from models.errors import ModelsError


class LeakError(ModelsError):
    """Columns may state the outcome, and no option keeps or drops each; the message has the options."""


def columns_to_drop(leaks: Sequence[Leak], columns: Mapping[str, str], keep: Collection[str]) -> list[str]:
    """The columns to drop: those that the person at the terminal does not want to keep. `columns` are the columns by attribute.

    Raises LeakError if a column is not in `keep` and there is no terminal.
    """
    open_ones = [(columns[leak.attribute], leak) for leak in leaks if not {columns[leak.attribute], leak.attribute} & set(keep)]
    if not open_ones:
        return []
    if not sys.stdin.isatty():
        raise LeakError(_stop(open_ones))
    typer.echo("These columns may state the outcome. A model can only use what is known when the decision is made.", err=True)
    return [name for name, leak in open_ones if not typer.confirm(f"{name}: {'; '.join(leak.reasons)}. Use it?", err=True)]


def _stop(leaks: Sequence[tuple[str, Leak]]) -> str:
    found = "; ".join(f"{name} (AUC alone {leak.auc:.2f}): {', '.join(leak.reasons)}" for name, leak in leaks)
    names = shlex.quote(",".join(name for name, _ in leaks))
    return (
        f"{len(leaks)} of the columns may state the outcome: {found}. "
        f"Add --drop {names} for columns that are not known when the decision is made, --keep {names} for columns that are"
    )
