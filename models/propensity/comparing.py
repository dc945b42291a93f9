"""Which family is best, by figures that can be believed: everybody is forecast by a model that never met them.

The source chooses the model with the least misclassification. A policy multiplies probabilities with money, so here the
first figure is log-loss, which asks whether the probability was right; the Brier score and the error break ties. The error
is the hybrid loss of equation 1 divided by the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np

from models.measures import Areas, Figures, Interval, areas, figures
from models.propensity.families import Family, Fitted, Step, fit_family, no_step, steps_of
from models.propensity.graph import Floats, Ints, Rows
from models.propensity.hybrid import hybrid_loss
from models.propensity.sample import FOLDS, Sample, TrainingError, folds

_PLACES = 6  # figures that agree so far are the same


class FamilyFigures(msgspec.Struct, frozen=True):
    """One family on rows that it did not see: what won inside each fold, and how good that was."""

    family: str
    figures: Figures
    error: float
    hybrid_loss: int
    settings: tuple[str, ...]
    calibrations: tuple[str, ...]


class Judged(NamedTuple):
    """Forecasts of the rows in `rows` (judged ones), by family and view; `of` is the table of families, best first."""

    rows: Ints
    forecasts: Mapping[tuple[str, str], Floats]
    of: tuple[FamilyFigures, ...]
    areas: Areas

    @property
    def best(self) -> FamilyFigures:
        """The family that is chosen."""
        return self.of[0]

    def above(self, family: str, base: str) -> Interval:
        """By how much the AUC of `family` is above that of `base`, on the same draws of people."""
        names = [name for name, view in self.forecasts if view == AS_IS]
        return self.areas.difference(names.index(family), names.index(base))


AS_IS = "as is"


def compare(sample: Sample, compete: Sequence[Family], seed: int, step: Step = no_step, views: Mapping[str, Rows] | None = None) -> Judged:
    """Every family on every fold. `views` are further versions of the rows to be forecast by the same models, such as blinded ones."""
    if not compete:
        raise TrainingError("no family was named")
    shown = {AS_IS: sample.rows, **(views or {})}
    forecasts = {(family.name, view): np.full(len(sample.taken), np.nan) for view in shown for family in compete}
    won: dict[str, list[Fitted]] = {family.name: [] for family in compete}
    for number, (train, test) in enumerate(folds(sample, FOLDS, seed), start=1):
        known = sample.take(train)
        if len(np.unique(known.taken)) < 2:
            raise TrainingError(f"fold {number}: every one of {len(train)} rows to learn from has the same outcome")
        for family in compete:
            fitted = fit_family(family, known, seed, partial(prefixed, step, f"fold {number} of {FOLDS}: {family.name}: "))
            won[family.name].append(fitted)
            for view, rows in shown.items():
                forecasts[family.name, view][test] = fitted.propensity(rows[test])
    return _judged(sample, compete, forecasts, won, seed)


def comparison_steps(compete: Sequence[Family]) -> int:
    """How often `step` is called by `compare`."""
    return FOLDS * steps_of(compete)


def _judged(
    sample: Sample, compete: Sequence[Family], forecasts: Mapping[tuple[str, str], Floats], won: Mapping[str, list[Fitted]], seed: int
) -> Judged:
    rows = np.flatnonzero(np.isfinite(next(iter(forecasts.values()))))
    taken, people = sample.taken[rows], np.unique(sample.groups[rows], return_inverse=True)[1]
    if len(np.unique(taken)) < 2:
        raise TrainingError(f"every one of {len(rows)} rows to judge by has the same outcome: there is nothing to compare")
    kept = {key: forecast[rows] for key, forecast in forecasts.items()}
    area = areas(taken, people, [kept[family.name, AS_IS] for family in compete], seed)
    of = [
        FamilyFigures(
            family=family.name,
            figures=figures(taken, kept[family.name, AS_IS], area.of(index)),
            error=hybrid_loss(taken, kept[family.name, AS_IS]) / len(rows),
            hybrid_loss=hybrid_loss(taken, kept[family.name, AS_IS]),
            settings=tuple(fitted.setting for fitted in won[family.name]),
            calibrations=tuple(fitted.calibration.name for fitted in won[family.name]),
        )
        for index, family in enumerate(compete)
    ]
    return Judged(rows, kept, tuple(sorted(of, key=_order)), area)


def _order(of: FamilyFigures) -> tuple[float, float, float]:
    return round(of.figures.log_loss, _PLACES), round(of.figures.brier, _PLACES), round(of.error, _PLACES)


def prefixed(step: Step, prefix: str, what: str) -> None:
    """Tell `step` what happens, and where."""
    step(prefix + what)
