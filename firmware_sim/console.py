"""Options, error handling and output that all commands of `wayside-sim` share."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from firmware_sim.faults.rules import FaultError
from firmware_sim.people.truth import TruthError
from firmware_sim.products.catalogue import MixError
from firmware_sim.radio.fit.traces import TraceError
from firmware_sim.scenario import ScenarioError
from firmware_sim.score.history import HistoryError
from firmware_sim.wire.broker import BrokerError, UsageError
from firmware_sim.wire.recording import RecordingError

BrokerOpt = Annotated[str, typer.Option(metavar="URL", help="Address of the broker, as in mqtt://user:password@host:1883.")]
SeedOpt = Annotated[int, typer.Option(help="Random seed; the same seed gives the same bytes.")]
FaultsOpt = Annotated[
    list[str] | None,
    typer.Option("--fault", metavar="RULE", help="Fault to inject, as in loss:share=0.1,devices=phone-*; may be repeated."),
]
FasterOpt = Annotated[float, typer.Option(min=0.01, max=10_000, help="Publish this many times as fast as in real time.")]
JsonOpt = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn every expected error into lines on standard error and an exit code: 2 for wrong use, 1 for broker or file errors."""
    try:
        yield
    except (ScenarioError, UsageError, FaultError, MixError, RecordingError, HistoryError, TruthError, TraceError) as error:
        fail(str(error), 2)
    except (BrokerError, OSError) as error:
        fail(str(error), 1)


def fail(text: str, code: int) -> NoReturn:
    """Print each line of `text` on standard error and end the process with exit code `code`."""
    sys.stderr.writelines(f"wayside-sim: {' '.join(line.split())}\n" for line in text.splitlines())
    raise typer.Exit(code)


def show(summary: dict[str, Any], title: str, *, as_json: bool) -> None:
    """Print figures as a table, or with `as_json` as one JSON object."""
    if as_json:
        sys.stdout.write(json.dumps(summary) + "\n")
        return
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in summary.items():
        text = ", ".join(f"{key} {count}" for key, count in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), text)
    Console().print(table)
