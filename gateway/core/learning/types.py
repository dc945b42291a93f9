"""The values that pass through the learned policy: settings, a moment, the weighed offers, the choice, and an outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.context import Contact
from gateway.core.learning.explore import Arms
from gateway.core.learning.regression import Rows
from gateway.core.learning.state import ALL
from gateway.core.offers import Offer

Keys = tuple[str, str, str]
Floats = NDArray[np.float64]
Ended = Literal["redeemed", "accepted", "dismissed", "opened", "shown", "none"]
NO_POSITIONS: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
NO_SCORES: Floats = np.zeros(0)
NO_ROWS: NDArray[np.float32] = np.zeros((0, 0), dtype=np.float32)


class Settings(msgspec.Struct, frozen=True):
    """Settings of a site. `horizon_ms` is the time within which a purchase would have come anyway, `buys` the purchases per visit.

    `positives` are the accepted offers that the bundle's model was trained on: the policy starts with it, so the ramp counts these.
    `lever` is the price of uneven exposure in mean margins (`Columns.levers`).
    `look_ahead_days` bounds the time for which the prospects of an offer count; with those of a month a first visit would be let pass.
    `redeemed` and `dismissed` are shares before any answer, and `moments` those a day of a person before the first; each with its weight
    in rows or days.
    """

    horizon_ms: int = 3_600_000
    buys: float = 0.6
    positives: float = 0.0
    half_life_days: float = 90.0
    floor: float = 0.005
    rows_min: float = 150.0
    look_ahead_days: float = 7.0
    lever: float = 0.15
    redeemed: tuple[float, float] = (0.8, 20.0)
    dismissed: tuple[float, float] = (0.6, 20.0)
    moments: tuple[float, float] = (4.0, 2.0)


class Moment(NamedTuple):
    """A request: the open offers by their `positions` in the campaign, with the model's `scores` (n,) and `rows` (n, columns).

    `contacts` are those of the person.
    """

    zone: str
    occasion: str
    now_ms: int
    contacts: Sequence[Contact]
    positions: NDArray[np.intp] = NO_POSITIONS
    scores: Floats = NO_SCORES
    rows: NDArray[np.float32] = NO_ROWS

    @property
    def place(self) -> str:
        """Key of zone and occasion."""
        return f"{self.zone}|{self.occasion}"


class Known(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The input of later learning, kept with a decision: bins and multipliers of the predictors, and the log-odds of the model's score."""

    bins: tuple[int, ...]
    times: tuple[float, ...]
    score: float


class Weighed(NamedTuple):
    """The open offers of a moment as columns (n,), in their order; all amounts are in minor units.

    `anyway` is P(purchase without the offer), `usually` that of all people, `worth_minor` the margin that an acceptance adds, `net_minor`
    the expected margin of a message less its price. `among` are the log-odds among all people, `fatigue_minor` the loss by the contacts
    before the message, `arms` the posteriors to draw from.
    """

    propensity: Floats
    anyway: Floats
    usually: Floats
    worth_minor: Floats
    net_minor: Floats
    fatigue_minor: Floats
    among: Floats
    arms: Arms
    rows: Rows
    score: Floats

    def known(self, at: int) -> Known:
        """The input of learning from the offer at `at`."""
        return Known(tuple(self.rows.bins[at].tolist()), tuple(self.rows.times[at].tolist()), float(self.score[at]))


class Chosen(NamedTuple):
    """Position among the open offers, or None for silence; the probability of this choice; whether the rules were imitated."""

    position: int | None
    p_select: float
    imitated: bool


class Outcome(NamedTuple):
    """The end of a message: `known` of its decision, the answer that counts at `closed_ms`, and whether the person consents to learning."""

    offer: Offer
    known: Known
    ended: Ended
    closed_ms: int
    learning: bool


def chain(offer: Offer) -> Keys:
    """Keys of the models that learn from an offer's answers, the narrowest first."""
    return offer.id, category_key(offer.category), ALL


def effect_keys(offer: Offer) -> Keys:
    """Keys of a person's effects: that on all offers, that of the category, and that of the offer."""
    return ALL, category_key(offer.category), offer.id


def category_key(category: str) -> str:
    """Key of a category among offers."""
    return f"category:{category}"
