"""Hillstrom: uplift of the women's and of the men's e-mail on visits, each beside no e-mail.

The published figure is of one split: of the 30 % of customers held out, the best 30 % by the best of several learners have
6.61 points more visits with the women's e-mail. With so few visits, one split varies by a whole point, so ours is the mean over folds. The
learner is chosen inside each fold; where learners do not differ beyond chance, it is the simplest.

The four quadrants are forecasts, since no customer is observed both with and without the e-mail. The measured effect of each
group is printed beside its forecast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.arrays import Floats, Ints
from models.benchmarks.benchmark import Benchmark, Line, Spec, Step
from models.benchmarks.blending import positive, untuned
from models.benchmarks.splitting import ASIDE_TEXT, Findings, splits_of
from models.fold_figures import DRAWS, Measure, Part
from models.tables.hillstrom import MENS, WOMENS, Trial, read_trial
from models.uplift.choice import FOLDS, choose, names_chosen, ranking_of, steps_of_choice
from models.uplift.learners import LEARNERS, Learner
from models.uplift.trial import Trial as Arms
from models.uplift.trial import trial_of

BEST = 0.3
_PUBLISHED = {WOMENS: 0.0661}
_NAMES = {WOMENS: "women's e-mail", MENS: "men's e-mail"}
QUADRANTS = ("persuadable", "sure thing", "lost cause", "sleeping dog")


class Forecasts(NamedTuple):
    """By customer, (n,), from models that were not fitted to it: uplift by ours and by untuned boosting, rate of visits without e-mail.

    `effect` and `rate` are the mean effect and the rate of visits without e-mail of the training part.
    """

    ours: Floats
    untuned: Floats
    without: Floats
    effect: Floats
    rate: Floats


def benchmark(
    table: Trial,
    seed: int,
    step: Step,
    *,
    arms: tuple[str, ...] = (WOMENS, MENS),
    learners: Mapping[str, Learner] = LEARNERS,
    draws: int = DRAWS,
    aside: bool = False,
) -> Benchmark:
    """Uplift and Qini of each e-mail on visits, and the four quadrants."""
    lines: list[Line] = []
    notes: list[str] = []
    for arm in arms:
        rows, treated, visited = table.against_none(arm)
        trial = trial_of(rows.to_numpy(dtype=np.float32), treated, visited)
        of_arm = partial(_prefixed, step, f"hillstrom {_NAMES[arm]}: ")
        found, chosen, forecasts = _findings(trial, seed, of_arm, learners, draws, aside=aside)
        lines += _lines(_NAMES[arm], found, _PUBLISHED.get(arm))
        notes += [f"{_NAMES[arm]}: learners chosen: {names_chosen(chosen)}", *_quadrant_notes(_NAMES[arm], trial, forecasts)]
    return Benchmark(
        name="hillstrom",
        title="Hillstrom: uplift of e-mails on visits",
        protocol=f"stratified {FOLDS}-fold{ASIDE_TEXT if aside else ''}; learner chosen by folds inside the training part",
        unit="customer",
        base_rate=float(table.visited.mean()),
        lines=tuple(lines),
        notes=(*notes, "the settings of the learners were set by hand on this table; only the choice of the learner is made inside"),
        counts=table.counts,
    )


def _findings(
    trial: Arms, seed: int, step: Step, learners: Mapping[str, Learner], draws: int, *, aside: bool
) -> tuple[Findings, list[str], Forecasts]:
    forecasts = Forecasts(*(np.full(len(trial.outcome), np.nan) for _ in Forecasts._fields))
    splits = splits_of(trial.strata, None, FOLDS, seed, aside=aside)
    chosen = []
    for number, (train, test) in enumerate(splits.all(), start=1):
        known, rows = trial.take(train), trial.rows[test]
        chosen.append(choose(known, seed, partial(_prefixed, step, f"fit {number} of {len(splits)}: "), learners))
        fitted = learners[chosen[-1]](known, seed)
        control = known.treated == 0
        forecasts.ours[test], forecasts.without[test] = fitted.uplift(rows), fitted.without.propensity(rows)
        forecasts.untuned[test] = untuned_t_learner(known, seed)(rows.astype(np.float64))
        forecasts.rate[test] = known.outcome[control].mean()
        forecasts.effect[test] = known.outcome[~control].mean() - known.outcome[control].mean()
    makers: dict[str, Callable[[Part], Measure]] = {}
    for name, forecast in (("ours", forecasts.ours), ("untuned", forecasts.untuned)):
        makers[f"{name} uplift"] = partial(_uplift, trial, forecast, seed)
        makers[f"{name} Qini"] = partial(_qini, trial, forecast, seed)
    return Findings(makers, splits, trial.units, seed, draws), chosen, forecasts


def untuned_t_learner(trial: Arms, seed: int) -> Callable[[Floats], Floats]:
    """T-learner of boosting with scikit-learn's default settings: a function of rows (n, k) to forecast effects (n,)."""
    with_it, without = (untuned(seed).fit(trial.rows[trial.treated == arm], trial.outcome[trial.treated == arm]) for arm in (1, 0))
    return lambda rows: positive(with_it, rows) - positive(without, rows)


