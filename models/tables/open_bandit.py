"""Open Bandit: items shown by two policies, logged probabilities, and clicks (Saito et al. 2021, the small sample).

A uniformly random policy and Bernoulli Thompson sampling ran side by side on a fashion site, each for three campaigns. The
log has the probability with which the policy chose the shown item, so another policy can be estimated from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import Ints
from models.tables.reading import Counts, RowFilter, TableError, read_texts

RANDOM, THOMPSON = "random", "bts"
MEN, WOMEN, ALL = "men", "women", "all"


class Choices(NamedTuple):
    """By showing, (n,): item from 0, place on the page from 0, click (0/1), and logged probability of the choice."""

    items: Ints
    places: Ints
    clicked: Ints
    p_select: NDArray[np.float64]
    counts: Counts


def read_choices(folder: Path, policy: str, campaign: str) -> Choices:
    """The choices of `policy` in `campaign`, from a file in `folder` (may be compressed). Raises TableError if it cannot be read."""
    found = sorted(folder.glob(f"{policy}_{campaign}.csv*"))
    if not found:
        raise TableError(f"{folder} holds no {policy}_{campaign}.csv (nor .csv.xz, .csv.gz)")
    row_filter = RowFilter(read_texts(found[0], ("item_id", "position", "click", "propensity_score")))
    items = row_filter.number("item_id", low=0.0)
    places = row_filter.number("position", 1.0, 3.0)
    clicked = row_filter.coded("click", {"0": 0.0, "1": 1.0})
    p_select = row_filter.number("propensity_score", 0.0, 1.0)
    row_filter.reject(p_select <= 0.0, "unknown_propensity_score")
    kept = row_filter.kept
    return Choices(
        items=items[kept].astype(np.int64),
        places=places[kept].astype(np.int64) - 1,
        clicked=clicked[kept].astype(np.int64),
        p_select=p_select[kept],
        counts=row_filter.counts(),
    )


def items_of(folder: Path, campaign: str) -> int:
    """Number of items of a campaign, one row each in its item table. Raises TableError if that cannot be read."""
    return len(read_texts(folder / f"item_context_{campaign}.csv", ("item_id",)))
