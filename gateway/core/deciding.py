"""Learning in a unit of work: the state for a decision, and the changes by a moment and by an outcome.

All changes go into the commit of the decision or of the outcome. `gateway.core.learning.policy` has the mathematics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.core import context as contexts
from gateway.core.learning.begin import begin
from gateway.core.learning.state import LearnedState
from gateway.core.learning.types import Moment, Outcome
from gateway.core.policy.learned import Deliberation, draws

if TYPE_CHECKING:
    from gateway.core.context import SubjectContext
    from gateway.core.learning.health import Health
    from gateway.core.policy.decision import Decision
    from gateway.core.state.outcomes import OutcomeKind, Window
    from gateway.core.unit_of_work import UnitOfWork


def deliberation(work: UnitOfWork, subject: SubjectContext) -> Deliberation | None:
    """The learned policy for one decision; None if the campaign does not learn."""
    if work.site.learner is None:
        return None
    return Deliberation(work.site.learner, learned(work), subject.learned, demoted=health(work).demoted)


def fold_moment(work: UnitOfWork, subject: SubjectContext, thought: Deliberation, decision: Decision) -> SubjectContext:
    """Learn from a moment with any choice, or with none; the person after it."""
    moment = thought.moment or Moment(decision.zone, decision.occasion, work.now_ms, subject.reached)
    sent = work.site.campaign.offer(decision.offer) if decision.offer else None
    may_learn = contexts.allows(subject, "learning", work.now_ms)
    changed, me = thought.learner.seen(
        thought.state, subject.learned, moment, thought.weighed, sent, draws(decision.seed, 1)[0], learning=may_learn
    )
    _change(work, changed)
    after = msgspec.structs.replace(subject, learned=me)
    work.out.people.contexts[subject.subject] = after
    return after


def fold_outcome(work: UnitOfWork, window: Window, ended: OutcomeKind) -> None:
    """Learn from the outcome of an offer that was sent, unless the person or the offer is gone."""
    learner, offer, subject = work.site.learner, work.site.campaign.offer(window.offer), work.context(window.subject)
    if learner is None or offer is None or subject is None or window.known is None or window.arm != "sent":
        return
    may_learn = contexts.allows(subject, "learning", work.now_ms)
    state = learned(work)
    if window.predictors != learner.basis.partition(".")[0]:
        return  # of another bundle
    changed, me = learner.after(state, subject.learned, Outcome(offer, window.known, ended, work.now_ms, may_learn))
    work.out.people.contexts[subject.subject] = msgspec.structs.replace(subject, learned=me)
    if may_learn:
        _change(work, changed)
        taken = ended in {"accepted", "redeemed"}
        work.out.learning.health = health(work).plus(window.propensity, window.score, taken=taken)


def learned(work: UnitOfWork) -> LearnedState:
    """The learner's state, this batch's own changes included. It begins anew with the first decision after another bundle."""
    state, out, learner = work.state.learning, work.out.learning, work.site.learner
    basis = learner.basis if learner is not None else ""
    if (out.begun or state.basis) != basis and learner is not None:
        is_same = state.basis.partition(".")[0] == basis.partition(".")[0]
        out.begun = basis
        out.learned = begin(state.learned, learner, work.site.campaign.offers, work.site.priors, is_same=is_same)
        work.out.totals["learning_kept" if is_same else "learning_begun"] += 1
    if out.learned is None:
        return state.learned
    return out.learned if out.begun else state.learned.plus(out.learned)


def health(work: UnitOfWork) -> Health:
    """The health of the learned policy, this batch's answers included."""
    return work.out.learning.health or work.state.learning.health


def _change(work: UnitOfWork, changed: LearnedState) -> None:
    if changed != LearnedState():
        out = work.out.learning
        out.learned = (out.learned or LearnedState()).plus(changed)
