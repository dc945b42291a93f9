"""Windows of proposals in a unit of work: open with a decision, collect visits, answers and purchases, close into an outcome.

`gateway.core.state.outcomes` has the types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.core import context as contexts
from gateway.core import deciding, limits
from gateway.core.privacy.contribution import count_closed
from gateway.core.state.outcomes import Outcome, OutcomeKind, Window

if TYPE_CHECKING:
    from gateway.core.offers import Offer
    from gateway.core.policy.decision import Decision
    from gateway.core.policy.learned import WeighedOffer
    from gateway.core.types import AnswerKind, Purchase
    from gateway.core.unit_of_work import UnitOfWork


def open_window(work: UnitOfWork, decision: Decision, offer: Offer, weighed: WeighedOffer | None) -> None:
    """Open the window of an intended decision; none if OPEN_DECISIONS_MAX are open."""
    if len(work.state.outcomes.open) + len(work.out.outcomes.windows) >= limits.OPEN_DECISIONS_MAX:
        work.out.totals["windows_refused"] += 1
        return
    until_ms = work.now_ms + offer.horizon_ms
    work.out.outcomes.windows[decision.id] = Window(
        decision.subject,
        offer.id,
        offer.shop,
        decision.zone,
        decision.occasion,
        decision.arm,
        until_ms,
        **(weighed._asdict() if weighed else {}),
    )


def fold_visit(work: UnitOfWork, subject: str, zone: str) -> None:
    """Note in the subject's open windows that the person dwelled in a zone now."""
    for decision in work.state.outcomes.of(subject):
        window = _open(work, decision)
        if window is not None and window.shop == zone and work.now_ms < window.until_ms and not window.visited:
            work.out.outcomes.windows[decision] = msgspec.structs.replace(window, visited=True)


def fold_answer(work: UnitOfWork, decision: str, answer: AnswerKind) -> None:
    """Note an answer; one that arrives after the window was closed is counted as late and changes no outcome."""
    window = _open(work, decision)
    if window is None:
        work.out.totals["answers_late"] += 1
        return
    standing = contexts.weightier(window.answer, answer)
    work.out.outcomes.windows[decision] = msgspec.structs.replace(window, answer=standing)


def fold_purchase(work: UnitOfWork, purchase: Purchase) -> None:
    """Note the purchase in which an offer was redeemed; the first one counts."""
    window = _open(work, purchase.decision) if purchase.decision else None
    if window is not None and purchase.decision is not None and not window.amount_minor:
        changed = msgspec.structs.replace(window, answer="redeemed", amount_minor=purchase.amount_minor)
        work.out.outcomes.windows[purchase.decision] = changed


def close_due(work: UnitOfWork) -> None:
    """Close the windows that have ended, each into its outcome."""
    for decision in work.state.outcomes.due(work.now_ms):
        if decision in work.out.outcomes.closed:
            continue
        window = work.out.outcomes.windows.pop(decision, None) or work.state.outcomes.open[decision]
        kind: OutcomeKind = window.answer or "none"
        deciding.fold_outcome(work, window, kind)
        work.out.outcomes.closed[decision] = outcome = Outcome(work.now_ms, kind, window.visited, window.amount_minor)
        count_closed(work, window, outcome)
        work.out.totals[f"outcome_{window.arm}"] += 1


def _open(work: UnitOfWork, decision: str) -> Window | None:
    """The window of a decision, if it is open."""
    if decision in work.out.outcomes.closed:
        return None
    return work.out.outcomes.windows.get(decision) or work.state.outcomes.open.get(decision)
