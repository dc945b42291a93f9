"""Information in the probabilities of a gateway: AUC against the answers, beside popularity and the true probabilities.

Only offers that were sent have answers, and a gateway sends those of high probability, so these areas are smaller than
over random offers. Intervals are over people.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import duckdb

DRAWS = 500
Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Area(NamedTuple):
    """AUC with its 95 % interval over people."""

    auc: float
    low: float
    high: float


class Probabilities(NamedTuple):
    """Areas of the model, of popularity (see `popularity`) and of the true probability, over `offers` answered offers."""

    offers: int
    accepted: int
    people: int
    model: Area
    popularity: Area
    truth: Area


def area(scores: Numbers, positive: Flags) -> float | None:
    """AUC of scores (n,) for flags (n,): the probability that a positive one scores higher, ties count half; None without both."""
    hits = int(positive.sum())
    if not 0 < hits < len(positive):
        return None
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * (len(positive) - hits)))


def popularity(rows: Iterable[tuple[str, str, bool]]) -> list[float]:
    """For each (person, offer, accepted) the share of the offer's other people that accepted it; 0.5 without other people."""
    listed = list(rows)
    made: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    own: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for person, offer, accepted in listed:
        for cell in (made[offer], own[person, offer]):
            cell[0] += 1
            cell[1] += accepted
    found = []
    for person, offer, _ in listed:
        others, taken = (whole - part for whole, part in zip(made[offer], own[person, offer], strict=True))
        found.append(taken / others if others else 0.5)
    return found


def probabilities(base: duckdb.DuckDBPyConnection, late_ms: int, seed: int) -> Probabilities | None:
    """Areas over the proposals whose offer reached a phone; None without both outcomes. Needs `matched` and the tables of the truth."""
    rows = base.execute(
        """
        with sent as (
            select distinct on (p.number) o.person, o.offer, o.decision, o.acceptance, p.propensity
            from (select row_number() over (order by h.export, h.subject, h.at_ms) as number, h.*, m.person
                  from interactions h left join matched m using (export, subject) where h.what = 'proposed') p
            join offers o on p.decision = o.decision
              or (p.person = o.person and p.offer = o.offer and o.at_ms - p.at_ms between -$late and $late)
            where o.acceptance is not null and p.propensity is not null
            order by p.number, abs(o.at_ms - p.at_ms)
        )
        select s.person, s.offer, s.propensity, s.acceptance,
               exists (from answers a where a.person = s.person and a.decision = s.decision and a.answer = 'accepted')
        from sent s order by s.person, s.decision
        """,
        {"late": late_ms},
    ).fetchall()
    accepted = np.array([row[4] for row in rows], dtype=bool)
    if not 0 < int(accepted.sum()) < len(accepted):
        return None
    popular = popularity((person, offer, taken) for person, offer, _, _, taken in rows)
    people = np.unique(np.array([row[0] for row in rows]), return_inverse=True)[1]
    model, usual, truth = (
        _with_interval(np.array(scores, dtype=np.float64), accepted, people, seed)
        for scores in ([row[2] for row in rows], popular, [row[3] for row in rows])
    )
    return Probabilities(len(rows), int(accepted.sum()), int(people.max()) + 1, model, usual, truth)


def _with_interval(scores: Numbers, accepted: Flags, people: NDArray[np.intp], seed: int) -> Area:
    """AUC with an interval from resampled people; the same people for every `scores` of one seed."""
    draws, rows = np.random.default_rng(seed), [np.flatnonzero(people == person) for person in range(int(people.max()) + 1)]
    drawn = []
    for _ in range(DRAWS):
        picked = np.concatenate([rows[person] for person in draws.integers(0, len(rows), len(rows))])
        if (found := area(scores[picked], accepted[picked])) is not None:
            drawn.append(found)
    low, high = np.percentile(drawn, (2.5, 97.5))
    whole = area(scores, accepted)
    assert whole is not None
    return Area(whole, float(low), float(high))
