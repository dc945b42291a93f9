"""Open Bandit: the click rate of the random policy, estimated from the log of Thompson sampling.

Both policies ran side by side, so the true rate is in the random policy's own log. If the overlap is too small, no estimate is
given. That is the case for the campaign `women`, where one row of the whole file was chosen with a probability of one in a
million and would outweigh all others together.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gateway.core.measure.off_policy import smoothed_rates
from gateway.core.measure.overlap import CHECKS, Overlap
from gateway.core.measure.overlap import overlap as overlap_of
from models.arrays import Floats
from models.benchmarks.benchmark import Benchmark, Line, Spec, Step, exact
from models.measures import Interval, interval
from models.off_policy import estimates as off_policy
from models.off_policy.estimates import Estimates
from models.tables.open_bandit import MEN, RANDOM, THOMPSON, WOMEN, Choices, items_of, read_choices
from models.tables.reading import Counts

ROWS_WHOLE = 10_000
_CLICKS = {(MEN, RANDOM): 0.0046, (MEN, THOMPSON): 0.0069, (WOMEN, RANDOM): 0.0046, (WOMEN, THOMPSON): 0.0046}
_ESS = {MEN: 656.0, WOMEN: 2.08}
_ACCEPTED = {MEN: True, WOMEN: False}
_STRENGTH = 200.0
"""Rows with the overall rate that each item starts with, about as many as an item's showings, so that one click has little effect."""


def campaign_lines(
    name: str, uniform: Choices, thompson: Choices, items: int, seed: int, *, aside: bool = False
) -> tuple[tuple[Line, ...], str]:
    """Counted click rates, effective sample size and estimates of one campaign, and a note on its overlap.

    The log of the random policy takes no part in its estimates, so with `aside` it is the figure on rows put aside.
    """
    weights = off_policy.weights_of(np.full(len(thompson.items), 1.0 / items), thompson.p_select)
    overlap = overlap_of(weights, thompson.p_select)
    lines = [
        _rate(name, RANDOM, uniform, seed),
        _rate(name, THOMPSON, thompson, seed),
        Line(
            figure=f"{name}: effective sample size",
            ours=exact(overlap.ess),
            published=_ESS[name],
            published_by="whole file",
            target=_ESS[name] if _whole(thompson) else None,
            within=0.005 * _ESS[name],
        ),
    ]
    if not overlap.refused:
        truth = _share(uniform.clicked.astype(np.float64), seed)
        lines += _estimated(name, _estimates(thompson, weights, items, seed), truth, aside=aside)
    return tuple(lines), _verdict(name, overlap, thompson)


def _whole(choices: Choices) -> bool:
    return choices.counts.rows_in >= ROWS_WHOLE


def _rate(name: str, policy: str, choices: Choices, seed: int) -> Line:
    published = _CLICKS[name, policy]
    return Line(
        figure=f"{name}: clicks a showing, {'random policy' if policy == RANDOM else 'Thompson sampling'}",
        ours=_share(choices.clicked.astype(np.float64), seed),
        published=published,
        published_by="whole file",
        target=published if _whole(choices) else None,
        within=5e-5,
    )


def _share(outcome: Floats, seed: int) -> Interval:
    """A share with its bootstrap interval over rows, drawn as a binomial."""
    rows = len(outcome)
    drawn = np.random.default_rng(seed).binomial(rows, outcome.mean(), size=off_policy.DRAWS) / rows
    return interval(float(outcome.mean()), drawn)


def _estimates(log: Choices, weights: Floats, items: int, seed: int) -> Estimates:
    """All estimates; each row's forecast is fitted to the half of the log without the row."""
    outcome = log.clicked.astype(np.float64)
    half = np.random.default_rng(seed).permutation(len(outcome)) % 2
    chosen, other = np.zeros(len(outcome)), np.zeros(len(outcome))
    for side in (0, 1):
        rates = smoothed_rates(log.items, outcome, np.flatnonzero(half != side), items, _STRENGTH)
        chosen[half == side] = rates[log.items[half == side]]
        other[half == side] = rates.mean()
    return off_policy.estimates(weights, outcome, chosen, other, seed)


def _estimated(name: str, estimates: Estimates, truth: Interval, *, aside: bool) -> list[Line]:
    ways = {"IPS": estimates.ips, "SNIPS": estimates.snips, "DR": estimates.dr, "Switch-DR": estimates.switch_dr}
    return [
        Line(
            figure=f"{name}: clicks of the random policy, from the other log, {way}",
            ours=ours,
            published=truth.value,
            published_by="counted in its own log",
            expected=_of_sample(ours, truth) if aside else None,
            aside=truth.value if aside else None,
        )
        for way, ours in ways.items()
    ]


def _of_sample(estimate: Interval, counted: Interval) -> Interval:
    """The interval of an estimate, widened by the chance in the figure that was counted."""
    low, high = estimate.value - estimate.low, estimate.high - estimate.value
    below, above = counted.high - counted.value, counted.value - counted.low
    return Interval(estimate.value, estimate.value - np.hypot(low, above).item(), estimate.value + np.hypot(high, below).item())


def _verdict(name: str, overlap: Overlap, log: Choices) -> str:
    seen = (
        f"{name}: ESS {overlap.ess:.4g} of {overlap.rows} rows ({overlap.ess / overlap.rows:.1%}), "
        f"mean weight {overlap.weight_mean:.3f}, largest {overlap.weight_max:,.0f}, missing mass {overlap.missing:.1%}, "
        f"k-hat {overlap.k_hat:.2f}"
    )
    verdict = f"refused: {'; '.join(overlap.refused)}" if overlap.refused else "accepted"
    whole = "accepted" if _ACCEPTED[name] else "refused"
    if (not overlap.refused) == _ACCEPTED[name]:
        return f"{seen} -> {verdict}, as on the whole file"
    return (
        f"{seen} -> {verdict}. The whole file of {ROWS_WHOLE:,} rows is {whole}; "
        f"this copy has {log.counts.rows_in:,} of them, so the checks are of other rows"
    )


def _run(folder: Path, seed: int, step: Step, aside: bool) -> Benchmark:  # noqa: FBT001 (the signature of all benchmarks)
    lines: list[Line] = []
    notes: list[str] = []
    counts: list[Counts] = []
    clicks: list[Floats] = []
    for campaign in (MEN, WOMEN):
        uniform, thompson = read_choices(folder, RANDOM, campaign), read_choices(folder, THOMPSON, campaign)
        found, note = campaign_lines(campaign, uniform, thompson, items_of(folder, campaign), seed, aside=aside)
        lines += found
        notes.append(note)
        counts += [uniform.counts, thompson.counts]
        clicks += [uniform.clicked.astype(np.float64), thompson.clicked.astype(np.float64)]
        step(f"open_bandit {campaign}")
    refused: dict[str, int] = {}
    for reason, rows in ((reason, rows) for count in counts for reason, rows in count.refused.items()):
        refused[reason] = refused.get(reason, 0) + rows
    return Benchmark(
        name="open_bandit",
        title="Open Bandit (small): off-policy estimates of the click rate",
        protocol=(
            "the random policy is estimated from Thompson sampling's log, unless a check of the weights fails: "
            + ", ".join(check.name for check in CHECKS)
        ),
        unit="showing",
        base_rate=float(np.concatenate(clicks).mean()),
        lines=tuple(lines),
        notes=tuple(notes),
        counts=Counts(sum(count.rows_in for count in counts), sum(count.rows_used for count in counts), refused),
    )


SPEC = Spec(folder="open_bandit_small", steps=2, run=_run)
