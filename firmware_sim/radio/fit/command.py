"""`wayside-sim fit`: parameters for a scenario, and an evaluation on held-back traces."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from firmware_sim.console import one_line_errors
from firmware_sim.radio.fit.evaluation import Fit, Row
from firmware_sim.radio.fit.evaluation import fit as fitted

WIDE = 130


def fit(
    *,
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the data sets ble_rssi_spachos and ble_rssi_library.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Fit the radio model to measured RSSI traces, and compare it with path loss plus Gaussian noise on held-out traces."""
    with one_line_errors():
        found = fitted(data)
    if as_json:
        sys.stdout.write(json.dumps(_facts(found)) + "\n")
        return
    console = Console()
    console.print(_toml(found), highlight=False, markup=False)
    (console if console.is_terminal else Console(width=WIDE)).print(_table(found.scores))


def _facts(found: Fit) -> dict[str, object]:
    return {
        "lines": {room: {"rssi_1m_dbm": line[0], "exponent": line[1]} for room, line in found.lines.items()},
        "fading": {name: getattr(found.fading, name) for name in ("place_db", "channels_db", "channel_db", "sample_db", "same_share")},
        "library": found.library._asdict(),
        "board": [row._asdict() for row in found.scores],
    }


def _toml(found: Fit) -> str:
    """Parameters as TOML; the path-loss line is the mean over rooms, each of which is given as a comment."""
    fading, lines = found.fading, found.lines
    rooms = "".join(f"# room {room}: rssi_1m_dbm = {line[0]:.1f}, exponent = {line[1]:.2f}\n" for room, line in lines.items())
    reference, exponent = (sum(line[part] for line in lines.values()) / len(lines) for part in (0, 1))
    return (
        f"{rooms}[radio]\nrssi_1m_dbm = {reference:.1f}\nexponent = {exponent:.2f}\n\n[radio.fading]\n"
        f"place_db = {fading.place_db}\nchannels_db = {list(fading.channels_db)}\nchannel_db = {fading.channel_db}\n"
        f"sample_db = {fading.sample_db}\nsame_share = {fading.same_share}\n"
    )


def _table(rows: list[Row]) -> Table:
    table = Table(title="on held-back traces, lower is better", title_justify="left")
    for column in ("data", "measure", "plain", "ours", "ours less plain", "traces"):
        table.add_column(column, justify="left" if column in {"data", "measure"} else "right")
    for row in rows:
        difference = f"{row.difference:+.3f} ({row.low:+.3f} to {row.high:+.3f})"
        table.add_row(row.data, row.measure, f"{row.plain:.3f}", f"{row.ours:.3f}", difference, str(row.of))
    return table
