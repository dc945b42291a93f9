"""The three charts of an evaluation as SVG texts: lift, gains and calibration."""

from __future__ import annotations

import numpy as np

from models.evaluation.evaluation import Evaluation
from models.pictures import ALERT, OTHER, OURS, QUIET, drawing, svg


def lift_chart(evaluation: Evaluation) -> str:
    """A bar for each decile, best first, and a line at the base rate."""
    deciles = evaluation.lift.deciles
    with drawing(4.6, 3.3) as (figure, (axes,)):
        bars = axes.bar([one.number for one in deciles], [100 * one.taken_share for one in deciles], color=OURS, width=0.8)
        axes.bar_label(bars, [f"x {one.lift:.1f}" for one in deciles], padding=2, fontsize=8)
        axes.axhline(100 * evaluation.base_rate, color=ALERT, linestyle="--", linewidth=1.2)
        axes.set_xticks(range(1, 11))
        axes.set_xlabel("tenth of the people, most likely first")
        axes.set_ylabel("took it, %")
        return svg(figure)


def gains_chart(evaluation: Evaluation) -> str:
    """Share of taken rows found over share addressed, beside random order and perfect order."""
    deciles = evaluation.lift.deciles
    addressed = np.array([0, *(10 * one.number for one in deciles)])
    with drawing(4.6, 3.3) as (figure, (axes,)):
        axes.plot(addressed, [0, *(100 * one.capture_so_far for one in deciles)], "o-", color=OURS, markersize=4, label="this model")
        axes.plot([0, 100 * evaluation.base_rate, 100], [0, 100, 100], ":", color=OTHER, label="perfect order")
        axes.plot([0, 100], [0, 100], "--", color=QUIET, label="random order")
        axes.set_xlabel("people addressed, %")
        axes.set_ylabel("takers found, %")
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 102)
        axes.legend(loc="lower right")
        return svg(figure)


def calibration_chart(evaluation: Evaluation) -> str:
    """Share taken over mean forecast, in ten bins of equal size."""
    bins = evaluation.calibration
    x, y = np.array([100 * one.forecast for one in bins]), np.array([100 * one.taken for one in bins])
    below = y - np.array([100 * one.low for one in bins])
    above = np.array([100 * one.high for one in bins]) - y
    top = max(5.0, float(max(x.max(), (y + above).max())) * 1.05)
    with drawing(4.6, 3.4) as (figure, (axes,)):
        axes.plot([0, top], [0, top], "--", color=QUIET, label="perfectly calibrated")
        axes.errorbar(x, y, yerr=np.maximum([below, above], 0), fmt="o", color=OURS, capsize=3, label="this model")
        axes.set_xlim(0, top)
        axes.set_ylim(0, top)
        axes.set_xlabel("forecast, %")
        axes.set_ylabel("took it, %")
        axes.legend(loc="upper left")
        return svg(figure)
