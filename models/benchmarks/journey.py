"""Complete Journey: purchases of the next month, and redemptions of mailed coupons, by household.

Both are split by household and by time: no tested household is trained on, and no training row is later than a tested one.
For redemptions, models are trained on campaigns that ended before the date of the split and tested on campaigns that began
after it; features of a household are computed from the days before its campaign began.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from models.benchmarks.blending import Member, fit_blend, positive, untuned
from models.benchmarks.next_month import lines_of, mean_rate, notes_of, protocol_of
from models.benchmarks.splitting import SALT, Findings, Splits, ranking_makers, splits_of
from models.benchmarks.weighted_ranking import WeightedRanking
from models.fold_figures import DRAWS, Measure
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
_FIGURES: Mapping[str, Callable[[WeightedRanking], Measure]] = {
    "AUC": lambda ranking: ranking.auc,
    "lift in the best 10 %": lambda ranking: ranking.lift(0.1),
    "AP": lambda ranking: ranking.average_precision,
}


class Mailings(NamedTuple):
    """By mailing (household and campaign), (n,): features, redemption (0/1), household number, start and end of the campaign."""

    rows: pd.DataFrame
    redeemed: Ints
    households: Ints
    starts: pd.Series[pd.Timestamp]
    ends: pd.Series[pd.Timestamp]


def benchmark(table: Journey, seed: int, step: Step, draws: int = DRAWS, *, aside: bool = False) -> Benchmark:
    """Figures of next month's purchases, then of redemptions. Raises ValuationError if there are too few households."""
    bought = next_month_benchmark(
        days_of(table), _counted(table), seed, lambda what: step(f"complete_journey, next month: {what}"), salt=SALT if aside else ""
    )
    lines, note = _redemptions(table, seed, step, draws, aside=aside)
    return Benchmark(
        name="complete_journey",
        title="Complete Journey: purchases of the next month, and redemptions",
        protocol=(
            f"{protocol_of(aside=aside)}; redemptions: {FOLDS} folds by household, trained on campaigns before {SPLIT}, tested on "
            "later ones"
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
        "without a line may have bought all the same, so the forecast outcome is a line in the sample, and every figure is lower than it "
        "would be on all lines; BG/NBD suffers least (thinned purchases have a lower rate), features of basket contents most"
    )


def days_of(table: Journey) -> pd.DataFrame:
    """Days with a purchase of each household: columns subject, day since 1970, spent."""
    days = table.lines["day"].to_numpy().astype("datetime64[D]").astype(np.int64)
    lines = table.lines.assign(subject=table.lines["household"].astype(str), day=days)
    return lines.groupby(["subject", "day"], as_index=False).agg(spent=("value", "sum"))


def _counted(table: Journey) -> RowCounts:
    return RowCounts("baskets", table.counts.rows_in, table.counts.rows_used, dict(table.counts.refused))


def mailings_of(table: Journey) -> Mailings:
    """Every mailing, with features of its household from before the campaign began."""
    mailed = table.mailings.merge(table.campaigns, on="campaign")
    first = table.redemptions.groupby(["household", "campaign"], as_index=False).agg(day=("day", "min"))
    redeemed = mailed.merge(first, on=["household", "campaign"], how="left")["day"].notna().to_numpy()
    number = {household: index for index, household in enumerate(sorted(mailed["household"].unique()))}
    parts = [_before(table, mailed, first, start) for start in sorted(mailed["start"].unique())]
    rows = pd.concat(parts).loc[mailed.index]
    households = mailed["household"].map(number).to_numpy(dtype=np.int64)
    return Mailings(rows, redeemed.astype(np.int64), households, mailed["start"], mailed["end"])


def _before(table: Journey, mailed: pd.DataFrame, first: pd.DataFrame, start: pd.Timestamp) -> pd.DataFrame:
    """Features of the mailings of all campaigns that begin on one day."""
    now = mailed[mailed["start"] == start]
    household = now["household"]
    lines = table.lines[table.lines["day"] < start]
    earlier = mailed[mailed["start"] < start].groupby("household").size()
    before = first[first["day"] < start]
    ago = before.assign(ago=(start - before["day"]).dt.days.astype(np.float64)).groupby("household")["ago"].agg(["size", "min"])
    columns = {f"kind_{kind[-1]}": (now["kind"] == kind).astype(np.float64) for kind in _KINDS}
    columns["days"] = (now["end"] - now["start"]).dt.days.astype(np.float64)
    columns["mailed"] = household.map(earlier).fillna(0.0).astype(np.float64)
    columns["redeemed"] = household.map(ago["size"]).fillna(0.0)
    columns["redeemed_share"] = columns["redeemed"] / columns["mailed"].clip(lower=1.0)
    columns["since_redeemed"] = household.map(ago["min"]).fillna(LONG_AGO)
    columns |= _overlap(table, now, lines)
    habits = _habits(lines, start).reindex(household.to_numpy()).set_axis(now.index)
    return pd.concat((pd.DataFrame(columns, index=now.index), habits), axis=1)


def _overlap(table: Journey, now: pd.DataFrame, lines: pd.DataFrame) -> dict[str, pd.Series[float]]:
    """Number of products with a coupon, and number and share of the household's earlier lines of such products."""
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
    """The columns of `features_before`, by household, without BG/NBD, which is fitted to training households only."""
    if lines.empty:
        return pd.DataFrame(columns=list(NAMES), dtype=np.float64)
    number = lines["household"].to_numpy(dtype=np.int64)
    day = lines["day"].to_numpy().astype("datetime64[D]").astype(np.int64)
    days = pd.DataFrame({"number": number, "day": day, "spent": lines["value"].to_numpy(dtype=np.float64)})
    days = days.groupby(["number", "day"], as_index=False).agg(spent=("spent", "sum"))
    known = features_before(days, int(np.datetime64(start, "D").astype(np.int64)))
    return pd.DataFrame(known.columns, index=known.subjects, columns=list(NAMES))


def _redemptions(table: Journey, seed: int, step: Step, draws: int, *, aside: bool) -> tuple[list[Line], str]:
    mailings = mailings_of(table)
    past = (mailings.ends < SPLIT).to_numpy()
    future = (mailings.starts >= SPLIT).to_numpy()
    splits = _in_time(splits_of(mailings.redeemed, mailings.households, FOLDS, seed, aside=aside), past, future)
    forecasts, chosen = _forecasts(mailings, splits, seed, step)
    found = Findings(ranking_makers(mailings.redeemed, forecasts, _FIGURES), splits, mailings.households, seed, draws)
    lines = [
        found.line(
            f"{name}, redemption, {mailings.redeemed[future].mean():.0%} redeem",
            f"ours {name}",
            untuned=found.of(f"untuned {name}"),
            above_untuned=found.of(f"ours {name}", f"untuned {name}"),
            others={model: found.of(f"{model} {name}") for model in ("RFM", "BG/NBD")},
            target=max(found.of(f"{model} {name}").value for model in ("RFM", "BG/NBD")) if name != "AP" else None,
        )
        for name in _FIGURES
    ]
    note = (
        f"redemptions: {int(past.sum()):,} mailings to train on, {int(future.sum()):,} to test on, of {len(past):,}; campaigns that ran "
        f"on the day of the split are left out; chosen inside the folds: {', '.join(chosen)}"
    )
    return lines, note


def _in_time(splits: Splits, past: Mask, future: Mask) -> Splits:
    """The splits with past mailings to train on and future ones to test on."""

    def cut(split: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
        return split[0][past[split[0]]], split[1][future[split[1]]]

    return Splits(tuple(cut(split) for split in splits.folds), cut(splits.aside) if splits.aside else None)


def _forecasts(mailings: Mailings, splits: Splits, seed: int, step: Step) -> tuple[dict[str, Floats], list[str]]:
    """Forecasts of the future mailings, (n,), by models fitted to other households' past ones; other rows stay 0. And the blends chosen."""
    forecasts = {model: np.zeros(len(mailings.redeemed)) for model in ("ours", "untuned", "RFM", "BG/NBD")}
    chosen: list[str] = []
    for number, (past_rows, future_rows) in enumerate(splits.all(), start=1):
        known, unseen = mailings.rows.iloc[past_rows], mailings.rows.iloc[future_rows]
        blend = fit_blend(_members(), known, mailings.redeemed[past_rows], mailings.households[past_rows], seed)
        forecasts["ours"][future_rows] = blend.forecast(unseen)
        forecasts["untuned"][future_rows] = positive(untuned(seed).fit(_raw(known), mailings.redeemed[past_rows]), _raw(unseen))
        forecasts["RFM"][future_rows] = rfm_score(_habit_columns(unseen), rfm_edges(_habit_columns(known)))
        forecasts["BG/NBD"][future_rows] = _expected(known, unseen)
        chosen.append(blend.name)
        step(f"complete_journey redemptions, fit {number} of {len(splits)}: {blend.name}")
    return forecasts, chosen


def _expected(known: pd.DataFrame, unseen: pd.DataFrame) -> Floats:
    """Purchases of the next month expected by BG/NBD, fitted to the training households."""
    return expected_purchases(fit_bg_nbd(_summary(known)), _summary(unseen), NEXT_DAYS)


def _summary(rows: pd.DataFrame) -> RfmSummary:
    habits = rows[list(NAMES)].fillna(0.0)
    age = habits["age_days"].to_numpy(dtype=np.float64)
    last = age + 1.0 - habits["days_since_last"].to_numpy(dtype=np.float64)
    repeats = np.maximum(habits["purchases"].to_numpy(dtype=np.float64) - 1.0, 0.0)
    return RfmSummary(repeats, np.where(repeats > 0, np.clip(last, 0.0, age), 0.0), age)


def _habit_columns(rows: pd.DataFrame) -> Floats:
    """The columns of `features_before`, (n, len(NAMES)); a household without a purchase has the longest absence and no spending."""
    habits = rows[list(NAMES)].fillna({"days_since_last": LONG_AGO}).fillna(0.0)
    return habits.to_numpy(dtype=np.float64)


def _members() -> tuple[Member, ...]:
    return Member("boosting", _raw, _boosting, seeds=3), Member("logistic", _logs, _logistic)


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


def _run(folder: Path, seed: int, step: Step, aside: bool) -> Benchmark:  # noqa: FBT001 (the signature of all benchmarks)
    return benchmark(read_journey(folder), seed, step, aside=aside)


SPEC = Spec(folder="complete_journey", steps=MONTH_FOLDS + FOLDS + 2, run=_run)
