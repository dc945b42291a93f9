"""Fairness by segment: calibration, discrimination and share addressed.

For each segment: the mean forecast minus the share taken (calibration gap), the AUC, and the share of the segment among the
addressed rows, compared with the segment addressed most. The four-fifths rule of the US Uniform Guidelines (1978) is the
threshold for a remark, not a verdict. Segments with too few rows get a remark instead of figures.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.arrays import Floats, Ints
from models.evaluation.lift import EvaluationError, check
from models.measures import BOOTSTRAPS, Interval, Ranking, draw_units, interval

ROWS_MIN = 50  # with fewer, a segment's figures are mostly chance
FOUR_FIFTHS = 0.8


class SegmentFigures(msgspec.Struct, frozen=True):
    """One segment: `calibration_gap` is mean forecast minus share taken, `addressed` the share of its rows among the best of all.

    The first two figures are None if the segment has too few rows.
    """

    name: str
    rows: int
    base_rate: float
    calibration_gap: Interval | None
    auc: Interval | None
    addressed: float
    remarks: tuple[str, ...]


class Fairness(msgspec.Struct, frozen=True):
    """Figures of all segments if the best `share` of all rows is addressed."""

    share: float
    segments: tuple[SegmentFigures, ...]


def fairness(taken: Ints, forecast: Floats, segments: Sequence[str], people: Ints, *, share: float = 0.2, seed: int = 0) -> Fairness:
    """Figures by segment, with intervals over `people`, because the rows of one person resemble each other.

    `taken` (0/1), `forecast`, `segments` and `people` (numbers from 0) are (n,). Raises EvaluationError as `lift.check`, and for a
    share outside (0, 1).
    """
    names = np.asarray(segments, dtype=np.str_)
    check(taken, forecast, (names, people))
    if not 0 < share < 1:
        raise EvaluationError(f"a share between 0 and 1 is addressed, not {share:g}")
    chosen = _best(forecast, share)
    made = [_segment(str(name), names == name, taken, forecast, people, chosen, seed) for name in np.unique(names)]
    most = max((one.addressed for one in made if one.rows >= ROWS_MIN), default=0.0)
    return Fairness(share, tuple(_compared(one, most) for one in made))


def _best(forecast: Floats, share: float) -> Floats:
    """Part of each row that is among the best `share`, (n,), 0 to 1: rows that tie at the threshold count in part."""
    wanted = share * len(forecast)
    edge = np.sort(forecast)[::-1][min(len(forecast) - 1, int(wanted))]
    above, at = forecast > edge, forecast == edge
    return np.asarray(above + at * (wanted - above.sum()) / at.sum(), dtype=np.float64)


def _segment(name: str, own: NDArray[np.bool_], taken: Ints, forecast: Floats, people: Ints, chosen: Floats, seed: int) -> SegmentFigures:
    taken, forecast = taken[own], forecast[own]
    few = len(taken) < ROWS_MIN
    gap, auc = (None, None) if few else _intervals(taken, forecast, people[own], seed)
    remarks = [f"fewer than {ROWS_MIN} rows: too few for figures"] if few else []
    if gap is not None and (gap.low > 0 or gap.high < 0):
        remarks.append("forecast too high" if gap.value > 0 else "forecast too low")
    if auc is not None and auc.low <= 0.5 <= auc.high:
        remarks.append("AUC not distinguishable from chance")
    return SegmentFigures(name, len(taken), float(taken.mean()), gap, auc, float(chosen[own].mean()), tuple(remarks))


def _intervals(taken: Ints, forecast: Floats, people: Ints, seed: int) -> tuple[Interval, Interval | None]:
    _, persons = np.unique(people, return_inverse=True)
    ranking = Ranking(taken, forecast)
    gaps, aucs = np.empty(BOOTSTRAPS), np.empty(BOOTSTRAPS)
    for place, weights in enumerate(draw_units(persons.astype(np.int64), seed, BOOTSTRAPS)):
        gaps[place] = float((weights * (forecast - taken)).sum() / weights.sum())
        aucs[place] = ranking.auc(weights)
    gap = interval(float((forecast - taken).mean()), gaps)
    one_class = int(taken.sum()) in {0, len(taken)}
    return gap, None if one_class else interval(ranking.auc(np.ones(len(taken))), aucs)


def _compared(one: SegmentFigures, most: float) -> SegmentFigures:
    if one.rows < ROWS_MIN or not most or one.addressed >= FOUR_FIFTHS * most:
        return one
    return msgspec.structs.replace(
        one, remarks=(*one.remarks, f"addressed {one.addressed / most:.0%} as often as the segment addressed most")
    )
