"""In-vehicle coupon: whether a coupon is taken, tested on unseen respondents.

The champion of `models.training`, beside plain logistic regression on the table's texts and untuned boosting on the same
features. A split by row instead of by respondent lets a model recognise respondents.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from models.arrays import Floats, Ints
from models.benchmarks.benchmark import Benchmark, Line, Spec, Step
from models.benchmarks.blending import folds, positive, untuned
from models.benchmarks.bootstrap import DRAWS, Bootstrap, Measure, WeightedRanking
from models.propensity.boosting import RECIPES, Recipe
from models.propensity.cross_validation import prefixed
from models.propensity.estimators import steps_of
from models.propensity.training_set import FOLDS, TrainingSet
from models.tables.coupon import INPUTS, Coupons, read_coupons
from models.tables.reading import Counts
from models.training import coupon_training_set, feature_estimators, fit_champion, plain_logistic

ABOVE_LOGISTIC = 0.02
ESTIMATOR = "boosting"  # the estimator that wins on this table, see `wayside-models evaluate`
_PUBLISHED = 0.714


def benchmark(table: Coupons, seed: int, step: Step, recipes: tuple[Recipe, ...] = RECIPES, draws: int = DRAWS) -> Benchmark:
    """AUC, average precision and accuracy over folds by respondent. Raises TrainingError if the table cannot be used."""
    data = coupon_training_set(table, seed)
    bootstrap = _bootstrap(data, table.raw, seed, step, recipes, draws)
    plain = bootstrap.of("logistic AUC")
    above = Line(
        figure="above plain logistic in this run, AUC",
        ours=bootstrap.difference("ours AUC", "logistic AUC"),
        untuned=bootstrap.difference("untuned AUC", "logistic AUC"),
        target=ABOVE_LOGISTIC,
    )
    lines = [
        Line(
            figure=name,
            ours=bootstrap.of(f"ours {name}"),
            untuned=bootstrap.of(f"untuned {name}"),
            above_untuned=bootstrap.difference(f"ours {name}", f"untuned {name}"),
            published=_PUBLISHED if name == "AUC" else None,
            published_by="plain logistic, whole table" if name == "AUC" else "",
            others={"plain logistic": bootstrap.of(f"logistic {name}")},
            target=plain.value + ABOVE_LOGISTIC if name == "AUC" else None,
        )
        for name in ("AUC", "AP", "accuracy")
    ]
    leak = _leak(data, seed)
    return Benchmark(
        name="in_vehicle_coupon",
        title="In-vehicle coupon: is it taken?",
        protocol=f"{FOLDS} folds by respondent; settings and calibration chosen by folds inside the training part",
        unit="respondent",
        base_rate=float(data.taken.mean()),
        lines=(lines[0], above, *lines[1:]),
        notes=(
            "plain logistic is fitted to the same columns, one-hot",
            f"split by row, untuned boosting would seem to have an AUC of {leak:.4f}: the same respondents on both sides",
        ),
        counts=Counts(table.rows_in, len(table.rows), dict(table.refused)),
    )


def _bootstrap(data: TrainingSet, raw: NDArray[np.str_], seed: int, step: Step, recipes: tuple[Recipe, ...], draws: int) -> Bootstrap:
    forecasts = {model: np.zeros(len(data.taken)) for model in ("ours", "untuned", "logistic")}
    (estimator,) = feature_estimators(INPUTS, (ESTIMATOR,), recipes, seed)
    for number, (train, test) in enumerate(folds(data.taken, data.groups, FOLDS, seed), start=1):
        known, unseen = data.take(train), data.take(test)
        of_fold = partial(prefixed, step, f"in_vehicle_coupon fold {number} of {FOLDS}: ")
        forecasts["ours"][test] = fit_champion(known, seed, estimator, of_fold).propensity(unseen.rows)
        forecasts["untuned"][test] = _untuned(data, train, test, seed)
        forecasts["logistic"][test] = plain_logistic(raw[train], known.taken).predict_proba(raw[test])[:, 1]
    measures: dict[str, Measure] = {}
    for model, forecast in forecasts.items():
        ranking = WeightedRanking(data.taken, forecast)
        measures |= {f"{model} AUC": ranking.auc, f"{model} AP": ranking.average_precision, f"{model} accuracy": ranking.accuracy}
    return Bootstrap(measures, data.groups, seed, draws)


def _untuned(data: TrainingSet, train: Ints, test: Ints, seed: int) -> Floats:
    """Forecasts of untuned boosting, (test,), on the columns that are not unknown throughout, which it does not accept."""
    known = ~np.isnan(data.rows[train]).all(axis=0)
    rows = data.rows[:, known].astype(np.float64)
    return positive(untuned(seed).fit(rows[train], data.taken[train]), rows[test])


def _leak(data: TrainingSet, seed: int) -> float:
    """The AUC of untuned boosting over folds by row, which leak respondents."""
    forecast: Floats = np.zeros(len(data.taken))
    for train, test in KFold(FOLDS, shuffle=True, random_state=seed).split(data.rows):
        forecast[test] = _untuned(data, train, test, seed)
    return WeightedRanking(data.taken, forecast).auc(np.ones(len(forecast)))


def _run(folder: Path, seed: int, step: Step) -> Benchmark:
    return benchmark(read_coupons(folder / "in_vehicle_coupon.csv.gz"), seed, step)


SPEC = Spec(folder="in_vehicle_coupon", steps=FOLDS * steps_of(feature_estimators(INPUTS, (ESTIMATOR,))), run=_run)
