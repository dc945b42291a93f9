"""Complete Journey: which household buys next month, and which redeems a coupon it was mailed.

Both are split by household and by time at once: whoever judges has taught nothing, and nothing is learned from later
than what is forecast. For redemptions, campaigns that had ended by the date of the split teach, campaigns that began after
it judge, and what is known of a household is what it had done before its campaign began.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.arrays import Floats, Ints
from models.benchmarks.benchmark import Benchmark, Line, Spec, Step
from models.benchmarks.blending import Kind, fit_blend, folds, untuned, yes
from models.benchmarks.bootstrap import DRAWS, Bootstrap, Measure, WeightedRanking
from models.benchmarks.next_month import lines_of, mean_rate, notes_of, protocol_of
from models.history.reading import RowCounts
from models.tables.journey import Journey, read_journey
from models.value.bg_nbd import RfmSummary, expected_purchases, fit_bg_nbd
from models.value.next_month import FOLDS as MONTH_FOLDS
from models.value.next_month import next_month_benchmark
from models.value.subject_features import NAMES, NEXT_DAYS, features_before, rfm_edges, rfm_score

FOLDS = 5
LONG_AGO = 999.0
SPLIT = np.datetime64("2017-10-01")
Mask = NDArray[np.bool_]
_KINDS = ("Type A", "Type B", "Type C")
_FIGURES = ("AUC", "lift in the best 10 %", "AP")


class Mailings(NamedTuple):
    """One row a household and campaign: what was known before, whether a coupon was redeemed (0/1), household, when it began and ended."""

    rows: pd.DataFrame
    redeemed: Ints
    households: Ints
    starts: pd.Series[pd.Timestamp]
    ends: pd.Series[pd.Timestamp]


def benchmark(table: Journey, seed: int, step: Step, draws: int = DRAWS) -> Benchmark:
    """Purchases of next month, then redemptions."""
    bought = next_month_benchmark(days_of(table), _counted(table), seed, lambda what: step(f"complete_journey, next month: {what}"))
    lines, note = _redemptions(table, seed, step, draws)
    return Benchmark(
        name="complete_journey",
        title="Complete Journey: who buys next month, who redeems a coupon?",
        protocol=(
            f"{protocol_of()}; redemptions: {FOLDS} folds by household, campaigns ended by {SPLIT} teach, campaigns begun after it judge"
        ),
        unit="household",
        base_rate=mean_rate(bought),
        lines=(*lines_of(bought), *lines),
        notes=(*notes_of(bought), note, _sampled(table)),
        counts=table.counts,
    )


def _sampled(table: Journey) -> str:
    lines, baskets = len(table.lines), table.lines["basket"].nunique()
    return (
        f"the transactions are a sample of lines ({lines:,} of {baskets:,} baskets, {lines / baskets:.1f} lines a basket): a household "
        "without a line may have bought all the same, so what is foretold is showing up in the sample, and every figure is lower than it "
        "would be on all lines; BG/NBD bears that best (thinned purchases come at a lower rate), what was in a basket is mostly lost"
    )


def days_of(table: Journey) -> pd.DataFrame:
    """Days on which a household shows up: subject, day since 1970, spent."""
    days = table.lines["day"].to_numpy().astype("datetime64[D]").astype(np.int64)
    lines = table.lines.assign(subject=table.lines["household"].astype(str), day=days)
    return lines.groupby(["subject", "day"], as_index=False).agg(spent=("value", "sum"))


def _counted(table: Journey) -> RowCounts:
    return RowCounts("baskets", table.counts.rows_in, table.counts.rows_used, dict(table.counts.refused))


def mailings_of(table: Journey) -> Mailings:
    """Every mailing with what was known of its household before its campaign began."""
    mailed = table.mailings.merge(table.campaigns, on="campaign")
    first = table.redemptions.groupby(["household", "campaign"], as_index=False).agg(day=("day", "min"))
    redeemed = mailed.merge(first, on=["household", "campaign"], how="left")["day"].notna().to_numpy()
    number = {household: index for index, household in enumerate(sorted(mailed["household"].unique()))}
    parts = [_before(table, mailed, first, start) for start in sorted(mailed["start"].unique())]
    rows = pd.concat(parts).loc[mailed.index]
    households = mailed["household"].map(number).to_numpy(dtype=np.int64)
    return Mailings(rows, redeemed.astype(np.int64), households, mailed["start"], mailed["end"])


def _before(table: Journey, mailed: pd.DataFrame, first: pd.DataFrame, start: pd.Timestamp) -> pd.DataFrame:
    """The rows of the campaigns that begin on one day."""
    now = mailed[mailed["start"] == start]
    who = now["household"]
    lines = table.lines[table.lines["day"] < start]
    earlier = mailed[mailed["start"] < start].groupby("household").size()
    before = first[first["day"] < start]
    ago = before.assign(ago=(start - before["day"]).dt.days.astype(np.float64)).groupby("household")["ago"].agg(["size", "min"])
    columns = {f"kind_{kind[-1]}": (now["kind"] == kind).astype(np.float64) for kind in _KINDS}
    columns["days"] = (now["end"] - now["start"]).dt.days.astype(np.float64)
    columns["mailed"] = who.map(earlier).fillna(0.0).astype(np.float64)
    columns["redeemed"] = who.map(ago["size"]).fillna(0.0)
    columns["redeemed_share"] = columns["redeemed"] / columns["mailed"].clip(lower=1.0)
    columns["since_redeemed"] = who.map(ago["min"]).fillna(LONG_AGO)
    columns |= _overlap(table, now, lines)
    habits = _habits(lines, start).reindex(who.to_numpy()).set_axis(now.index)
    return pd.concat((pd.DataFrame(columns, index=now.index), habits), axis=1)


def _overlap(table: Journey, now: pd.DataFrame, lines: pd.DataFrame) -> dict[str, pd.Series[float]]:
    """How many goods a campaign has coupons for, and how many of a household's lines were for such goods."""
    goods = {campaign: set(table.coupons.loc[table.coupons["campaign"] == campaign, "product"]) for campaign in now["campaign"].unique()}
    wanted = pd.Series(0.0, index=now.index)
    for campaign, products in goods.items():
        of = now["campaign"] == campaign
        bought = lines[lines["product"].isin(products)].groupby("household").size()
        wanted[of] = now.loc[of, "household"].map(bought).fillna(0.0).astype(np.float64)
    total = now["household"].map(lines.groupby("household").size()).fillna(0.0)
    many = now["campaign"].map({campaign: float(len(products)) for campaign, products in goods.items()})
    return {"goods": many, "wanted": wanted, "wanted_share": wanted / (total + 1.0)}


