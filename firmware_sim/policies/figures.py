"""Figures of a comparison: one summary for each policy and seed, and means over seeds with intervals from paired resampling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_sim.policies.run import Sent
from gateway.core.measure.exposure import gini

ANSWERS_MIN = 200  # closed windows of an offer from which on its propensities are judged
BINS = 10
TINY = 1e-9
BOOTSTRAPS = 2_000
REFERENCE = "propensity"
CEILING = "oracle"


class OfferFigures(NamedTuple):
    """Messages of one offer to each person, the share accepted, their margin, and the share without any chance (`wasted`).

    Those expired before a sleeping phone woke, or came while the shop was closed.
    """

    offer: str
    messages: float
    accepted: float
    margin_minor: float
    wasted: float


class Summary(NamedTuple):
    """One run: figures for each person, errors of the propensities (None without any), exposure, the margin of each day, and offers."""

    margin_minor: float
    accepted: float
    messages: float
    error: float | None
    calibration: float | None
    gini: float
    coverage: float
    seconds: float
    days_minor: tuple[float, ...]
    offers: tuple[OfferFigures, ...] = ()


class Figure(NamedTuple):
    """A mean over seeds with its 95 % interval."""

    mean: float
    low: float
    high: float


class Row(NamedTuple):
    """A policy over all seeds; ratios and differences are paired by seed with REFERENCE, regret with CEILING."""

    policy: str
    margin_minor: Figure
    accepted: Figure
    messages: Figure
    error: Figure | None
    calibration: Figure | None
    gini: Figure
    coverage: Figure
    margin_ratio: Figure | None
    message_ratio: Figure | None
    margin_more: Figure | None
    gini_more: Figure | None
    regret_days: tuple[Figure, ...]
    seconds: float
    offers: tuple[OfferFigures, ...] = ()


def summary(sent: Sequence[Sent], *, people: int, offers: Sequence[str], days: int, seconds: float) -> Summary:
    """Figures of one run. `error` is the mean absolute error of the propensities, `calibration` that of the means of bins."""
    margins = [0.0] * days
    for one in sent:
        margins[one.day] += one.gain_minor / people
    exposures = Counter(one.position for one in sent)
    judged = [
        (one.propensity, one.acceptance) for one in sent if one.received and one.propensity is not None and one.answers >= ANSWERS_MIN
    ]
    stated, true = np.array(judged, dtype=float).reshape(-1, 2).T
    return Summary(
        margin_minor=sum(margins),
        accepted=sum(one.acceptance for one in sent) / people,
        messages=len(sent) / people,
        error=float(np.abs(stated - true).mean()) if judged else None,
        calibration=calibration_error(stated, true) if judged else None,
        gini=gini([exposures[position] for position in range(len(offers))]),
        coverage=len(exposures) / len(offers),
        seconds=seconds,
        days_minor=tuple(margins),
        offers=tuple(_offer(name, [one for one in sent if one.position == at], people) for at, name in enumerate(offers)),
    )


def _offer(name: str, sent: Sequence[Sent], people: int) -> OfferFigures:
    most = max(len(sent), 1)
    taken, wasted = sum(one.acceptance for one in sent), sum(one.acceptance == 0.0 for one in sent)
    return OfferFigures(name, len(sent) / people, taken / most, sum(one.gain_minor for one in sent) / people, wasted / most)


def calibration_error(stated: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Mean difference, weighted by rows, between mean stated and mean true probability within BINS equal bins of the stated one."""
    bins = np.minimum((stated * BINS).astype(int), BINS - 1)
    return float(sum(abs((stated[bins == one] - true[bins == one]).sum()) for one in range(BINS)) / len(stated))


def rows(summaries: Mapping[str, Sequence[Summary]]) -> list[Row]:
    """A row for each policy, in the order of `summaries`; every list holds the same seeds in the same order."""
    size = len(next(iter(summaries.values())))
    picks = np.random.default_rng(0).integers(0, size, (BOOTSTRAPS, size))
    reference, ceiling = summaries.get(REFERENCE), summaries.get(CEILING)
    return [_row(name, runs, reference, ceiling, picks) for name, runs in summaries.items()]


def _row(
    name: str, runs: Sequence[Summary], reference: Sequence[Summary] | None, ceiling: Sequence[Summary] | None, picks: NDArray[np.int64]
) -> Row:
    margin, messages = _values(runs, "margin_minor"), _values(runs, "messages")
    of_reference = None if reference is None else (_values(reference, "margin_minor"), _values(reference, "messages"))
    return Row(
        policy=name,
        margin_minor=figure(margin, picks),
        accepted=figure(_values(runs, "accepted"), picks),
        messages=figure(messages, picks),
        error=figure(_values(runs, "error"), picks) if all(run.error is not None for run in runs) else None,
        calibration=figure(_values(runs, "calibration"), picks) if all(run.calibration is not None for run in runs) else None,
        gini=figure(_values(runs, "gini"), picks),
        coverage=figure(_values(runs, "coverage"), picks),
        margin_ratio=None if of_reference is None else ratio(margin, of_reference[0], picks),
        message_ratio=None if of_reference is None else ratio(messages, of_reference[1], picks),
        margin_more=None if of_reference is None else figure(margin - of_reference[0], picks),
        gini_more=None if reference is None else figure(_values(runs, "gini") - _values(reference, "gini"), picks),
        regret_days=() if ceiling is None else _regret(runs, ceiling, picks),
        seconds=float(_values(runs, "seconds").mean()),
        offers=tuple(_together(parts) for parts in zip(*(run.offers for run in runs), strict=True)),
    )


def _together(runs: Sequence[OfferFigures]) -> OfferFigures:
    """One offer over all seeds; shares are of all messages."""
    messages = sum(one.messages for one in runs)
    accepted, wasted = (
        sum(one.messages * share for one, share in zip(runs, shares, strict=True)) / max(messages, TINY)
        for shares in ([one.accepted for one in runs], [one.wasted for one in runs])
    )
    margin_minor = sum(one.margin_minor for one in runs) / len(runs)
    return OfferFigures(runs[0].offer, messages / len(runs), accepted, margin_minor, wasted)


def _regret(runs: Sequence[Summary], ceiling: Sequence[Summary], picks: NDArray[np.int64]) -> tuple[Figure, ...]:
    """Margin for each person that the ceiling has gathered more, up to the end of each day."""
    lost = np.cumsum([run.days_minor for run in ceiling], axis=1) - np.cumsum([run.days_minor for run in runs], axis=1)
    return tuple(figure(lost[:, day], picks) for day in range(lost.shape[1]))


def _values(runs: Sequence[Summary], name: str) -> NDArray[np.float64]:
    return np.array([getattr(run, name) for run in runs], dtype=float)


def figure(values: NDArray[np.float64], picks: NDArray[np.int64]) -> Figure:
    """Mean of one value for each seed, with the interval of its resampled means."""
    low, high = np.percentile(values[picks].mean(axis=1), (2.5, 97.5))
    return Figure(float(values.mean()), float(low), float(high))


def ratio(values: NDArray[np.float64], others: NDArray[np.float64], picks: NDArray[np.int64]) -> Figure:
    """Ratio of the means, with the interval from seeds resampled in pairs."""
    low, high = np.percentile(values[picks].mean(axis=1) / others[picks].mean(axis=1), (2.5, 97.5))
    return Figure(float(values.mean() / others.mean()), float(low), float(high))
