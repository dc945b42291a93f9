"""From a history to the model that a gateway is given, and a comparison that can be believed.

Every family of `models/propensity` competes; the one of least log-loss on people whom it never met becomes the model. Beside
them stands a plain logistic regression on the table's own words: the least that any of this has to beat.

Nothing is chosen by looking at the rows that judge: settings and calibration come from folds inside the training part,
and a respondent is always on one side only. (The choice of the family itself is made on the judged rows: one choice among
seven, on thousands of rows, flatters the winner by less than the width of its interval.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from gateway.core import features
from models.measures import Figures, Interval, areas, figures
from models.propensity.boosting import RECIPES, Recipe
from models.propensity.comparing import AS_IS, FamilyFigures, Judged, comparison_steps
from models.propensity.comparing import compare as compare_families
from models.propensity.families import NAMES, Family, Fitted, Step, families, fit_family, no_step, steps_of
from models.propensity.graph import Floats, Ints, Rows
from models.propensity.sample import FOLDS, Sample, TrainingError, checked, folds
from models.propensity.withholding import blinded, columns, withhold
from models.tables.coupon import Coupons

_BLIND = "blind"


class Comparison(msgspec.Struct, frozen=True):
    """All families on rows that none of them saw.

    `champion` are the figures of the best `family`, `logistic` those of plain logistic regression and `difference` by how much the
    champion's AUC is above it; `blind_auc` is the champion's AUC when neither weather, zone nor anybody's habits are known.
    """

    rows: int
    respondents: int
    judged: int
    base_rate: float
    folds: int
    seed: int
    family: str
    families: tuple[FamilyFigures, ...]
    logistic: Figures
    champion: Figures
    difference: Interval
    blind_auc: float
    remarks: tuple[str, ...]


class Compared(NamedTuple):
    """A comparison and what it rests on: the numbers of the judged rows and the champion's forecasts of them."""

    comparison: Comparison
    rows: Ints
    forecast: Floats


def sample_of(history: Coupons, seed: int) -> Sample:
    """The coupon history as numbers; `TrainingError` when it cannot teach anything."""
    rows = features.matrix(history.situations)
    sample = Sample(rows, history.taken, history.respondents, names=features.NAMES)
    checked(sample)
    return sample._replace(withheld=withhold(rows, seed))


def contestants(names: Sequence[str] = NAMES, recipes: Sequence[Recipe] = RECIPES, seed: int = 0) -> tuple[Family, ...]:
    """The families for feature rows; the segments of the hybrid are the kinds of offer."""
    return families(names, columns=features.NAMES, dummies=tuple(columns("offer_").tolist()), recipes=recipes, seed=seed)


def plain_logistic(raw: NDArray[np.str_], taken: Ints) -> Any:
    """Logistic regression on one-hot words, fitted: the least that a model has to beat. Has `predict_proba(raw)`."""
    return make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(max_iter=2_000)).fit(raw, taken)


def fit_champion(sample: Sample, seed: int, family: Family, step: Step = no_step) -> Fitted:
    """The family that won, fitted to every row."""
    return fit_family(family, sample, seed, step)


def offer_kinds(rows: Rows) -> list[str]:
    """The kind of offer that each feature row speaks of; `other` where it says none of those."""
    of = columns("offer_")
    names = np.array([features.NAMES[column].removeprefix("offer_") for column in of.tolist()] + ["other"])
    stated = np.nan_to_num(rows[:, of]) > 0.5
    return [str(name) for name in names[np.where(stated.any(axis=1), stated.argmax(axis=1), len(of))]]


def compare(sample: Sample, seed: int, compete: Sequence[Family], step: Step = no_step, raw: NDArray[np.str_] | None = None) -> Compared:
    """Every family, each forecast made by a model that never met the respondent; `raw` are the table's own words for plain logistic."""
    if raw is None and "logistic" not in {family.name for family in compete}:
        raise TrainingError("a comparison needs the family logistic: it is what the others have to beat; add it to --families")
    finite, remarks = checked(sample)
    judged = compare_families(finite, compete, seed, step, {_BLIND: blinded(finite.rows)})
    best = judged.best.family
    taken, people = sample.taken[judged.rows], np.unique(sample.groups[judged.rows], return_inverse=True)[1]
    plain = _plain(sample, raw, judged, seed)
    champion = judged.forecasts[best, AS_IS]
    area = areas(taken, people, (plain, champion, judged.forecasts[best, _BLIND]), seed)
    comparison = Comparison(
        rows=len(sample.taken),
        respondents=sample.people,
        judged=len(taken),
        base_rate=float(taken.mean()),
        folds=FOLDS,
        seed=seed,
        family=best,
        families=judged.of,
        logistic=figures(taken, plain, area.of(0)),
        champion=figures(taken, champion, area.of(1)),
        difference=area.difference(1, 0),
        blind_auc=area.of(2).value,
        remarks=remarks,
    )
    return Compared(comparison, judged.rows, champion)


def steps_in(compete: Sequence[Family], *, then_fit: bool) -> int:
    """How often `step` will be called by `compare`, and at most by fitting the winner after it, for a progress bar."""
    return comparison_steps(compete) + (max(steps_of([family]) for family in compete) if then_fit else 0)


def _plain(sample: Sample, raw: NDArray[np.str_] | None, judged: Judged, seed: int) -> Floats:
    """Forecasts of plain logistic regression for the judged rows: on words where there are any, else on the columns."""
    if raw is None:
        return judged.forecasts["logistic", AS_IS]
    forecast = np.zeros(len(sample.taken))
    for train, test in folds(sample, FOLDS, seed):
        forecast[test] = plain_logistic(raw[train], sample.taken[train]).predict_proba(raw[test])[:, 1]
    return forecast[judged.rows]
