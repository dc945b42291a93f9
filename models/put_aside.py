"""Rows that are put aside before anything is chosen, by a salted hash of the unit.

The hash of a person, a household or a session does not depend on the outcome, on the other rows or on the order, so the choice of
the rows cannot favour a model, and a unit stays on one side when rows are added.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from models.arrays import Ints

SHARE = 1 / 3


def put_aside(units: Ints, salt: str, share: float = SHARE) -> NDArray[np.bool_]:
    """Whether each row is put aside, (n,), for the unit numbers of the rows, (n,): about `share` of the units."""
    known, of_row = np.unique(units, return_inverse=True)
    limit = int(share * 2**64)
    aside = np.array([int.from_bytes(blake2b(f"{salt}:{unit}".encode(), digest_size=8).digest()) < limit for unit in known], dtype=np.bool_)
    return aside[of_row]
