"""Decision logs of known truth: people, intended offers with an arm, answers and closed windows, written into the store of a gateway."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gateway.adapters.store import Store
from gateway.adapters.store.decision_rows import packed
from gateway.adapters.store.people import packed as packed_context
from gateway.build_store import open_store
from gateway.core.context import SubjectContext
from gateway.core.policy.decision import Candidate, Decision
from gateway.core.policy.gates import CHOSEN, HELD_OUT, NOT_WORTH_IT, Reason
from gateway.core.types import AnswerKind, Purpose
from tests.kit.gateways import settings_of
from tests.kit.testbed import EVERYTHING, HOUR_MS, NOON_MS

WINDOW_MS = 2 * HOUR_MS


class Made(NamedTuple):
    """One decision: the person's number, the offer that was intended (None: silence), and what became of it."""

    person: int
    at_ms: int = NOON_MS
    offer: str | None = "flat-white"
    is_held: bool = False
    answer: AnswerKind | None = None
    visited: bool = False
    propensity: float = 0.3
    zone: str = "plaza"
    reason: Reason = NOT_WORTH_IT.reason
    is_closed: bool = True
    features: bytes = b""
    columns: str = ""
    p_select: float = 1.0
    is_scored: bool = False
    policy: str = "plain-1"
    amount_minor: int = 0


def write_log(config: Path, made: Iterable[Made], purposes: tuple[Purpose, ...] = EVERYTHING, *, start: int = 0) -> None:
    """Write people who consented to `purposes` and their decisions, numbered from `start`, into the store of a config."""
    store = open_store(settings_of(config))
    add_rows(store, made, purposes, start)
    store.close()


def add_rows(store: Store, made: Iterable[Made], purposes: tuple[Purpose, ...] = EVERYTHING, start: int = 0) -> None:
    """The rows of `write_log` in an open store."""
    db = store._db
    people: set[int] = set()
    with db:
        for number, one in enumerate(made, start):
            subject = f"subject-{one.person:06}"
            if one.person not in people:
                people.add(one.person)
                body = packed_context(SubjectContext(subject, f"phone-{one.person:04}", purposes, "b", 1), store._words)
                db.execute("INSERT OR REPLACE INTO contexts VALUES (?, NULL, ?)", (subject, body))
            decision = _decision(f"gw-t.{number:016x}", subject, one)
            values = (decision.id, subject, one.zone, one.at_ms, decision.reason, decision.offer, one.answer)
            logged = (decision.arm, decision.intended, decision.at_ms, packed(decision, store._words, b""))
            db.execute("INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*values, *logged))
            if one.offer is not None and one.is_closed:
                outcome = "none" if one.is_held else one.answer or "none"
                row = (decision.id, one.at_ms + WINDOW_MS, outcome, int(one.visited), one.amount_minor)
                db.execute("INSERT INTO outcomes VALUES (?, ?, ?, ?, ?)", row)


def _decision(id_: str, subject: str, one: Made) -> Decision:
    offer = None if one.is_held else one.offer
    reason = one.reason if one.offer is None else (HELD_OUT if one.is_held else CHOSEN).reason
    scored = Candidate(one.offer or "flat-white", reason, one.propensity, 0.0, one.features)
    return Decision(
        id=id_,
        subject=subject,
        zone=one.zone,
        occasion="entered",
        at_ms=one.at_ms,
        offer=offer,
        reason=reason,
        candidates=(scored,) if one.offer is not None or one.is_scored else (),
        p_select=one.p_select,
        columns=one.columns,
        arm="" if one.offer is None else "held_out" if one.is_held else "sent",
        intended=one.offer,
        policy=one.policy,
    )


def trial(seed: int, people: int, *, share: float, base: float, effect: float, days: int = 5) -> list[Made]:
    """Intended offers of people of different habits, one each day; `base` is the mean rate of visits, `effect` its true increase."""
    draws = np.random.default_rng(seed)
    made = []
    for person in range(people):
        is_held, habit = bool(draws.random() < share), float(draws.beta(2.0, 2.0 / base - 2.0))
        for day in range(days):
            visited = bool(draws.random() < habit * (1.0 if is_held else 1.0 + effect))
            taken = visited and not is_held and draws.random() < 0.5
            answer: AnswerKind | None = "accepted" if taken else None
            made.append(Made(person, NOON_MS + day * 24 * HOUR_MS, is_held=is_held, answer=answer, visited=visited, propensity=habit))
    return sorted(made, key=lambda one: one.at_ms)
