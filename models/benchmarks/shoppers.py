"""Online shoppers: whether a session ends in a purchase, with the leaking column `PageValues` and without it.

`PageValues` alone has an AUC of .86, because the shop's analytics compute it from the transactions: a visitor
with a purchase has visited pages of value. The published figures use it, so the first half of the benchmark does too. The
second half is the question of a gateway, before any purchase.

The features that help without a leak: pages times rates (the number of exits seen), seconds per page, the gap between exit
and bounce rate. The model is the mean of small trees with few columns each over several seeds, and of a linear model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.arrays import Floats
from models.benchmarks.benchmark import Benchmark, Line, Spec, Step
from models.benchmarks.blending import Member, fit_blend, folds, positive, untuned
from models.benchmarks.bootstrap import DRAWS, Bootstrap, Measure, WeightedRanking
from models.tables.shoppers import CODES, LEAK, VISITORS, Shoppers, read_shoppers

FOLDS = 5
_PAGES = ("Administrative", "Informational", "ProductRelated")
_SOURCE = "Abdullah-All-Tanvir et al. 2023, XGBoost"
_PUBLISHED = {"AUC": 0.937, "AP": 0.754, "accuracy": 0.9065}
_LOGISTIC_WITHOUT = 0.756
_TITLE = "Online shoppers: does the session end in a purchase?"


def benchmark(table: Shoppers, seed: int, step: Step, members: tuple[Member, ...] | None = None, draws: int = DRAWS) -> Benchmark:
    """All figures, with `PageValues` and without it, over stratified folds."""
    bootstrap = {leak: _bootstrap(table, seed, step, members or blend_members(), draws, leak=leak) for leak in (True, False)}
    lines = [
        Line(
            figure=f"{name}, with {LEAK}",
            ours=bootstrap[True].of(f"ours {name}"),
            untuned=bootstrap[True].of(f"untuned {name}"),
            above_untuned=bootstrap[True].difference(f"ours {name}", f"untuned {name}"),
            published=published,
            published_by=_SOURCE,
            target=published,
        )
        for name, published in _PUBLISHED.items()
    ]
    lines += [
        Line(
            figure=f"{name}, without {LEAK}",
            ours=bootstrap[False].of(f"ours {name}"),
            untuned=bootstrap[False].of(f"untuned {name}"),
            above_untuned=bootstrap[False].difference(f"ours {name}", f"untuned {name}"),
            published=_LOGISTIC_WITHOUT if name == "AUC" else None,
            published_by="plain logistic" if name == "AUC" else "",
            target=bootstrap[False].of(f"untuned {name}").value,
        )
        for name in ("AUC", "AP", "accuracy")
    ]
    return Benchmark(
        name="online_shoppers",
        title=_TITLE,
        protocol=f"stratified {FOLDS}-fold; kinds of model mixed by folds inside the training part; no oversampling",
        unit="session",
        base_rate=float(table.bought.mean()),
        lines=tuple(lines),
        notes=_notes(table),
        counts=table.counts,
    )


def _notes(table: Shoppers) -> tuple[str, ...]:
    ones = np.ones(len(table.bought))
    alone = WeightedRanking(table.bought, table.page_values).auc(ones)
    always_no = 1.0 - float(table.bought.mean())
    leak = (
        f"{LEAK} by itself, no model at all, has an AUC of {alone:.3f}: it is computed from completed purchases, so figures with it "
        "do not hold for a forecast before the purchase."
    )
    by_hand = (
        "Columns and settings were set by hand on this table, after about fifteen variants with an AUC between .931 and .939; "
        "the one that was kept has .937 to .939 over three splits: the margin above the published figure is within that."
    )
    return (
        leak,
        by_hand,
        f"Always forecasting no purchase has an accuracy of {always_no:.1%}.",
        "The published model was tested after oversampling and a choice of columns, on its own split; ours uses every session as it is.",
    )


def _bootstrap(table: Shoppers, seed: int, step: Step, members: tuple[Member, ...], draws: int, *, leak: bool) -> Bootstrap:
    rows = table.rows.assign(**{LEAK: table.page_values}) if leak else table.rows
    ours, plain = np.zeros(len(rows)), np.zeros(len(rows))
    for number, (train, test) in enumerate(folds(table.bought, None, FOLDS, seed), start=1):
        blend = fit_blend(members, rows.iloc[train], table.bought[train], None, seed)
        ours[test] = blend.forecast(rows.iloc[test])
        plain[test] = positive(untuned(seed).fit(_raw(rows.iloc[train]), table.bought[train]), _raw(rows.iloc[test]))
        step(f"online_shoppers {'with' if leak else 'without'} {LEAK}, fold {number} of {FOLDS}: {blend.name}")
    measures: dict[str, Measure] = {}
    for model, forecast in (("ours", ours), ("untuned", plain)):
        ranking = WeightedRanking(table.bought, forecast)
        measures |= {f"{model} AUC": ranking.auc, f"{model} AP": ranking.average_precision, f"{model} accuracy": ranking.accuracy}
    return Bootstrap(measures, np.arange(len(rows)), seed, draws)


def blend_members() -> tuple[Member, ...]:
    """The members of the blend."""
    return (
        Member("boosting", _crossed, _boosting, seeds=4),
        Member("logistic", _straight, _logistic),
    )


def _boosting(seed: int) -> HistGradientBoostingClassifier:
    """Settings chosen by hand on this table; six others, and extra trees beside it, changed the AUC by less than .002."""
    return HistGradientBoostingClassifier(
        max_iter=130,
        learning_rate=0.04,
        max_leaf_nodes=12,
        min_samples_leaf=20,
        l2_regularization=5.0,
        max_features=0.3,
        early_stopping=False,
        random_state=seed,
    )


def _logistic(seed: int) -> LogisticRegression:
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=2_000, random_state=seed))


def _raw(rows: pd.DataFrame) -> Floats:
    return rows.to_numpy(dtype=np.float64)


def _crossed(rows: pd.DataFrame) -> Floats:
    return crossed(rows).to_numpy(dtype=np.float64)


def crossed(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns and features of several columns; features of `PageValues` only if `rows` have it."""
    pages = rows[list(_PAGES)].sum(axis=1)
    more = {f"{name}_each": rows[f"{name}_Duration"] / rows[name].clip(lower=1.0) for name in _PAGES}
    more |= {
        "pages": pages,
        "seconds": rows[[f"{name}_Duration" for name in _PAGES]].sum(axis=1),
        "product_share": rows["ProductRelated"] / pages.clip(lower=1.0),
        "exits_only": rows["ExitRates"] - rows["BounceRates"],
        "exits": rows["ExitRates"] * pages,
        "bounces": rows["BounceRates"] * pages,
        "product_exits": rows["ExitRates"] * rows["ProductRelated"],
    }
    if LEAK in rows:
        more |= {"value_all": rows[LEAK] * pages, "value_per_exit": rows[LEAK] / (rows["ExitRates"] + 1e-3)}
    return rows.assign(**more)


def _straight(rows: pd.DataFrame) -> Floats:
    """Columns for the linear model: logarithms of amounts, and one-hot categories."""
    wide = crossed(rows)
    amounts = np.log1p(wide.drop(columns=[*CODES, "Month", "VisitorType"]).clip(lower=0.0).to_numpy(dtype=np.float64))
    one_hot = [
        (wide["Month"].to_numpy()[:, None] == np.arange(1, 13)),
        (wide["VisitorType"].to_numpy()[:, None] == np.arange(len(VISITORS))),
    ]
    one_hot += [wide[name].to_numpy()[:, None] == np.arange(1, 21) for name in CODES]
    return np.hstack((amounts, *one_hot)).astype(np.float64)


def _run(folder: Path, seed: int, step: Step) -> Benchmark:
    return benchmark(read_shoppers(folder / "online_shoppers_intention.csv.gz"), seed, step)


SPEC = Spec(folder="online_shoppers", steps=2 * FOLDS, run=_run)