def _uplift(trial: Arms, forecast: Floats, seed: int, part: Part) -> Measure:
    return partial(ranking_of(trial, forecast, part.rows, seed).uplift_at, BEST)


def _qini(trial: Arms, forecast: Floats, seed: int, part: Part) -> Measure:
    return ranking_of(trial, forecast, part.rows, seed).qini


def _prefixed(step: Step, prefix: str, text: str) -> None:
    step(prefix + text)


def _lines(name: str, found: Findings, published: float | None) -> list[Line]:
    return [
        found.line(
            f"{name}: uplift@{BEST:.0%} on visits",
            "ours uplift",
            untuned=found.of("untuned uplift"),
            above_untuned=found.of("ours uplift", "untuned uplift"),
            published=published,
            published_by="scikit-uplift's tutorial, one split" if published else "",
            target=published,
        ),
        found.line(
            f"{name}: Qini above random, per customer",
            "ours Qini",
            untuned=found.of("untuned Qini"),
            above_untuned=found.of("ours Qini", "untuned Qini"),
            published=0.0,
            published_by="treating at random",
            target=None if published is None else 0.0,
            by_lower_end=True,
        ),
    ]


def quadrants(difference: Floats, baseline: Floats, effect: Floats | float, control_rate: Floats | float) -> Ints:
    """Number of each customer's quadrant in QUADRANTS, (n,), from the forecast uplift and the forecast rate without e-mail, (n,).

    Uplift below 0: sleeping dog. Uplift of at least half the average effect: persuadable. Of the others, a customer with a rate
    without e-mail of at least the average is a sure thing, the rest are lost causes.
    """
    little = difference < effect / 2
    unmoved = np.where(baseline >= control_rate, 1, 2)
    return np.where(difference < 0, 3, np.where(little, unmoved, 0)).astype(np.int64)


def _quadrant_notes(email: str, trial: Arms, forecasts: Forecasts) -> list[str]:
    """By quadrant over all folds: share of customers, measured effect, and share of the offers of two rankings."""
    kind = quadrants(forecasts.ours, forecasts.without, forecasts.effect, forecasts.rate)
    ours, likely = _best(forecasts.ours), _best(forecasts.without)
    notes = []
    for number, name in enumerate(QUADRANTS):
        member = kind == number
        treated, outcome = trial.treated[member] == 1, trial.outcome[member]
        if not (treated.any() and (~treated).any()):
            notes.append(f"{email}, {name}: {member.mean():.1%} of customers")
            continue
        visits, without = outcome[treated].mean(), outcome[~treated].mean()
        offers, by_likely = ours[member].sum() / ours.sum(), likely[member].sum() / likely.sum()
        notes.append(
            f"{email}, {name}: {member.mean():.1%} of customers; visits {without:.1%} without, {visits:.1%} with the e-mail; "
            f"of the offers, ours gives them {offers:.1%}, a ranking by visits without e-mail {by_likely:.1%}"
        )
    return notes


def _best(forecast: Floats) -> Floats:
    """1 for the share BEST of the rows with the highest forecast, 0 for the others, (n,)."""
    chosen = np.zeros(len(forecast))
    chosen[np.argsort(-forecast, kind="stable")[: int(BEST * len(forecast))]] = 1.0
    return chosen


def _run(folder: Path, seed: int, step: Step, aside: bool) -> Benchmark:  # noqa: FBT001 (the signature of all benchmarks)
    return benchmark(read_trial(folder / "hillstrom.csv.gz"), seed, step, aside=aside)


SPEC = Spec(folder="hillstrom", steps=2 * (FOLDS + 1) * steps_of_choice(), run=_run)
