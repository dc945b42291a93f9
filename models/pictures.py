"""The common style of all charts, as SVG, in a palette for colour-blind readers.

The same figures give the same bytes: no date and no random ids are written.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette (jfly.uni-koeln.de/color): our model, another model, warnings, and background lines.
OURS, OTHER, ALERT, QUIET = "#0072b2", "#e69f00", "#d55e00", "#8a8f98"
INK = "#1f2430"
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "figure.constrained_layout.use": True,
    "font.family": "sans-serif",
    "font.size": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",
    "svg.hashsalt": "wayside",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextmanager
def drawing(width_in: float = 6.4, height_in: float = 4.0, columns: int = 1) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure with `columns` axes side by side in the common style; sizes in inches."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width_in, height_in))
        yield figure, [figure.add_subplot(1, columns, place + 1) for place in range(columns)]


def svg(figure: Figure) -> str:
    """The figure as SVG text to embed in a page, without XML declaration and document type."""
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def save(figure: Figure, path: Path) -> None:
    """Write the figure as an SVG file."""
    path.write_text('<?xml version="1.0" encoding="utf-8"?>\n' + svg(figure), encoding="utf-8")
