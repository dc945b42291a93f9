"""The parts of a decision's figures: model, learned part and levers apart, and the attributes that changed the model's score most.

The effect of an attribute is the model's score, less its mean score when that one attribute has typical values instead: those of the newest
offers of the log, and of the bundle's parity rows while the log has few. Columns of one attribute, such as the weather, are replaced
together. This explains the model, not the person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from gateway.adapters.onnx_scorer import load_scorer
from gateway.build import FAULTS, open_config_bundle
from gateway.core import limits
from gateway.core.attributes.read import ReadPlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.adapters.onnx_scorer import OnnxScorer
    from gateway.adapters.store.reader import Reader
    from gateway.config import Config
    from gateway.core.attributes.schema import Schema
    from gateway.core.bundle import Bundle
    from gateway.core.policy.decision import Candidate, Decision

MATTERED_MOST = 5
REFERENCES_MAX = 32  # rows with values that replace an attribute


class Parts(msgspec.Struct, frozen=True):
    """The figures of one scored offer.

    propensity = `model` + `learned`; expected value = propensity x `value_minor` - `contact_cost_minor` + `levers_minor`, in minor units.
    The levers are the margin that would come without the offer (learned, or by a model of uplift) and, if learned, the price of a message.
    """

    offer: str
    model: float
    learned: float
    value_minor: int
    contact_cost_minor: float
    levers_minor: float

    @property
    def in_full(self) -> str:
        """The two sums as text."""
        return (
            f"propensity {self.model + self.learned:.3f} = model {self.model:.3f} {self.learned:+.3f} learned; expected value "
            f"{(self.model + self.learned) * self.value_minor - self.contact_cost_minor + self.levers_minor:.1f} = propensity x "
            f"{self.value_minor} - contact {self.contact_cost_minor:g} {self.levers_minor:+.1f} levers"
        )


class Contributions(NamedTuple):
    """`effects`: (attribute, change of the score) of the first scored offer, the largest first, without those of 0.

    `parts` of each scored offer, and the `schema` of the bundle. If the model of the decision is no longer installed, all are empty.
    """

    effects: list[tuple[str, float]]
    parts: list[Parts]
    schema: Schema | None


NONE = Contributions([], [], None)


def contributions(settings: Config, store: Reader, decision: Decision) -> Contributions:
    """The contributions to a decision, as far as its model and campaign are still installed."""
    scored = [candidate for candidate in decision.candidates if candidate.features]
    try:
        bundle = open_config_bundle(settings, decision.at_ms)
        if f"{bundle.manifest.name}-{bundle.manifest.version}" != decision.model:
            return NONE
        if not scored:
            return Contributions([], [], bundle.schema)
        scorer = load_scorer(bundle.model)
        references = np.stack([*store.latest_rows(decision.columns, REFERENCES_MAX), *bundle.model.rows])[:REFERENCES_MAX]
        return Contributions(_effects(bundle, scorer, scored[0], references), _parts(bundle, scorer, scored), bundle.schema)
    except FAULTS:
        return NONE


def _effects(bundle: Bundle, scorer: OnnxScorer, first: Candidate, references: NDArray[np.float32]) -> list[tuple[str, float]]:
    groups = ReadPlan(bundle.schema, bundle.manifest.model.columns, (), {}, mined=bundle.mined).groups
    row = first.row()
    (full,) = _scores(scorer, row[np.newaxis])
    replaced = _scores(scorer, np.concatenate([_with(row, columns, references) for columns in groups.values()]))
    means = np.array(replaced).reshape(len(groups), len(references)).mean(axis=1).tolist()
    changes = [(name, full - mean) for name, mean in zip(groups, means, strict=True) if full != mean]
    return sorted(changes, key=lambda change: -abs(change[1]))[:MATTERED_MOST]


def _parts(bundle: Bundle, scorer: OnnxScorer, scored: list[Candidate]) -> list[Parts]:
    found = []
    for candidate, model in zip(scored, _scores(scorer, np.stack([candidate.row() for candidate in scored])), strict=True):
        offer = bundle.campaign.offer(candidate.offer)
        if offer is None or candidate.propensity is None or candidate.expected_value_minor is None:
            continue
        cost = bundle.campaign.policy.contact_cost_minor
        levers = candidate.expected_value_minor - (candidate.propensity * offer.value_minor - cost)
        found.append(Parts(offer.id, model, candidate.propensity - model, offer.value_minor, cost, levers))
    return found


def _scores(scorer: OnnxScorer, rows: NDArray[np.float32]) -> list[float]:
    """The model's scores, (n,), in batches."""
    starts = range(0, len(rows), limits.SCORE_ROWS_MAX)
    found: list[float] = np.concatenate([scorer.score(rows[start : start + limits.SCORE_ROWS_MAX]) for start in starts]).tolist()
    return found


def _with(row: NDArray[np.float32], columns: list[int], references: NDArray[np.float32]) -> NDArray[np.float32]:
    """The row, once for each reference, with the reference's values in these columns."""
    replaced = np.tile(row, (len(references), 1))
    replaced[:, columns] = references[:, columns]
    return replaced
