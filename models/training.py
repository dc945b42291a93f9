"""Two models that answer "how likely is it taken?", and a comparison that can be believed.

The challenger is a plain logistic regression on the table's own words. The champion is gradient boosting on FEATURES,
with what we know put in as constraints: a longer way never helps, more time to redeem never hurts, and who goes to
such places more often is not less likely to come. A gateway often does not know the weather, or a person's habits. So
the champion is shown every row twice, the second time with some of that withheld; what the street does not know then
has a measured effect, not an accidental one. Last, its log-odds are calibrated on rows that it was not fitted to.

Nothing is chosen by looking at the rows that judge: recipe and calibration come from folds inside the training part,
and a respondent is always on one side only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from gateway.core import features
from gateway.core.features import KINDS, Situation
from models.measures import Figures, Floats, Interval, Ints, areas, figures
from models.tables.coupon import Coupons

ROWS_MIN = 200  # fewer, and folds hold too few rows of a class to say anything
RESPONDENTS_MIN = 10
FOLDS = 5
FOLDS_INSIDE = 3
WITHHELD = 0.25  # share of second showings in which one source of knowledge is silent

_DIRECTIONS = {"travel": -1, "expiry": 1, "visits_this_kind": 1}


class TrainingError(ValueError):
    """The history cannot teach anything; the text says why."""


class Recipe(msgspec.Struct, frozen=True):
    """How the champion is boosted."""

    rounds: int = 150
    rate: float = 0.06
    depth: int = 5
    leaf_rows_min: int = 60
    shrinkage: float = 10.0
    columns_share: float = 0.3


RECIPES: tuple[Recipe, ...] = (
    Recipe(),
    Recipe(rounds=150, rate=0.06, depth=4),
    Recipe(rounds=150, rate=0.05, depth=6, leaf_rows_min=40, columns_share=0.2),
    Recipe(rounds=80, rate=0.1, depth=5),
)
"""What is tried, chosen by hand once on the coupon table, where each alone gives an AUC of .777 to .779; more choice would buy noise."""


class Sample(NamedTuple):
    """Rows that go together: features, the same with some knowledge withheld, the table's words, outcome, respondent."""

    rows: NDArray[np.float32]
    withheld: NDArray[np.float32]
    raw: NDArray[np.str_]
    taken: Ints
    respondents: Ints

    def take(self, index: Ints) -> Sample:
        """The rows at `index`."""
        return Sample(self.rows[index], self.withheld[index], self.raw[index], self.taken[index], self.respondents[index])


class Champion(NamedTuple):
    """Boosted trees and the calibration of their log-odds."""

    trees: HistGradientBoostingClassifier
    slope: float
    intercept: float
    recipe: Recipe

    def propensity(self, rows: NDArray[np.float32]) -> Floats:
        """Probability of acceptance, (n,), for feature rows (n, len(FEATURES))."""
        log_odds: Floats = self.trees.decision_function(rows)
        return 1.0 / (1.0 + np.exp(-(self.slope * log_odds + self.intercept)))


class Comparison(msgspec.Struct, frozen=True):
    """Both models on rows that neither saw.

    `chosen` are the recipes that won inside each fold; `blind_auc` is the champion's AUC when neither weather nor
    anybody's habits are known.
    """

    rows: int
    respondents: int
    base_rate: float
    folds: int
    seed: int
    logistic: Figures
    champion: Figures
    difference: Interval
    blind_auc: float
    chosen: tuple[Recipe, ...]


Step = Callable[[str], None]


def no_step(_: str) -> None:
    """For callers that show no progress."""


def sample_of(history: Coupons, seed: int) -> Sample:
    """The history as numbers; `TrainingError` when it is too small or every row had the same outcome."""
    people = len(np.unique(history.respondents))
    if len(history.situations) < ROWS_MIN or people < RESPONDENTS_MIN:
        raise TrainingError(
            f"{len(history.situations)} usable rows of {people} respondents are too few: "
            f"at least {ROWS_MIN} rows of {RESPONDENTS_MIN} respondents are needed"
        )
    if len(np.unique(history.taken)) < 2:
        raise TrainingError("every row has the same outcome: there is nothing to tell apart")
    return Sample(
        rows=features.matrix(history.situations),
        withheld=features.matrix(withhold(history.situations, seed)),
        raw=history.raw,
        taken=history.taken,
        respondents=history.respondents,
    )


def withhold(situations: Sequence[Situation], seed: int) -> list[Situation]:
    """The situations as a gateway may see them: sometimes no weather, no thermometer, nothing or little of a person's habits."""
    draws = np.random.default_rng(seed)
    silent = draws.random((len(situations), 3)) < WITHHELD
    untold = draws.random((len(situations), len(KINDS))) < WITHHELD / 2
    return [
        msgspec.structs.replace(
            situation,
            weather=None if weather else situation.weather,
            temperature_c=None if thermometer else situation.temperature_c,
            visits_month={}
            if habits
            else {kind: visits for kind, visits in situation.visits_month.items() if kind not in KINDS or not kinds[KINDS.index(kind)]},
        )
        for situation, (weather, thermometer, habits), kinds in zip(situations, silent, untold, strict=True)
    ]


