"""Gates of the contact policy over rolling windows, and budgets. All count contacts of the decision log, so there is no second counter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.core.policy.prepared import among

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from gateway.core.context import Contact
    from gateway.core.offers import CapGroup, Ignored
    from gateway.core.policy.prepared import Closed, Positions, Prepared

UNANSWERED = frozenset((None, "shown", "opened"))


def refused(prepared: Prepared, positions: Positions) -> Closed:
    """Offers that the person dismissed within the policy's period of refusal."""
    recent = prepared.within(prepared.request.site.campaign.policy.refusal_s)
    closed: Closed = prepared.times(positions, [contact for contact in recent if contact.answer == "dismissed"]) > 0
    return closed


def ignored(prepared: Prepared, positions: Positions) -> Closed:
    """Offers of a group that is silent after unanswered proposals."""
    closed = np.zeros(len(positions), dtype=np.bool_)
    for rule in prepared.request.site.campaign.policy.ignored:
        groups = prepared.offers.groups[rule.per]
        silent = _silent_groups(prepared, rule, groups)
        closed |= among(groups[positions], silent)
    return closed


def capped(prepared: Prepared, positions: Positions) -> Closed:
    """Offers of a group that has reached a cap of a rolling window."""
    closed = np.zeros(len(positions), dtype=np.bool_)
    for cap in prepared.request.site.campaign.policy.caps:
        groups = prepared.offers.groups[cap.per]
        counts = np.bincount(_groups_of(prepared, prepared.within(cap.within_s), cap.per), minlength=int(groups.max()) + 1)
        closed |= counts[groups[positions]] >= cap.most
    return closed


def overspent(prepared: Prepared, positions: Positions) -> Closed:
    """Offers with a budget that does not cover one more acceptance."""
    offers, used = prepared.offers, prepared.request.used_minor
    spent = [at for at, budget in offers.budgets.items() if used.get(offers.ids[at], 0) + int(offers.cost_minor[at]) > budget]
    return among(positions, spent)


def _silent_groups(prepared: Prepared, rule: Ignored, groups: NDArray[np.intp]) -> list[int]:
    """Groups with `times` unanswered proposals within the rule's window, the last of them within the silence.

    A proposal counts as unanswered once its trigger has expired; an answer that arrives later ends the silence.
    """
    now_ms, expiry_s = prepared.request.now_ms, prepared.request.site.campaign.policy.trigger_expiry_s
    at_ms: dict[int, list[int]] = {}
    for contact in prepared.within(rule.within_s + rule.silent_s):
        is_over = now_ms - contact.at_ms >= expiry_s * 1_000
        if contact.is_sent and contact.answer in UNANSWERED and is_over:
            for at in _positions_of(prepared, [contact], rule.per):
                at_ms.setdefault(int(groups[at]), []).append(contact.at_ms)
    return [group for group, times in at_ms.items() if _is_silent(sorted(times), rule, now_ms)]


def _is_silent(times_ms: list[int], rule: Ignored, now_ms: int) -> bool:
    return any(
        last_ms - first_ms <= rule.within_s * 1_000 and now_ms - last_ms < rule.silent_s * 1_000
        for first_ms, last_ms in zip(times_ms, times_ms[rule.times - 1 :], strict=False)
    )


def _groups_of(prepared: Prepared, contacts: Iterable[Contact], per: CapGroup) -> NDArray[np.intp]:
    """The group of each contact; contacts with offers that the campaign no longer has belong to the person only."""
    return prepared.offers.groups[per][_positions_of(prepared, contacts, per)]


def _positions_of(prepared: Prepared, contacts: Iterable[Contact], per: CapGroup) -> NDArray[np.intp]:
    known = prepared.offers.position
    found = [0 if per == "person" else known[contact.offer] for contact in contacts if per == "person" or contact.offer in known]
    return np.array(found, dtype=np.intp)
