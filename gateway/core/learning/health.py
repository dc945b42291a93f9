"""How well the learned propensities hold: prequential comparison with the plain policy, drift, calibration error, and demotion.

Every answer is compared with the two propensities that were stated at its decision, before the answer was known. The learned policy is
demoted once the plain model has the lower log-loss by `drift.MARGIN` over ANSWERS_MIN answers, and promoted again once its own loss is no
longer the higher one. An alarm of drift starts the comparison afresh: only answers after the change count.
"""

from __future__ import annotations

import msgspec

from gateway.core.learning import drift
from gateway.core.learning.drift import Drift, Losses

BINS = 5  # of the propensity
KEEP = 1.0 - 1.0 / 300.0  # weight of the earlier answers at each new one


class Bin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Decayed sums over the answers with a propensity in one bin."""

    rows: float = 0.0
    propensity: float = 0.0
    taken: float = 0.0


class Health(msgspec.Struct, frozen=True):
    """`answers` are all closed windows with a message and consent to learning, `alarms` the alarms of drift."""

    answers: int = 0
    learned: Losses = Losses()
    plain: Losses = Losses()
    drift: Drift = Drift()
    alarms: int = 0
    demoted: bool = False
    bins: tuple[Bin, ...] = (Bin(),) * BINS

    @property
    def calibration_error(self) -> float | None:
        """Mean distance between propensity and share taken, over bins by their rows (expected calibration error); None without rows."""
        rows = sum(one.rows for one in self.bins)
        return sum(abs(one.propensity - one.taken) for one in self.bins) / rows if rows else None

    def plus(self, propensity: float, score: float, *, taken: bool) -> Health:
        """With one more answer, of which the learned policy stated `propensity` and the plain model `score`."""
        learned, plain = self.learned.plus(propensity, taken=taken), self.plain.plus(score, taken=taken)
        checked, alarms = drift.with_error(self.drift, abs(propensity - taken)), self.alarms
        is_as_good = learned.answers >= drift.ANSWERS_MIN and learned.mean <= plain.mean
        demoted = drift.demotes(learned, plain) or (self.demoted and not is_as_good)
        if checked.alarm:
            learned, plain, checked, alarms = Losses(), Losses(), Drift(), alarms + 1
        at = min(int(propensity * BINS), BINS - 1)
        bins = tuple(
            Bin(one.rows * KEEP + hit, one.propensity * KEEP + hit * propensity, one.taken * KEEP + hit * taken)
            for one, hit in ((one, number == at) for number, one in enumerate(self.bins))
        )
        return Health(self.answers + 1, learned, plain, checked, alarms, demoted, bins)
