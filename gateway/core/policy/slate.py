"""Slates: several offers in one answer, for a page or a kiosk that asks for a number of offers.

Each item is a decision of its own, with all gates, caps and budgets; only the cool-down does not hold between items of one slate, which are
shown at once. No offer is in a slate twice. Offers above the floor (`propensity_min`, and a value above 0) are ranked by maximal marginal
relevance (Carbonell and Goldstein 1998, SIGIR): the value, less the share SIMILAR of it for an offer like one of the slate. The first item
is chosen as without a slate; the others are not drawn, and the gateway does not learn from them, because a lower position is seen less.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.core.context import Contact
    from gateway.core.policy.prepared import Closed, Positions, Prepared

DRAW_BYTES = 8
SIMILAR = 0.5


class Slate(NamedTuple):
    """The items so far; `drawn` is the random part of the id of the first one, empty before it."""

    most: int = 1
    drawn: str = ""
    contacts: tuple[Contact, ...] = ()

    @property
    def position(self) -> int:
        """Position of the next item, from 0."""
        return len(self.contacts)


SINGLE = Slate()


def item_draw(drawn: str, position: int) -> str:
    """The random part of the id of an item, which follows from that of the first one: the whole slate can be found again by it."""
    return hashlib.blake2b(f"{drawn}/{position}".encode(), digest_size=DRAW_BYTES).hexdigest() if position else drawn


def in_slate(prepared: Prepared, positions: Positions) -> Closed:
    """Offers that the slate has already."""
    closed: Closed = prepared.times(positions, prepared.request.beside) > 0
    return closed


def variety(prepared: Prepared, positions: Positions) -> NDArray[np.float64]:
    """For each offer, one less SIMILAR times its similarity to the most similar item of the slate.

    The similarity is Jaccard's of category and shop: 1 if both are equal, 1/3 for one of them, 0 for none.
    """
    groups, items = prepared.offers.groups, prepared.offers.positions(one.offer for one in prepared.request.beside)
    category, shop = (groups[one][positions][:, np.newaxis] == groups[one][items] for one in ("category", "shop"))
    shared = category.astype(np.intp) + shop
    most: NDArray[np.float64] = (shared / (4.0 - shared)).max(axis=1, initial=0.0)
    return 1.0 - SIMILAR * most
