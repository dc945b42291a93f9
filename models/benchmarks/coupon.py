"""In-vehicle coupon: whether a coupon is taken, tested on unseen respondents.

The champion of `models.training`, beside plain logistic regression and untuned boosting on the same columns. A split by row instead of by
respondent lets a model recognise respondents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.model_selection import KFold

from models.arrays import Floats
from models.baselines import PLAIN, UNTUNED, baselines
from models.benchmarks.benchmark import Benchmark, Spec, Step
from models.benchmarks.splitting import ASIDE_TEXT, RANKED, Findings, ranking_makers, splits_of
from models.benchmarks.weighted_ranking import WeightedRanking
from models.dataset.loading import LoadedTable, load_table
from models.dataset.roles import Roles
from models.fold_figures import DRAWS
from models.propensity.cross_validation import Other, prefixed
from models.propensity.estimators import Estimator, fit_best, steps_of
from models.propensity.training_set import FOLDS, TrainingSet, validated
from models.tables.coupon import INPUTS, RESPONDENT, SCHEMA, TARGET
from models.tables.reading import Counts
from models.training import feature_estimators

ABOVE_LOGISTIC = 0.02
_PUBLISHED = 0.714


def benchmark(
    table: LoadedTable, seed: int, step: Step, compete: Sequence[Estimator] | None = None, draws: int = DRAWS, *, aside: bool = False
) -> Benchmark:
    """AUC, average precision and accuracy over folds by respondent. Raises TrainingError if the table cannot be used."""
    data, _ = validated(table.data)
    others = baselines(data, table.inputs, seed)
    found, chosen = _findings(data, others, seed, step, compete or feature_estimators(table.inputs, seed=seed), draws, aside=aside)
    lines = [
        found.line(
            name,
            f"ours {name}",
            untuned=found.of(f"untuned {name}"),
            above_untuned=found.of(f"ours {name}", f"untuned {name}"),
            published=_PUBLISHED if name == "AUC" else None,
            published_by="plain logistic, whole table" if name == "AUC" else "",
            others={"plain logistic": found.of(f"logistic {name}")},
            target=found.of("logistic AUC").value + ABOVE_LOGISTIC if name == "AUC" else None,
        )
        for name in RANKED
    ]
    above = found.line(
        "above plain logistic in this run, AUC",
        "ours AUC",
        "logistic AUC",
        untuned=found.of("untuned AUC", "logistic AUC"),
        target=ABOVE_LOGISTIC,
    )
    plain = found.line("plain logistic, AUC", "logistic AUC")
    leak = _leak(data, others[UNTUNED], seed)
    return Benchmark(
        name="in_vehicle_coupon",
        title="In-vehicle coupon: is it taken?",
        protocol=(
            f"{FOLDS} folds by respondent{ASIDE_TEXT if aside else ''}; estimator, settings and calibration chosen by folds inside the "
            "training part"
        ),
        unit="respondent",
        base_rate=float(data.taken.mean()),
        lines=(lines[0], above, plain, *lines[1:]),
        notes=(
            f"estimators chosen: {', '.join(chosen)}",
            "plain logistic is fitted to the same columns, one-hot, except the visits to places of the offer's kind",
            f"split by row, untuned boosting would seem to have an AUC of {leak:.4f}: the same respondents on both sides",
        ),
        counts=Counts(table.table.rows_in, table.table.rows_used, dict(table.table.refused)),
    )


def _findings(
    data: TrainingSet, others: Mapping[str, Other], seed: int, step: Step, compete: Sequence[Estimator], draws: int, *, aside: bool
) -> tuple[Findings, list[str]]:
    forecasts = {model: np.zeros(len(data.taken)) for model in ("ours", "untuned", "logistic")}
    splits = splits_of(data.taken, data.groups, FOLDS, seed, aside=aside)
    chosen = []
    for number, (train, test) in enumerate(splits.all(), start=1):
        known, unseen = data.take(train), data.take(test)
        fitted = fit_best(compete, known, seed, partial(prefixed, step, f"in_vehicle_coupon fit {number} of {len(splits)}: "))
        chosen.append(fitted.estimator)
        forecasts["ours"][test] = fitted.propensity(unseen.rows)
        forecasts["untuned"][test] = others[UNTUNED](train, test)
        forecasts["logistic"][test] = others[PLAIN](train, test)
    return Findings(ranking_makers(data.taken, forecasts, RANKED), splits, data.groups, seed, draws), chosen


def _leak(data: TrainingSet, untuned: Other, seed: int) -> float:
    """The AUC of untuned boosting over folds by row, which leak respondents."""
    forecast: Floats = np.zeros(len(data.taken))
    for train, test in KFold(FOLDS, shuffle=True, random_state=seed).split(data.rows):
        forecast[test] = untuned(train, test)
    return WeightedRanking(data.taken, forecast).auc(np.ones(len(forecast)))


def _run(folder: Path, seed: int, step: Step, aside: bool) -> Benchmark:  # noqa: FBT001 (the signature of all benchmarks)
    table = load_table(folder / "in_vehicle_coupon.csv.gz", Roles(TARGET, groups=(RESPONDENT,)), schema=SCHEMA, seed=seed)
    return benchmark(table, seed, step, aside=aside)


SPEC = Spec(folder="in_vehicle_coupon", steps=(FOLDS + 1) * steps_of(feature_estimators(INPUTS)), run=_run)
