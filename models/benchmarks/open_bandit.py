"""Open Bandit: what choosing by lot would earn, asked of Thompson sampling's log, and checked against the lot's own log.

Both policies ran side by side, so the truth is known: it stands in the other log. Where the overlap is too thin the
answer is not given at all; the known case are the women, where one row of the whole file was chosen with a probability
of a millionth and would outweigh all others together.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.arrays import Floats
from models.benchmarks import off_policy
from models.benchmarks.benchmark import Benchmark, Line, Spec, Step, exactly
from models.benchmarks.off_policy import Estimates, Overlap
from models.measures import Interval, interval
from models.tables.open_bandit import MEN, RANDOM, THOMPSON, WOMEN, Choices, items_of, read_choices
from models.tables.reading import Counts

ROWS_WHOLE = 10_000
_CLICKS = {(MEN, RANDOM): 0.0046, (MEN, THOMPSON): 0.0069, (WOMEN, RANDOM): 0.0046, (WOMEN, THOMPSON): 0.0046}
_ESS = {MEN: 656.0, WOMEN: 2.08}
_ACCEPTED = {MEN: True, WOMEN: False}
_STRENGTH = 200.0
"""How many rows of the overall rate each item starts with: about what an item is shown, so that a click or two do not decide."""


def campaign_lines(name: str, lot: Choices, thompson: Choices, items: int, seed: int) -> tuple[tuple[Line, ...], str]:
    """Counted rates, effective sample size and the estimates of one campaign; and what is to be known of it."""
    weights = off_policy.weights_of(np.full(len(thompson.items), 1.0 / items), thompson.p_select)
    overlap = off_policy.overlap(weights)
    lines = [
        _rate(name, RANDOM, lot, seed),
        _rate(name, THOMPSON, thompson, seed),
        Line(
            figure=f"{name}: effective sample size",
            ours=exactly(overlap.ess),
            published=_ESS[name],
            published_by="whole file",
            target=_ESS[name] if _whole(thompson) else None,
            within=0.005 * _ESS[name],
        ),
    ]
    if not overlap.refused:
        lines += _estimated(name, _estimates(thompson, weights, items, seed), float(lot.clicked.mean()))
    return tuple(lines), _verdict(name, overlap, thompson)


def _whole(choices: Choices) -> bool:
    return choices.counts.rows_in >= ROWS_WHOLE


def _rate(name: str, policy: str, choices: Choices, seed: int) -> Line:
    published = _CLICKS[name, policy]
    return Line(
        figure=f"{name}: clicks a showing, {'by lot' if policy == RANDOM else 'Thompson sampling'}",
        ours=_share(choices.clicked.astype(np.float64), seed),
        published=published,
        published_by="whole file",
        target=published if _whole(choices) else None,
        within=5e-5,
    )


def _share(outcome: Floats, seed: int) -> Interval:
    """A share with its interval from drawing rows, which for a share is a binomial draw."""
    rows = len(outcome)
    drawn = np.random.default_rng(seed).binomial(rows, outcome.mean(), size=off_policy.DRAWS) / rows
    return interval(float(outcome.mean()), drawn)


def _estimates(log: Choices, weights: Floats, items: int, seed: int) -> Estimates:
    """All three; the forecast of a row comes from the half of the log that the row is not in."""
    outcome = log.clicked.astype(np.float64)
    half = np.random.default_rng(seed).permutation(len(outcome)) % 2
    chosen, other = np.zeros(len(outcome)), np.zeros(len(outcome))
    for side in (0, 1):
        rates = off_policy.smoothed_rates(log.items, outcome, np.flatnonzero(half != side), items, _STRENGTH)
        chosen[half == side] = rates[log.items[half == side]]
        other[half == side] = rates.mean()
    return off_policy.estimates(weights, outcome, chosen, other, seed)


def _estimated(name: str, estimates: Estimates, truth: float) -> list[Line]:
    ways = {"IPS": estimates.ips, "SNIPS": estimates.snips, "DR": estimates.dr}
    by = "counted in the lot's own log"
    return [
        Line(figure=f"{name}: clicks by lot, from the other log, {way}", ours=ours, published=truth, published_by=by)
        for way, ours in ways.items()
    ]


def _verdict(name: str, overlap: Overlap, log: Choices) -> str:
    seen = (
        f"{name}: ESS {overlap.ess:.4g} of {overlap.rows} rows ({overlap.ess / overlap.rows:.1%}), "
        f"mean weight {overlap.weight_mean:.3f}, largest {overlap.weight_max:,.0f}"
    )
    verdict = f"refused: {'; '.join(overlap.refused)}" if overlap.refused else "accepted"
    whole = "accepted" if _ACCEPTED[name] else "refused"
    if (not overlap.refused) == _ACCEPTED[name]:
        return f"{seen} -> {verdict}, as on the whole file"
    return (
        f"{seen} -> {verdict}. The whole file of {ROWS_WHOLE:,} rows is {whole}; "
        f"this copy holds {log.counts.rows_in:,} of them, so the rules see other rows"
    )


def _run(folder: Path, seed: int, step: Step) -> Benchmark:
    lines: list[Line] = []
    notes: list[str] = []
    counts: list[Counts] = []
    clicks: list[Floats] = []
    for campaign in (MEN, WOMEN):
        lot, thompson = read_choices(folder, RANDOM, campaign), read_choices(folder, THOMPSON, campaign)
        found, note = campaign_lines(campaign, lot, thompson, items_of(folder, campaign), seed)
        lines += found
        notes.append(note)
        counts += [lot.counts, thompson.counts]
        clicks += [lot.clicked.astype(np.float64), thompson.clicked.astype(np.float64)]
        step(f"open_bandit {campaign}")
    refused: dict[str, int] = {}
    for reason, rows in ((reason, rows) for count in counts for reason, rows in count.refused.items()):
        refused[reason] = refused.get(reason, 0) + rows
    return Benchmark(
        name="open_bandit",
        title="Open Bandit (small): what another policy would have earned",
        protocol=(
            "choosing by lot is estimated from Thompson sampling's log; refused below an effective sample size of "
            f"{off_policy.ESS_MIN:.0f} or {off_policy.ESS_SHARE_MIN:.0%} of the rows, or with a mean weight outside "
            f"{off_policy.WEIGHT_MEAN_MIN} to {off_policy.WEIGHT_MEAN_MAX}"
        ),
        unit="showing",
        base_rate=float(np.concatenate(clicks).mean()),
        lines=tuple(lines),
        notes=tuple(notes),
        counts=Counts(sum(count.rows_in for count in counts), sum(count.rows_used for count in counts), refused),
    )


SPEC = Spec(folder="open_bandit_small", steps=2, run=_run)
