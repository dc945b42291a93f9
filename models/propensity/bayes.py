"""Online naive Bayes: counts in bins, one model an offer, small enough to be sent to a gateway and updated there.

Each predictor counts how often an offer was taken and refused in each of its bins. The contribution of a bin is the log of its
frequency among taken offers over that among refused ones; the score is the sum of the contributions and the prior
log-odds. Each answer adds to the counts, and old counts decay with a half-life, so the model follows the season. The
workstation computes only the initial counts (the priors).

The plain score of naive Bayes is overconfident. Correlated predictors are therefore grouped, and only the best of a group is
active; a predictor with an AUC near one half is inactive; and the score is calibrated by the outcomes of earlier answers with
a similar score.

Smoothing follows adaptive decision managers: each bin starts with 1/bins of a row, so no bin has probability zero, and a
model without answers gives one half. All functions are pure: the same answers in the same order give the same model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike
from sklearn.isotonic import isotonic_regression

from gateway.core.learned import SCORE_BINS, SCORE_EDGES, OfferPriors, Predictor
from models.arrays import Floats, Ints, Rows
from models.propensity.binning import Bins, bin_codes, fit_bins, outcome_counts
from models.propensity.training_set import probability

DAY_MS = 86_400_000
HALF_LIFE_DAYS = 90.0
AUC_MIN = 0.52  # a predictor below it is inactive
CORRELATION_MIN = 0.8  # of two predictors' contributions, to be one group
PRIOR_ROWS = 20.0  # weight of the plain score in the calibrated probability, in rows


class OfferBayes(OfferPriors, frozen=True):
    """The model of one offer."""

    def active(self) -> tuple[int, ...]:
        """Numbers of the active predictors: the best of each group, if its AUC is at least AUC_MIN."""
        best: dict[int, tuple[float, int]] = {}
        for index, predictor in enumerate(self.predictors):
            power = auc(predictor.taken, predictor.refused)
            if power >= AUC_MIN and power > best.get(predictor.group, (0.0, 0))[0]:
                best[predictor.group] = (power, index)
        return tuple(sorted(index for _, index in best.values()))

    def score(self, row: Mapping[str, float]) -> float:
        """The plain score in log-odds for a row of values by predictor name; a value that is absent or NaN is unknown."""
        return prior_log_odds(self.taken, self.refused) + sum(
            float(contributions(predictor.taken, predictor.refused)[_bin(predictor, row)])
            for predictor in (self.predictors[index] for index in self.active())
        )

    def propensity(self, row: Mapping[str, float]) -> float:
        """The calibrated probability for a row of values by predictor name."""
        score = self.score(row)
        counts = np.array(self.score_taken), np.array(self.score_refused)
        at = int(np.searchsorted(SCORE_EDGES, score, side="left"))
        rows = counts[0] + counts[1]
        if rows[at] == 0.0:
            return float(probability(np.array([score]))[0])
        seen = np.flatnonzero(rows)
        rising = isotonic_regression(counts[0][seen] / rows[seen], sample_weight=rows[seen])
        share = float(rising[np.searchsorted(seen, at)])
        return float((share * rows[at] + PRIOR_ROWS * float(probability(np.array([score]))[0])) / (rows[at] + PRIOR_ROWS))

    def learn(self, row: Mapping[str, float], *, taken: bool, at_ms: int) -> OfferBayes:
        """The model after one more answer at `at_ms` (ms since 1970); an answer older than the latest counts as equally old."""
        now = max(at_ms, self.at_ms)
        faded = self._faded(now)
        at = int(np.searchsorted(SCORE_EDGES, self.score(row), side="left"))
        return msgspec.structs.replace(
            faded,
            predictors=tuple(_counted(predictor, _bin(predictor, row), taken=taken) for predictor in faded.predictors),
            taken=faded.taken + taken,
            refused=faded.refused + (not taken),
            score_taken=_plus(faded.score_taken, at, float(taken)),
            score_refused=_plus(faded.score_refused, at, float(not taken)),
            at_ms=now,
        )

    def _faded(self, now: int) -> OfferBayes:
        if not self.at_ms:
            return self
        keep = 0.5 ** ((now - self.at_ms) / DAY_MS / self.half_life_days)
        return msgspec.structs.replace(
            self,
            predictors=tuple(
                msgspec.structs.replace(predictor, taken=_times(predictor.taken, keep), refused=_times(predictor.refused, keep))
                for predictor in self.predictors
            ),
            taken=self.taken * keep,
            refused=self.refused * keep,
            score_taken=_times(self.score_taken, keep),
            score_refused=_times(self.score_refused, keep),
        )


def prior_log_odds(taken: float, refused: float) -> float:
    """Log-odds of a row without any known value."""
    return float(np.log((taken + 1.0) / (refused + 1.0)))


def contributions(taken: ArrayLike, refused: ArrayLike) -> Floats:
    """Log of each bin's frequency among taken over that among refused, (bins,); 0 for an empty last bin (unknown values)."""
    right, wrong = np.asarray(taken, np.float64), np.asarray(refused, np.float64)
    rows = right + wrong
    bins = len(rows) - (len(rows) > 2 and rows[-1] == 0.0)
    of_right = (right + 1.0 / bins) / (right.sum() + 1.0)
    of_wrong = (wrong + 1.0 / bins) / (wrong.sum() + 1.0)
    contribution: Floats = np.log(of_right / of_wrong)
    if bins < len(rows):
        contribution[-1] = 0.0
    return contribution


