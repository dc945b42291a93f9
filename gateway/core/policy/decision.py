"""The values of the decision log: a decision, and each offer that it considered with its one reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.policy.gates import REASONS, Reason, Rights, rights
from gateway.core.types import Occasion

Arm = Literal["", "sent", "held_out", "undelivered"]
"""Whether the chosen offer was sent; empty for silence, `undelivered` if it was to be sent and did not leave the gateway."""


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """One offer with its reason. `propensity` and `expected_value_minor` are None if it was not scored.

    `features` is the row that was scored, float32 in little-endian order; empty if it was not scored. `missing` is the attribute whose
    value a rule of the offer needs, if that is the reason.
    """

    offer: str
    reason: Reason
    propensity: float | None = None
    expected_value_minor: float | None = None
    features: bytes = b""
    missing: str = ""

    def row(self) -> NDArray[np.float32]:
        """The row that was scored, NaN where unknown."""
        return np.frombuffer(self.features, dtype="<f4")


class Decision(msgspec.Struct, frozen=True):
    """An offer chosen, or silence (`offer` is None), always with a reason.

    `p_select` is the probability with which the policy made this choice: 1 for a policy without exploration. `policy` is its version with
    a digest of its parameters, and all its draws follow from `seed`. `intended` is the offer chosen before the holdout: `arm` is `sent`
    if it is also `offer`, `held_out` if nothing is sent to the person, and empty for silence. `candidates` are at most
    CANDIDATES_KEPT_MAX, the furthest first, and `left_out` counts the others by reason. `facts` is the number of the person's facts that
    the scored attributes rest on, and `columns` identifies the columns of `features`. An item of a slate has the id of the slate's first
    decision in `slate`, and its position from 0.
    Raises ValueError if its reason or that of a candidate is not in REASONS.
    """

    id: str
    subject: str
    zone: str
    occasion: Occasion
    at_ms: int
    offer: str | None
    reason: Reason
    candidates: tuple[Candidate, ...]
    p_select: float = 1.0
    model: str = ""
    left_out: Mapping[Reason, int] = {}
    facts: int = 0
    columns: str = ""
    arm: Arm = ""
    intended: str | None = None
    policy: str = ""
    seed: int = 0
    slate: str = ""
    position: int = 0

    def __post_init__(self) -> None:
        for reason in {self.reason, *[candidate.reason for candidate in self.candidates]}:
            if reason not in REASONS:
                raise _unknown(reason)

    @property
    def rights(self) -> Rights:
        """The four rights, derived from the gates that were passed: all four hold for an offer, and at most three for silence."""
        return rights(self.reason)


def _unknown(reason: Reason) -> ValueError:
    return ValueError(f"{reason!r} is not the reason of a gate or an outcome")
