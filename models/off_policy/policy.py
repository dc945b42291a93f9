"""The choices of a bundle's policy in the situations of a log.

A log has the scored row of the chosen offer only. The values of the person, the place and the moment are read from it, and the
gateway's own functions add the fields of every other offer of the bundle. Walking times and distances depend on the
zone and the offer's shop, so they are taken from rows of the log with the same zone and offer, and are unknown without one.

Of the gates only the zone is checked: caps, quiet hours and budgets depend on earlier choices. Dates are ignored, as if the bundle's
campaign had run in the days of the log.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gateway.adapters.onnx_scorer import OnnxScorer
from gateway.core import limits
from gateway.core.attributes.read import ReadPlan
from gateway.core.attributes.schema import Attribute
from gateway.core.attributes.sources import Request
from gateway.core.bundle import Bundle
from models.arrays import Ints
from models.history.labels import LabelledProposals

SILENCE = -1

# Only zone and time are read where the values are given; the context of the zone is among these.
_NOTHING = Request({}, {}, (), "", False, cast("Any", None), "entered", 0.0, 0, datetime.fromtimestamp(0, UTC))  # noqa: FBT003 (a tuple)


class BundlePolicy:
    """The choices of a bundle: the offer of the highest expected value that is worth contacting the person for, or silence."""

    def __init__(self, bundle: Bundle, log: LabelledProposals, scorer: OnnxScorer) -> None:
        self._offers, self._policy, self._scorer = bundle.campaign.offers, bundle.campaign.policy, scorer
        self._plan = ReadPlan(bundle.schema, bundle.manifest.model.columns, self._offers, {})
        logged = {column: at for at, column in enumerate(log.inputs.columns)}
        self._log = log
        places = [(slot, logged[name]) for name, slot in self._plan.slots.items() if name in logged]
        self._slots, self._at = [slot for slot, _ in places], [at for _, at in places]
        known = [one for one in self._plan.used if one.offer is None and one.between is None]
        read = [one for one in known if set(one.columns) & set(self._plan.columns)]
        self.unknown = tuple(one.name for one in read if not logged.keys() & set(one.columns))
        self._ways = {at: self._lookup(one, logged) for at, one in self._walked()}

    def choices(self, step: Callable[[str], None]) -> Ints:
        """Position of the chosen offer in the campaign, or SILENCE, for every proposal of the log, (n,)."""
        chosen = np.full(len(self._log.taken), SILENCE, dtype=np.int64)
        for row, zone in enumerate(self._log.zones):
            positions = [at for at, offer in enumerate(self._offers) if zone in offer.zones]
            if positions:
                worth = self._expected_values(row, str(zone), positions)
                best = int(worth.argmax())
                if worth[best] > 0.0:
                    chosen[row] = positions[best]
            if (row + 1) % limits.SCORE_ROWS_MAX == 0:
                step(f"choices of the bundle: {row + 1:,} of {len(chosen):,}")
        return chosen

    @property
    def steps(self) -> int:
        """Number of calls of `step` by `choices`."""
        return len(self._log.taken) // limits.SCORE_ROWS_MAX

    def _expected_values(self, row: int, zone: str, positions: list[int]) -> NDArray[np.float64]:
        """Expected value in minor units of the offers at these positions, less the cost of a contact; 0 below the least propensity."""
        request = _NOTHING._replace(zone=zone, now_ms=int(self._log.at_ms[row]))
        rows = self._plan.matrix(request, positions, self._numbers(row))
        for column, ways in self._ways.items():
            rows[:, column] = [ways.get((zone, self._offers[at].id), math.nan) for at in positions]
        scores = np.concatenate(
            [
                self._scorer.score(rows[start : start + limits.SCORE_ROWS_MAX]).astype(np.float64)
                for start in range(0, len(rows), limits.SCORE_ROWS_MAX)
            ]
        )
        values = np.array([self._offers[at].value_minor for at in positions], dtype=np.float64)
        worth = scores * values - self._policy.contact_cost_minor
        return np.where(scores >= self._policy.propensity_min, worth, 0.0)

    def _numbers(self, row: int) -> NDArray[np.float64]:
        """The logged numbers by slot of the plan, NaN where unknown; the last slot is always NaN."""
        numbers = np.full(max(self._plan.slots.values(), default=-1) + 2, np.nan)
        numbers[self._slots] = self._log.rows[row, self._at]
        return numbers

    def _walked(self) -> list[tuple[int, Attribute]]:
        """Columns of walking times and distances, with the attribute."""
        walked = [one for one in self._plan.used if one.between is not None and not one.between.by_category]
        return [(self._plan.columns.index(one.name), one) for one in walked if one.name in self._plan.columns]

    def _lookup(self, one: Attribute, logged: Mapping[str, int]) -> Mapping[tuple[str, str], float]:
        """Logged value by zone and offer."""
        if one.name not in logged:
            return {}
        values = self._log.rows[:, logged[one.name]]
        known = np.flatnonzero(np.isfinite(values))
        return {(str(self._log.zones[at]), str(self._log.offers[at])): float(values[at]) for at in known}
