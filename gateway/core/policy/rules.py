"""Gates of the rules of offers (`gateway.core.campaign.rules`). An equal rule of several offers is evaluated once a decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.core.policy.prepared import among

if TYPE_CHECKING:
    from gateway.core.policy.prepared import Closed, Positions, Prepared


def unknown(prepared: Prepared, positions: Positions) -> Closed:
    """Offers with a rule that needs an unknown attribute."""
    return among(positions, [at for at in prepared.offers.rules if missing(prepared, at)])


def failing(field: int) -> Callable[[Prepared, Positions], Closed]:
    """The gate of one kind of rule: 0 is eligible, 1 applicable, 2 suitable. It closes to offers whose rule does not hold.

    A rule without the values that it needs has no answer: `unknown` closes to its offer.
    """

    def closes(prepared: Prepared, positions: Positions) -> Closed:
        rules = prepared.offers.rules
        open_positions = set(positions.tolist()) if rules else ()
        answers: dict[str, bool] = {"": True}
        wrong: list[int] = []
        for at, texts in rules.items():
            if at not in open_positions:
                continue
            text = texts[field]
            if text not in answers:
                answers[text] = _holds(prepared, text)
            if not answers[text]:
                wrong.append(at)
        return among(positions, wrong)

    return closes


def missing(prepared: Prepared, position: int) -> str:
    """The first attribute, of those that the offer's rules need, whose value is unknown; empty if there is none."""
    site, numbers = prepared.request.site, prepared.numbers
    needs = (name for text in prepared.offers.rules.get(position, ()) if text for name in site.rules.needs(text))
    return next((name for name in needs if site.plan.value(name, numbers) is None), "")


def _holds(prepared: Prepared, text: str) -> bool:
    site, numbers = prepared.request.site, prepared.numbers
    values = {name: value for name in site.rules.needs(text) if (value := site.plan.value(name, numbers)) is not None}
    return len(values) < len(site.rules.needs(text)) or site.rules.holds(text, values)
