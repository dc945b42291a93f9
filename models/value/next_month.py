"""Benchmark of the question which subjects buy next month: a trained model, an RFM score and BG/NBD on unseen subjects and months.

A row is a subject at the end of a past month, its label whether the subject bought in the following month. Months up to `TRAINED_MONTHS`
are for training, later ones for testing. Subjects are split as well, so that no test subject was in the training set and habits of a
person do not leak from March to October. The champion is a logistic regression, boosted trees or the mean, the one of least log-loss on
folds inside the training months. The BG/NBD of a fold is fitted once, to its training subjects at the end of those months.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from models.fold_figures import FoldFigures, Measure, Part
from models.history import derived
from models.history.mapping import HistoryMapping, TableMapping
from models.history.reading import RowCounts, open_history
from models.measures import Figures, Interval, Ranking, figures, log_loss
from models.put_aside import put_aside
from models.value.bg_nbd import BgNbd, ValuationError, fit_bg_nbd
from models.value.subject_features import NAMES, FeatureTable, features_before, rfm_edges, rfm_score

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Kind = Literal["logistic", "boosting", "mean"]
Step = Callable[[str], None]

TRAINED_MONTHS = 9
FIRST_LABEL_MONTH = 4  # three months of history before the first label; with less the features are nearly empty
FOLDS = 5
FOLDS_INSIDE = 3
TOP_SHARE = 0.1
SUBJECTS_MIN = 100

ONLINE_RETAIL = HistoryMapping(
    baskets=TableMapping(
        columns={
            "subject": "CustomerID",
            "at": "InvoiceDate",
            "basket": "InvoiceNo",
            "item": "StockCode",
            "quantity": "Quantity",
            "price": "UnitPrice",
        },
        cancelled_prefix="C",
    )
)
"""UCI Online Retail (Chen 2015, CC BY 4.0): invoices that start with C are cancellations; lines without CustomerID have no subject."""


class AsideFigures(msgspec.Struct, frozen=True):
    """AUC and lift in the top tenth on the subjects put aside, and the 95 % intervals expected from the other subjects."""

    auc: float
    auc_expected: Interval
    top_lift: float
    top_lift_expected: Interval


class ForecastFigures(msgspec.Struct, frozen=True):
    """Figures of one forecast of one month: AUC, and lift in the top tenth. 95 % intervals for new subjects."""

    auc: Interval
    top_lift: Interval
    aside: AsideFigures | None = None


class MonthResult(msgspec.Struct, frozen=True):
    """One test month. `figures` holds the champion's calibration; `above_*` are differences of AUC on the same folds.

    `untuned` is boosting with scikit-learn's default parameters, on the champion's columns.
    """

    month: int
    subjects: int
    base_rate: float
    champion: ForecastFigures
    rfm: ForecastFigures
    bgnbd: ForecastFigures
    untuned: ForecastFigures
    above_rfm: Interval
    above_bgnbd: Interval
    above_untuned: Interval
    figures: Figures


class NextMonthReport(msgspec.Struct, frozen=True):
    """Result of the benchmark. `table` holds the row counts, `chosen` the number of folds for each kind of champion.

    `months` are the test months; the first directly follows the training months.
    """

    table: RowCounts
    subjects: int
    trained_rows: int
    trained_months: int
    folds: int
    seed: int
    chosen: Mapping[Kind, int]
    months: tuple[MonthResult, ...]


def no_step(_: str) -> None:
    """Progress callback that shows nothing."""


def online_retail_benchmark(path: Path, seed: int = 0, step: Step = no_step, salt: str = "") -> NextMonthReport:
    """Benchmark on the Online Retail table at `path` (CSV, plain or compressed); `salt` as for `next_month_benchmark`."""
    with open_history(baskets=path, mapping=ONLINE_RETAIL) as history:
        days = derived.days(history)
        counted = history.row_counts_of("baskets")
    step("history read")
    return next_month_benchmark(days, counted, seed, step, salt=salt)


def next_month_benchmark(
    days: pd.DataFrame, counted: RowCounts, seed: int = 0, step: Step = no_step, folds: int = FOLDS, salt: str = ""
) -> NextMonthReport:
    """Benchmark on days with a purchase (columns subject, day, spent); the first calendar month is month 1.

    With a `salt`, a third of the subjects are put aside, and the figures are shown on these too.

    Raises ValuationError if there are too few months or fewer than SUBJECTS_MIN subjects, or if all labels of a month are equal.
    """
    numbered = _numbered(days)
    edges = _month_edges(numbered)
    test_months = range(TRAINED_MONTHS + 1, len(edges) - 1)  # the last month may be incomplete
    if not test_months:
        raise ValuationError(
            f"{len(edges) - 1} months are too few: {TRAINED_MONTHS} for training, one for testing and one that may be incomplete are needed"
        )
    subjects = int(numbered["number"].max()) + 1
    if subjects < SUBJECTS_MIN:
        raise ValuationError(f"{subjects} subjects are too few: at least {SUBJECTS_MIN} are needed")
    gathered: dict[int, list[tuple[Ints, Ints, Floats]]] = {month: [] for month in test_months}
    chosen: Counter[Kind] = Counter()
    rows = 0
    splits = _splits(subjects, folds, seed, salt)
    for number, (train, test) in enumerate(splits, start=1):
        train_days, test_days = numbered[numbered["number"].isin(train)], numbered[numbered["number"].isin(test)]
        fold = _Fold(train_days, edges, seed)
        chosen[fold.kind] += 1
        rows += fold.rows
        for month in test_months:
            gathered[month].append(fold.forecasts(test_days, edges, month))
        step(f"fit {number} of {len(splits)}")
    months = tuple(_month_result(month, parts[:folds], parts[folds:], seed) for month, parts in gathered.items())
    return NextMonthReport(counted, subjects, rows // (folds - 1), TRAINED_MONTHS, folds, seed, dict(chosen), months)


def _splits(subjects: int, folds: int, seed: int, salt: str) -> list[tuple[Ints, Ints]]:
    """Subjects to train on and to test on: of each fold, and with a `salt` of those that are not put aside and those that are."""
    numbers = np.arange(subjects)
    out = put_aside(numbers, salt) if salt else np.zeros(subjects, np.bool_)
    developed = numbers[~out]
    inside = [(developed[train], developed[test]) for train, test in KFold(folds, shuffle=True, random_state=seed).split(developed)]
    return inside + ([(developed, numbers[out])] if salt else [])


class _Fold:
    """Models fitted to the training subjects of one fold: BG/NBD, RFM edges, the champion, untuned boosting."""

    def __init__(self, train_days: pd.DataFrame, edges: Ints, seed: int) -> None:
        summary = features_before(train_days, int(edges[TRAINED_MONTHS])).summary
        self.purchases: BgNbd = fit_bg_nbd(summary)
        parts = [_month_rows(train_days, edges, month, self.purchases) for month in range(FIRST_LABEL_MONTH, TRAINED_MONTHS + 1)]
        columns = np.concatenate([known.columns for known, _ in parts])
        bought = np.concatenate([answer for _, answer in parts])
        groups = np.concatenate([known.subjects for known, _ in parts])
        if len(np.unique(bought)) < 2:
            raise ValuationError("all labels of the training months are equal: there must be buyers and non-buyers")
        self.rows = len(bought)
        self.edges = rfm_edges(columns)
        self.kind, self.models = _champion(columns, bought, groups, seed)
        self.untuned = HistGradientBoostingClassifier(random_state=seed).fit(columns, bought)

    def forecasts(self, test_days: pd.DataFrame, edges: Ints, month: int) -> tuple[Ints, Ints, Floats]:
        """Test subjects (n,), labels (n,) for `month`, and forecasts (4, n) of champion, RFM, BG/NBD and untuned boosting."""
        known, bought = _month_rows(test_days, edges, month, self.purchases)
        rfm = rfm_score(known.columns, self.edges)
        bgnbd = known.columns[:, NAMES.index("expected_purchases")]
        return known.subjects, bought, np.stack((_mean(self.models, known.columns), rfm, bgnbd, _mean((self.untuned,), known.columns)))


def _month_rows(days: pd.DataFrame, edges: Ints, month: int, purchases: BgNbd) -> tuple[FeatureTable, Ints]:
    """Features of each subject before `month` (1 is the first), and labels: 1 if the subject bought in it."""
    start, end = int(edges[month - 1]), int(edges[month])
    known = features_before(days, start, purchases)
    buyers = days.loc[(days["day"] >= start) & (days["day"] < end), "number"].unique()
    return known, np.isin(known.subjects, buyers).astype(np.int64)


def _champion(columns: Floats, bought: Ints, groups: Ints, seed: int) -> tuple[Kind, tuple[Any, ...]]:
    inside = np.zeros((2, len(bought)))
    for train, test in GroupKFold(FOLDS_INSIDE, shuffle=True, random_state=seed + 1).split(columns, groups=groups):
        for row, make in enumerate((_logistic, _boosting)):
            inside[row, test] = make(seed).fit(columns[train], bought[train]).predict_proba(columns[test])[:, 1]
    candidates: dict[Kind, Floats] = {"logistic": inside[0], "boosting": inside[1], "mean": inside.mean(axis=0)}
    kind = min(candidates, key=lambda name: log_loss(bought, candidates[name]))
    makers = {"logistic": (_logistic,), "boosting": (_boosting,), "mean": (_logistic, _boosting)}[kind]
    return kind, tuple(make(seed).fit(columns, bought) for make in makers)


def _logistic(_: int) -> Any:
    """Logistic regression on logarithms, because counts, gaps and sums are skewed."""
    return make_pipeline(FunctionTransformer(_logs), StandardScaler(), LogisticRegression(C=0.1, max_iter=2_000))


def _boosting(seed: int) -> Any:
    return HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.07, max_depth=3, min_samples_leaf=40, l2_regularization=5.0, early_stopping=False, random_state=seed
    )


def _logs(columns: Floats) -> Floats:
    logs: Floats = np.log1p(np.maximum(columns, 0.0))
    return logs


def _mean(models: tuple[Any, ...], columns: Floats) -> Floats:
    forecast: Floats = np.mean([model.predict_proba(columns)[:, 1] for model in models], axis=0)
    return forecast


_MODELS = ("champion", "RFM", "BG/NBD", "untuned")


def _month_result(month: int, parts: list[tuple[Ints, Ints, Floats]], aside: list[tuple[Ints, Ints, Floats]], seed: int) -> MonthResult:
    subjects, bought, forecasts = (np.concatenate([part[place] for part in parts], axis=-1) for place in range(3))
    if len(np.unique(bought)) < 2:
        raise ValuationError(f"all labels of month {month} are equal: there must be buyers and non-buyers")
    ends = np.cumsum([len(part[1]) for part in parts])
    tested = [Part(0, np.arange(end - len(part[1]), end)) for end, part in zip(ends, parts, strict=True)]
    dense = np.unique(subjects, return_inverse=True)[1].astype(np.int64)
    over = FoldFigures(_makers(bought, forecasts), tested, dense, seed, test_to_train=1.0 / (len(parts) - 1))
    champion, rfm, bgnbd, untuned = (_forecast_figures(over, name, aside) for name in _MODELS)
    return MonthResult(
        month=month,
        subjects=len(bought),
        base_rate=float(bought.mean()),
        champion=champion,
        rfm=rfm,
        bgnbd=bgnbd,
        untuned=untuned,
        above_rfm=over.difference("champion AUC", "RFM AUC"),
        above_bgnbd=over.difference("champion AUC", "BG/NBD AUC"),
        above_untuned=over.difference("champion AUC", "untuned AUC"),
        figures=figures(bought, forecasts[0], champion.auc),
    )


def _makers(bought: Ints, forecasts: Floats) -> Mapping[str, Callable[[Part], Measure]]:
    """AUC and lift of each of _MODELS; `forecasts` are (4, n)."""

    def auc(forecast: Floats, part: Part) -> Measure:
        return Ranking(bought[part.rows], forecast[part.rows]).auc

    def lift(forecast: Floats, part: Part) -> Measure:
        return Ranking(bought[part.rows], forecast[part.rows]).lift(TOP_SHARE)

    named = list(zip(_MODELS, forecasts, strict=True))
    areas = {f"{name} AUC": partial(auc, forecast) for name, forecast in named}
    return areas | {f"{name} lift": partial(lift, forecast) for name, forecast in named}


def _forecast_figures(over: FoldFigures, name: str, aside: list[tuple[Ints, Ints, Floats]]) -> ForecastFigures:
    shown = None
    if aside:
        ((subjects, bought, forecasts),) = aside
        ranking, ones = Ranking(bought, forecasts[_MODELS.index(name)]), np.ones(len(bought))
        shown = AsideFigures(
            auc=ranking.auc(ones),
            auc_expected=over.of_new(f"{name} AUC", len(subjects)),
            top_lift=ranking.lift(TOP_SHARE)(ones),
            top_lift_expected=over.of_new(f"{name} lift", len(subjects)),
        )
    return ForecastFigures(over.of(f"{name} AUC"), over.of(f"{name} lift"), shown)


def _numbered(days: pd.DataFrame) -> pd.DataFrame:
    if days.empty:
        raise ValuationError("there is no day with a purchase")
    numbers = np.unique(days["subject"].to_numpy(dtype=str), return_inverse=True)[1]
    table = pd.DataFrame(
        {"number": numbers, "day": days["day"].to_numpy(dtype=np.int64), "spent": days["spent"].fillna(0.0).to_numpy(dtype=np.float64)}
    )
    return table.sort_values(["number", "day"], ignore_index=True)


def _month_edges(days: pd.DataFrame) -> Ints:
    """First days of the calendar months from the first purchase on, as days since 1970; the last edge ends the last month."""
    months = days["day"].to_numpy().astype("datetime64[D]").astype("datetime64[M]")
    return np.arange(months.min(), months.max() + 2).astype("datetime64[D]").astype(np.int64)