def plain_logistic(raw: NDArray[np.str_], taken: Ints) -> Any:
    """Logistic regression on one-hot words, fitted: the least that a model has to beat. Has `predict_proba(raw)`."""
    return make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(max_iter=2_000)).fit(raw, taken)


def fit_champion(sample: Sample, seed: int, recipes: Sequence[Recipe] = RECIPES, step: Step = no_step) -> Champion:
    """The champion of `sample`: the recipe of least log-loss over inner folds, calibrated there, then fitted to every row."""
    tried = [(recipe, _log_odds_inside(sample, recipe, seed, step)) for recipe in recipes]
    taken = np.tile(sample.taken, 2)
    recipe, log_odds = min(tried, key=lambda pair: float(np.mean(np.logaddexp(0.0, np.where(taken == 1, -pair[1], pair[1])))))
    # Platt's calibration without a penalty: two numbers on thousands of rows need none.
    platt = LogisticRegression(C=np.inf).fit(log_odds.reshape(-1, 1), taken)
    trees = _trees(sample, recipe, seed)
    step("fitted to all rows")
    return Champion(trees=trees, slope=float(platt.coef_[0, 0]), intercept=float(platt.intercept_[0]), recipe=recipe)


def compare(sample: Sample, seed: int, recipes: Sequence[Recipe] = RECIPES, step: Step = no_step) -> Comparison:
    """Logistic regression and champion, each forecast made by a model that never met the respondent."""
    logistic, champion, blind = (np.zeros(len(sample.taken)) for _ in range(3))
    chosen: list[Recipe] = []
    for number, (train, test) in enumerate(_folds(sample, FOLDS, seed), start=1):
        known, unseen = sample.take(train), sample.take(test)
        logistic[test] = plain_logistic(known.raw, known.taken).predict_proba(unseen.raw)[:, 1]
        model = fit_champion(known, seed, recipes, partial(_say, step, f"fold {number} of {FOLDS}: "))
        champion[test] = model.propensity(unseen.rows)
        blind[test] = model.propensity(_blinded(unseen.rows))
        chosen.append(model.recipe)
    area = areas(sample.taken, sample.respondents, (logistic, champion, blind), seed)
    return Comparison(
        rows=len(sample.taken),
        respondents=len(np.unique(sample.respondents)),
        base_rate=float(sample.taken.mean()),
        folds=FOLDS,
        seed=seed,
        logistic=figures(sample.taken, logistic, area.of(0)),
        champion=figures(sample.taken, champion, area.of(1)),
        difference=area.difference(1, 0),
        blind_auc=area.of(2).value,
        chosen=tuple(chosen),
    )


def steps_of(recipes: Sequence[Recipe], *, comparing: bool) -> int:
    """How often `step` will be called, for a progress bar."""
    champion = len(recipes) * FOLDS_INSIDE + 1
    return champion * FOLDS if comparing else champion


def _say(step: Step, prefix: str, what: str) -> None:
    step(prefix + what)


def _folds(sample: Sample, folds: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Rows to learn from and rows to judge by; every respondent is in exactly one of them."""
    yield from GroupKFold(folds, shuffle=True, random_state=seed).split(sample.rows, groups=sample.respondents)


def _log_odds_inside(sample: Sample, recipe: Recipe, seed: int, step: Step) -> Floats:
    """Log-odds of every row, then of every row with knowledge withheld, each by trees that did not see the respondent."""
    log_odds = np.zeros((2, len(sample.taken)))
    for train, test in _folds(sample, FOLDS_INSIDE, seed + 1):
        trees = _trees(sample.take(train), recipe, seed)
        log_odds[0, test] = trees.decision_function(sample.rows[test])
        log_odds[1, test] = trees.decision_function(sample.withheld[test])
        step(f"depth {recipe.depth}, {recipe.rounds} rounds")
    return log_odds.ravel()


def _trees(sample: Sample, recipe: Recipe, seed: int) -> HistGradientBoostingClassifier:
    trees = HistGradientBoostingClassifier(
        max_iter=recipe.rounds,
        learning_rate=recipe.rate,
        max_depth=recipe.depth,
        min_samples_leaf=recipe.leaf_rows_min,
        l2_regularization=recipe.shrinkage,
        max_features=recipe.columns_share,
        monotonic_cst=[_DIRECTIONS.get(name, 0) for name in features.NAMES],
        early_stopping=False,  # its validation rows would not respect respondents
        random_state=seed,
    )
    rows = np.vstack((sample.rows, sample.withheld))
    # scikit-learn cannot bin a column of which no row knows anything; one constant is never split on, whatever a gateway says there.
    rows[:, np.isnan(rows).all(axis=0)] = 0.0
    return trees.fit(rows, np.tile(sample.taken, 2))


def _blinded(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    blind = rows.copy()
    blind[:, [name.startswith(("weather_", "temperature", "visits_")) for name in features.NAMES]] = np.nan
    return blind