def _habits(lines: pd.DataFrame, start: pd.Timestamp) -> pd.DataFrame:
    """The columns of `features_before`, by household; without BG/NBD, which has to be fitted on those who teach."""
    if lines.empty:
        return pd.DataFrame(columns=list(NAMES), dtype=np.float64)
    number = lines["household"].to_numpy(dtype=np.int64)
    day = lines["day"].to_numpy().astype("datetime64[D]").astype(np.int64)
    days = pd.DataFrame({"number": number, "day": day, "spent": lines["value"].to_numpy(dtype=np.float64)})
    days = days.groupby(["number", "day"], as_index=False).agg(spent=("spent", "sum"))
    known = features_before(days, int(np.datetime64(start, "D").astype(np.int64)))
    return pd.DataFrame(known.columns, index=known.subjects, columns=list(NAMES))


def _redemptions(table: Journey, seed: int, step: Step, draws: int) -> tuple[list[Line], str]:
    mailings = mailings_of(table)
    past = (mailings.ends < SPLIT).to_numpy()
    future = (mailings.starts >= SPLIT).to_numpy()
    forecasts, chosen = _forecasts(mailings, past, future, seed, step)
    redeemed = mailings.redeemed[future]
    measures: dict[str, Measure] = {}
    for who, forecast in forecasts.items():
        ranking = WeightedRanking(redeemed, forecast[future])
        figures = (ranking.auc, ranking.lift(0.1), ranking.average_precision)
        measures |= {f"{who} {name}": figure for name, figure in zip(_FIGURES, figures, strict=True)}
    bootstrap = Bootstrap(measures, np.unique(mailings.households[future], return_inverse=True)[1].astype(np.int64), seed, draws)
    lines = [
        Line(
            figure=f"{name}, redemption, {redeemed.mean():.0%} redeem",
            ours=bootstrap.of(f"ours {name}"),
            untuned=bootstrap.of(f"untuned {name}"),
            above_untuned=bootstrap.difference(f"ours {name}", f"untuned {name}"),
            others={who: bootstrap.of(f"{who} {name}") for who in ("RFM", "BG/NBD")},
            target=max(bootstrap.of(f"{who} {name}").value for who in ("RFM", "BG/NBD")) if name != "AP" else None,
        )
        for name in _FIGURES
    ]
    note = (
        f"redemptions: {int(past.sum()):,} mailings teach, {int(future.sum()):,} judge of {len(past):,}; campaigns that ran on the day of "
        f"the split do neither; chosen inside the folds: {', '.join(chosen)}"
    )
    return lines, note