def lifts(taken: ArrayLike, refused: ArrayLike) -> Floats:
    """The share taken in each bin over the overall share, (bins,); NaN for an empty bin."""
    right, rows = np.asarray(taken, np.float64), np.asarray(taken, np.float64) + np.asarray(refused, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        of_bins: Floats = (right / rows) / (right.sum() / rows.sum())
    return of_bins


def auc(taken: ArrayLike, refused: ArrayLike) -> float:
    """Area under the curve of the bins ordered by contribution; 0.5 if all counts have one outcome."""
    right, wrong = np.asarray(taken, np.float64), np.asarray(refused, np.float64)
    pairs = float(right.sum() * wrong.sum())
    if pairs == 0.0:
        return 0.5
    order = np.argsort(contributions(right, wrong), kind="stable")
    below = np.cumsum(wrong[order]) - wrong[order]
    return float((right[order] * (below + wrong[order] / 2)).sum()) / pairs


def fit_priors(
    offer: str, names: Sequence[str], rows: Rows, taken: Ints, *, at_ms: int = 0, half_life_days: float = HALF_LIFE_DAYS, bins_max: int = 6
) -> OfferBayes:
    """The initial model of an offer: bin edges, counts and groups from rows (n, k) and outcomes (n,), without any row itself."""
    bins = fit_bins(rows, bins_max)
    codes = bin_codes(rows, bins)
    counts = outcome_counts(codes, taken, max(of.size for of in bins) + 1)
    groups = correlation_groups(codes, counts, bins)
    model = OfferBayes(
        offer=offer,
        predictors=tuple(
            Predictor(
                name, tuple(of.edges.tolist()), tuple(table[: of.size + 1, 1].tolist()), tuple(table[: of.size + 1, 0].tolist()), group
            )
            for name, of, table, group in zip(names, bins, counts, groups, strict=True)
        ),
        taken=float(taken.sum()),
        refused=float(len(taken) - taken.sum()),
        half_life_days=half_life_days,
        at_ms=at_ms,
    )
    at = np.searchsorted(SCORE_EDGES, scores(model, codes), side="left")
    by_score = np.bincount(at * 2 + taken, minlength=2 * SCORE_BINS).reshape(-1, 2).astype(np.float64)
    return msgspec.structs.replace(model, score_taken=tuple(by_score[:, 1].tolist()), score_refused=tuple(by_score[:, 0].tolist()))


def scores(model: OfferBayes, codes: Ints) -> Floats:
    """The plain scores, (n,), for bins (n, predictors)."""
    total = np.full(len(codes), prior_log_odds(model.taken, model.refused))
    for index in model.active():
        predictor = model.predictors[index]
        total += contributions(predictor.taken, predictor.refused)[codes[:, index]]
    return total


def correlation_groups(codes: Ints, counts: Floats, bins: Sequence[Bins]) -> list[int]:
    """Group number of each predictor; predictors with contributions that correlate by at least CORRELATION_MIN share a group."""
    of_bins = [contributions(table[: of.size + 1, 1], table[: of.size + 1, 0]) for of, table in zip(bins, counts, strict=True)]
    of_rows = np.stack([of_bin[codes[:, column]] for column, of_bin in enumerate(of_bins)])
    centred = of_rows - of_rows.mean(axis=1, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=1))
    unit = centred / np.where(length > 0, length, 1.0)[:, np.newaxis]
    close = np.abs(unit @ unit.T) >= CORRELATION_MIN
    group = np.arange(len(of_rows))
    for index in range(len(of_rows)):
        for other in np.flatnonzero(close[index, :index]):
            group[group == group[index]] = group[other]
    return [int(number) for number in np.unique(group, return_inverse=True)[1]]


def _bin(predictor: Predictor, row: Mapping[str, float]) -> int:
    value = row.get(predictor.name, float("nan"))
    if np.isnan(value):
        return len(predictor.taken) - 1
    return int(np.searchsorted(predictor.edges, value, side="left"))


def _counted(predictor: Predictor, at: int, *, taken: bool) -> Predictor:
    if taken:
        return msgspec.structs.replace(predictor, taken=_plus(predictor.taken, at, 1.0))
    return msgspec.structs.replace(predictor, refused=_plus(predictor.refused, at, 1.0))


def _plus(counts: tuple[float, ...], at: int, amount: float) -> tuple[float, ...]:
    return (*counts[:at], counts[at] + amount, *counts[at + 1 :])


def _times(counts: tuple[float, ...], factor: float) -> tuple[float, ...]:
    return tuple(count * factor for count in counts)
