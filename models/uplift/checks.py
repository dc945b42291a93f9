"""Checks of a trial before its effects are estimated: arms, outcomes, and whether the treatment was randomised.

If a model predicts the treatment from the columns, the arms differ in more than the treatment, and a difference of the outcomes is
not its effect. A column that was written after the treatment (clicks, spending) is found in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from models.arrays import Floats, Rows
from models.errors import ModelsError
from models.fold_figures import FoldFigures, Measure, Part
from models.measures import Interval, Ranking
from models.uplift.choice import FOLDS, splits
from models.uplift.learners import SHALLOW
from models.uplift.trial import Trial

ARM_ROWS_MIN = 500
ARM_SHARE_MIN = 0.02
OF_AN_OUTCOME_MIN = 20
_NAMED = 3


class TrialError(ModelsError):
    """The trial cannot be used; the message has the reason."""


def check_arms(trial: Trial) -> None:
    """Raises TrialError if an arm or its outcomes are too few, or all outcomes are equal."""
    if len(np.unique(trial.outcome)) < 2:
        raise TrialError(f"all {len(trial.outcome):,} rows have the same outcome: there is no effect to find")
    for arm, name in ((1, "treated"), (0, "untreated")):
        of = trial.outcome[trial.treated == arm]
        share = len(of) / len(trial.outcome)
        if len(of) < ARM_ROWS_MIN or share < ARM_SHARE_MIN:
            raise TrialError(f"{len(of):,} rows ({share:.1%}) are {name}: at least {ARM_ROWS_MIN} and {ARM_SHARE_MIN:.0%} are needed")
        rarer = min(int(of.sum()), len(of) - int(of.sum()))
        if rarer < OF_AN_OUTCOME_MIN:
            raise TrialError(f"{rarer} of {len(of):,} {name} rows have the rarer outcome: at least {OF_AN_OUTCOME_MIN} are needed")


def check_randomised(trial: Trial, columns: tuple[str, ...], seed: int, step: Callable[[str], None]) -> Interval:
    """The AUC of the treatment predicted from the columns. Raises TrialError, naming columns, if its interval lies above one half."""
    forecast, parts = np.zeros(len(trial.treated)), []
    for number, (train, test) in enumerate(splits(trial, FOLDS, seed), start=1):
        parts.append(Part(0, test))
        model = SHALLOW.make(seed=seed).fit(trial.rows[train], trial.treated[train])
        forecast[test] = model.decision_function(trial.rows[test])
        step(f"is the treatment random? fold {number} of {FOLDS}")
    figures = FoldFigures({"AUC": partial(_auc, trial, forecast)}, parts, trial.units, seed, test_to_train=1.0 / (FOLDS - 1))
    found = figures.of("AUC")
    if found.low > 0.5:
        names = ", ".join(_suspects(trial, columns))
        raise TrialError(
            f"the treatment was not randomised: the columns predict it with an AUC of {found.value:.3f} "
            f"({found.low:.3f} … {found.high:.3f}), first of all {names}; add --drop for columns that are written after the treatment, or "
            "use a randomised trial"
        )
    return found


def steps_of() -> int:
    """Number of calls of `step` by `check_randomised`."""
    return FOLDS


def _auc(trial: Trial, forecast: Floats, part: Part) -> Measure:
    return Ranking(trial.treated[part.rows], forecast[part.rows]).auc


def _suspects(trial: Trial, columns: tuple[str, ...]) -> list[str]:
    """The columns that differ most between the arms, by AUC of the values or of unknown ones."""
    apart = [_apart(trial.rows[:, [at]], trial) for at in range(len(columns))]
    return [columns[at] for at in np.argsort(-np.array(apart), kind="stable")[:_NAMED]]


def _apart(column: Rows, trial: Trial) -> float:
    values, ones = column[:, 0].astype(np.float64), np.ones(len(trial.treated))
    unknown = np.isnan(values)
    forecasts = (np.nan_to_num(values), unknown.astype(np.float64))
    return max(abs(Ranking(trial.treated, forecast).auc(ones) - 0.5) for forecast in forecasts)