def _forecasts(mailings: Mailings, past: Mask, future: Mask, seed: int, step: Step) -> tuple[dict[str, Floats], list[str]]:
    """Forecasts of the future mailings by who learned from other households' past ones; rows that do not judge stay 0."""
    forecasts = {who: np.zeros(len(mailings.redeemed)) for who in ("ours", "untuned", "RFM", "BG/NBD")}
    chosen: list[str] = []
    for number, (train, test) in enumerate(folds(mailings.redeemed, mailings.households, FOLDS, seed), start=1):
        teach, judge = train[past[train]], test[future[test]]
        known, unseen = mailings.rows.iloc[teach], mailings.rows.iloc[judge]
        blend = fit_blend(_kinds(), known, mailings.redeemed[teach], mailings.households[teach], seed)
        forecasts["ours"][judge] = blend.forecast(unseen)
        forecasts["untuned"][judge] = yes(untuned(seed).fit(_raw(known), mailings.redeemed[teach]), _raw(unseen))
        forecasts["RFM"][judge] = rfm_score(_habit_columns(unseen), rfm_edges(_habit_columns(known)))
        forecasts["BG/NBD"][judge] = _expected(known, unseen)
        chosen.append(blend.name)
        step(f"complete_journey redemptions, fold {number} of {FOLDS}: {blend.name}")
    return forecasts, chosen


def _expected(known: pd.DataFrame, unseen: pd.DataFrame) -> Floats:
    """Purchases that BG/NBD expects in the next month, fitted to the households that teach."""
    return expected_purchases(fit_bg_nbd(_summary(known)), _summary(unseen), NEXT_DAYS)


def _summary(rows: pd.DataFrame) -> RfmSummary:
    habits = rows[list(NAMES)].fillna(0.0)
    age = habits["age_days"].to_numpy(dtype=np.float64)
    last = age + 1.0 - habits["days_since_last"].to_numpy(dtype=np.float64)
    repeats = np.maximum(habits["purchases"].to_numpy(dtype=np.float64) - 1.0, 0.0)
    return RfmSummary(repeats, np.where(repeats > 0, np.clip(last, 0.0, age), 0.0), age)


def _habit_columns(rows: pd.DataFrame) -> Floats:
    """The columns of `features_before`; who never showed up came as long ago as can be and never spent anything."""
    habits = rows[list(NAMES)].fillna({"days_since_last": LONG_AGO}).fillna(0.0)
    return habits.to_numpy(dtype=np.float64)


def _kinds() -> tuple[Kind, ...]:
    return Kind("boosting", _raw, _boosting, seeds=3), Kind("logistic", _logs, _logistic)


def _raw(rows: pd.DataFrame) -> Floats:
    return rows.to_numpy(dtype=np.float64)


def _logs(rows: pd.DataFrame) -> Floats:
    logs: Floats = np.log1p(rows.fillna({"days_since_last": LONG_AGO}).fillna(0.0).clip(lower=0.0).to_numpy(dtype=np.float64))
    return logs


def _boosting(seed: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.05, max_depth=3, min_samples_leaf=30, l2_regularization=10.0, max_features=0.4,
        early_stopping=False, random_state=seed,
    )  # fmt: skip


def _logistic(seed: int) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=2_000, random_state=seed))


def _run(folder: Path, seed: int, step: Step) -> Benchmark:
    return benchmark(read_journey(folder), seed, step)


SPEC = Spec(folder="complete_journey", steps=MONTH_FOLDS + FOLDS, run=_run)
