"""From the Open Bandit log to choices: what was shown in which place, with which probability, and whether it was clicked.

Saito et al. 2021, the small sample: two policies ran side by side on a fashion site, one choosing by lot, one by
Bernoulli Thompson sampling, each for three campaigns. The log says with which probability the policy chose what it
showed, which is what makes one policy's log an answer about another's.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arrays import Ints
from models.tables.reading import Counts, Sieve, TableError, read_texts

RANDOM, THOMPSON = "random", "bts"
MEN, WOMEN, ALL = "men", "women", "all"


class Choices(NamedTuple):
    """Item shown (from 0), place on the page (from 0), whether clicked (0/1), and the probability of having chosen it."""

    items: Ints
    places: Ints
    clicked: Ints
    p_select: NDArray[np.float64]
    counts: Counts


def read_choices(folder: Path, policy: str, campaign: str) -> Choices:
    """What `policy` chose in `campaign`, from the file in `folder` (plain or compressed), or `TableError`."""
    found = sorted(folder.glob(f"{policy}_{campaign}.csv*"))
    if not found:
        raise TableError(f"{folder} holds no {policy}_{campaign}.csv (nor .csv.xz, .csv.gz)")
    sieve = Sieve(read_texts(found[0], ("item_id", "position", "click", "propensity_score")))
    items = sieve.number("item_id", low=0.0)
    places = sieve.number("position", 1.0, 3.0)
    clicked = sieve.coded("click", {"0": 0.0, "1": 1.0})
    p_select = sieve.number("propensity_score", 0.0, 1.0)
    sieve.hold_back(p_select <= 0.0, "unknown_propensity_score")
    kept = sieve.kept
    return Choices(
        items=items[kept].astype(np.int64),
        places=places[kept].astype(np.int64) - 1,
        clicked=clicked[kept].astype(np.int64),
        p_select=p_select[kept],
        counts=sieve.counts(),
    )


def items_of(folder: Path, campaign: str) -> int:
    """How many items a campaign could show: one row each in its item table, or `TableError`."""
    return len(read_texts(folder / f"item_context_{campaign}.csv", ("item_id",)))
