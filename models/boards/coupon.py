"""In-vehicle coupon: will this person take it, there and then? Judged on people who were never met.

The champion of `models.training` as it is shipped, beside plain logistic regression on the table's words and untuned
boosting on the same features. Splitting by row instead of by respondent would let a model recognise people.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from models.boards.blending import folds, untuned, yes
from models.boards.board import Board, Line, Spec, Step
from models.boards.weighing import DRAWS, Drawn, Measure, Weighed
from models.measures import Floats, Ints
from models.propensity.boosting import RECIPES, Recipe
from models.propensity.comparing import prefixed
from models.propensity.families import steps_of
from models.propensity.sample import FOLDS, Sample
from models.tables.coupon import Coupons, read_coupons
from models.tables.reading import Counts
from models.training import contestants, fit_champion, plain_logistic, sample_of

ABOVE_LOGISTIC = 0.02
FAMILY = "boosting"  # the family that wins on this table, see `wayside-models evaluate`
_PUBLISHED = 0.714


def board(table: Coupons, seed: int, step: Step, recipes: tuple[Recipe, ...] = RECIPES, draws: int = DRAWS) -> Board:
    """AUC, AP and accuracy over folds by respondent."""
    sample = sample_of(table, seed)
    drawn = _drawn(sample, table.raw, seed, step, recipes, draws)
    plain = drawn.of("logistic AUC")
    above = Line(
        figure="above plain logistic in this run, AUC",
        ours=drawn.difference("ours AUC", "logistic AUC"),
        untuned=drawn.difference("untuned AUC", "logistic AUC"),
        target=ABOVE_LOGISTIC,
    )
    lines = [
        Line(
            figure=name,
            ours=drawn.of(f"ours {name}"),
            untuned=drawn.of(f"untuned {name}"),
            above_untuned=drawn.difference(f"ours {name}", f"untuned {name}"),
            published=_PUBLISHED if name == "AUC" else None,
            published_by="plain logistic, whole table" if name == "AUC" else "",
            others={"plain logistic": drawn.of(f"logistic {name}")},
            target=plain.value + ABOVE_LOGISTIC if name == "AUC" else None,
        )
        for name in ("AUC", "AP", "accuracy")
    ]
    leak = _leak(sample, seed)
    return Board(
        name="in_vehicle_coupon",
        title="In-vehicle coupon: is it taken?",
        protocol=f"{FOLDS} folds by respondent, nobody on both sides; recipe and calibration chosen by folds inside the training part",
        unit="respondent",
        base_rate=float(sample.taken.mean()),
        lines=(lines[0], above, *lines[1:]),
        notes=(
            "plain logistic is fitted to the same columns, one-hot",
            f"split by row, untuned boosting would seem to have an AUC of {leak:.4f}: the same people on both sides",
        ),
        counts=Counts(table.rows_in, len(table.situations), dict(table.refused)),
    )


def _drawn(sample: Sample, raw: NDArray[np.str_], seed: int, step: Step, recipes: tuple[Recipe, ...], draws: int) -> Drawn:
    forecasts = {who: np.zeros(len(sample.taken)) for who in ("ours", "untuned", "logistic")}
    (family,) = contestants((FAMILY,), recipes, seed)
    for number, (train, test) in enumerate(folds(sample.taken, sample.groups, FOLDS, seed), start=1):
        known, unseen = sample.take(train), sample.take(test)
        say = partial(prefixed, step, f"in_vehicle_coupon fold {number} of {FOLDS}: ")
        forecasts["ours"][test] = fit_champion(known, seed, family, say).propensity(unseen.rows)
        forecasts["untuned"][test] = _untuned(sample, train, test, seed)
        forecasts["logistic"][test] = plain_logistic(raw[train], known.taken).predict_proba(raw[test])[:, 1]
    measures: dict[str, Measure] = {}
    for who, forecast in forecasts.items():
        weighed = Weighed(sample.taken, forecast)
        measures |= {f"{who} AUC": weighed.auc, f"{who} AP": weighed.average_precision, f"{who} accuracy": weighed.accuracy}
    return Drawn(measures, sample.groups, seed, draws)


def _untuned(sample: Sample, train: Ints, test: Ints, seed: int) -> Floats:
    """Untuned boosting on the columns of which the table knows anything; it cannot be given one that is unknown throughout."""
    known = ~np.isnan(sample.rows[train]).all(axis=0)
    rows = sample.rows[:, known].astype(np.float64)
    return yes(untuned(seed).fit(rows[train], sample.taken[train]), rows[test])


def _leak(sample: Sample, seed: int) -> float:
    """What a split by row would make of untuned boosting: the trap, printed so that it is known."""
    forecast: Floats = np.zeros(len(sample.taken))
    for train, test in KFold(FOLDS, shuffle=True, random_state=seed).split(sample.rows):
        forecast[test] = _untuned(sample, train, test, seed)
    return Weighed(sample.taken, forecast).auc(np.ones(len(forecast)))


def _run(folder: Path, seed: int, step: Step) -> Board:
    return board(read_coupons(folder / "in_vehicle_coupon.csv.gz"), seed, step)


SPEC = Spec(folder="in_vehicle_coupon", steps=FOLDS * steps_of(contestants((FAMILY,))), run=_run)
