"""Options that the planning commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Csv = Annotated[Path | None, typer.Option("--out", help="CSV file to write the table to.", dir_okay=False)]
Picture = Annotated[Path | None, typer.Option("--picture", help="SVG file to write the chart to.", dir_okay=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Seed = Annotated[int, typer.Option(help="Random seed, for reproducible results.")]
