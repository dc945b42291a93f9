"""Charts of the planning tools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from models.pictures import ALERT, OTHER, OURS, QUIET, drawing, save
from models.planning.ahp import CONSISTENT_BELOW, MatrixWeights
from models.planning.coding import CodingReport
from models.planning.criteria import LEVEL, Criterion
from models.planning.pls import PathReport
from models.planning.segments import SEGMENTS, Segmentation
from models.planning.survey import SurveyReport
from models.planning.vikor import Ranking

_ROW_IN = 0.42
_CODES_MAX = 25  # bars in one picture; the table has all


def draw_weights(weighing: MatrixWeights, path: Path) -> None:
    """Bar chart of the eigenvector, with the two other estimates of the weights as marks."""
    places = np.arange(len(weighing.criteria))[::-1]
    with drawing(height_in=1.6 + _ROW_IN * len(places)) as (figure, (axes,)):
        axes.barh(places, weighing.eigenvector, color=OURS if weighing.is_consistent else ALERT, label="eigenvector")
        axes.plot(weighing.row_geometric_mean, places, "o", color=OTHER, label="row geometric mean")
        axes.plot(weighing.column_mean, places, "x", color=QUIET, markeredgewidth=2, label="column mean")
        axes.set_yticks(places, weighing.criteria)
        axes.set_xlabel("weight")
        verdict = "consistent" if weighing.is_consistent else "not consistent"
        axes.set_title(f"CR {weighing.consistency_ratio:.3f} (limit {CONSISTENT_BELOW:g}): {verdict}")
        axes.legend(loc="lower right")
        save(figure, path)


def draw_compromises(ranking: Ranking, path: Path) -> None:
    """Q of every alternative over v; alternatives proposed for any v are highlighted."""
    v = [compromise.v for compromise in ranking.sweep]
    proposed = {name for compromise in ranking.sweep for name in compromise.proposed}
    with drawing(height_in=4.4) as (figure, (axes,)):
        for place, name in enumerate(ranking.alternatives):
            q = [compromise.q[place] for compromise in ranking.sweep]
            axes.plot(v, q, color=OURS if name in proposed else QUIET, linewidth=2.2 if name in proposed else 1.0)
        last = ranking.sweep[-1]
        for name, height in zip(ranking.alternatives, _apart(last.q), strict=True):
            axes.text(v[-1] - 0.02, height, name, ha="right", va="center")
        axes.set_xlim(min(v) - 0.12, max(v))
        axes.set_xlabel("v: weight of the majority (1) against the largest regret (0)")
        axes.set_ylabel("Q (0 is best)")
        axes.set_title("Blue: alternatives proposed for some v")
        save(figure, path)


def _apart(heights: Sequence[float], gap: float = 0.05) -> list[float]:
    """Heights for labels, bottom up: as near to the lines as possible, at least `gap` apart."""
    placed = [0.0] * len(heights)
    above = -1.0
    for place in np.argsort(heights, kind="stable"):
        above = placed[place] = max(heights[place], above + gap)
    return placed


def draw_segments(assigned: Segmentation, path: Path) -> None:
    """Bar chart of the number of subjects in each segment."""
    counts = assigned.counts()
    with drawing(height_in=3.0) as (figure, (axes,)):
        names = [*reversed(SEGMENTS), "unknown"]
        bars = axes.barh([name.replace("_", " and ") for name in names], [counts[name] for name in names], color=OURS)
        bars[-1].set_color(QUIET)
        axes.bar_label(bars, padding=3)
        axes.set_xlabel("subjects")
        axes.set_title("Segments by behaviour")
        save(figure, path)


def draw_survey(report: SurveyReport, paths: PathReport | None, path: Path) -> None:
    """Scree plot with the parallel analysis, AVE and composite reliability of every scale, and the paths if there are any."""
    panels = 2 if paths is None else 3
    with drawing(width_in=4.5 * panels, height_in=3.6, columns=panels) as (figure, (scree, scales, *rest)):
        numbers = np.arange(1, len(report.factors.eigenvalues) + 1)
        scree.plot(numbers, report.factors.eigenvalues, "o-", color=OURS, label="answers")
        scree.plot(numbers, report.factors.eigenvalues_random, "--", color=QUIET, label="shuffled (95 %)")
        scree.set_xlabel("factor")
        scree.set_ylabel("eigenvalue")
        scree.set_title(f"{report.factors.count} factors above chance")
        scree.legend()
        places = np.arange(len(report.scales))[::-1]
        scales.plot([scale.composite_reliability for scale in report.scales], places, "o", color=OURS, label="CR (from 0.7)")
        scales.plot([scale.ave for scale in report.scales], places, "s", color=OTHER, label="AVE (from 0.5)")
        scales.set_yticks(places, [scale.name for scale in report.scales])
        scales.set_xlim(0, 1)
        scales.set_ylim(-0.6, len(places) - 0.4)
        scales.set_title("Scales")
        scales.legend(loc="lower left")
        if paths is not None:
            _draw_paths(paths, rest[0])
        save(figure, path)


def _draw_paths(report: PathReport, axes: Axes) -> None:
    places = np.arange(len(report.paths))[::-1]
    axes.axvline(0, color=QUIET, linestyle="--")
    for place, one in zip(places, report.paths, strict=True):
        color = QUIET if one.path.low <= 0 <= one.path.high else OURS
        axes.plot((one.path.low, one.path.high), (place, place), color=color)
        axes.plot(one.path.value, place, "o", color=color)
    axes.set_yticks(places, [f"{one.source} → {one.target}" for one in report.paths])
    axes.set_ylim(-0.6, len(places) - 0.4)
    axes.set_title("Paths (95 %)")


def draw_criteria(tested: Sequence[Criterion], low: float, high: float, path: Path) -> None:
    """Means with intervals on the scale from `low` to `high`; criteria that differ from the middle are highlighted."""
    places = np.arange(len(tested))[::-1]
    with drawing(height_in=1.6 + _ROW_IN * len(places)) as (figure, (axes,)):
        axes.axvline((low + high) / 2, color=QUIET, linestyle="--")
        for place, criterion in zip(places, tested, strict=True):
            color = OURS if criterion.p_holm < LEVEL else QUIET
            axes.plot((criterion.mean.low, criterion.mean.high), (place, place), color=color)
            axes.plot(criterion.mean.value, place, "o", color=color)
        axes.set_yticks(places, [criterion.name for criterion in tested])
        axes.set_xlim(low, high)
        axes.set_ylim(-0.6, len(places) - 0.4)
        axes.set_xlabel("mean rating (95 %)")
        axes.set_title("Blue: differs from the middle after Holm's correction")
        save(figure, path)


def draw_coding(report: CodingReport, path: Path) -> None:
    """Frequency of the commonest codes, and the saturation curve."""
    commonest = report.frequencies[:_CODES_MAX]
    curve = report.saturation
    with drawing(width_in=9.0, height_in=max(3.6, 1.6 + 0.3 * len(commonest)), columns=2) as (figure, (bars, line)):
        shown = bars.barh([one.code for one in reversed(commonest)], [one.interviews for one in reversed(commonest)], color=OURS)
        bars.bar_label(shown, padding=3)
        bars.set_xlabel("interviews")
        left_out = len(report.frequencies) - len(commonest)
        bars.set_title(f"Codes by interviews ({left_out} rarer left out)" if left_out else "Codes by interviews")
        numbers = np.arange(1, len(curve.interviews) + 1)
        line.plot(numbers, curve.total, "o-", color=OURS, label="in this order")
        line.plot(numbers, curve.expected, "--", color=QUIET, label="mean over all orders")
        if curve.reached_after is not None:
            line.axvline(curve.reached_after, color=OTHER, label=f"then {curve.run} without a new code")
        line.set_ylim(bottom=0)
        line.set_xlabel("interviews")
        line.set_ylabel("codes")
        line.set_title("Saturation" if curve.reached_after is not None else "Not saturated")
        line.legend(loc="lower right")
        save(figure, path)
