"""Reads a gateway's database from another process: the decision log, and the history of people with consent to learning.

The gateway may be running. Its lock excludes a second *writer*; a reader needs no lock, because in WAL mode it sees the last commit and
does not block the writer. The file is opened read-only, so it is neither migrated nor repaired.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from gateway.adapters.store import database, days
from gateway.adapters.store.decision_rows import COLUMNS, IS_CHOICE, unpacked
from gateway.adapters.store.people import ELSEWHERE_SQL
from gateway.adapters.store.people import unpacked as unpacked_context
from gateway.adapters.store.words import Words
from gateway.core.attributes.log import ConsentFact, FoldedFact, LogRow
from gateway.core.context import SubjectContext, allows
from gateway.core.policy.decision import Decision
from gateway.core.ports import StoreError
from gateway.core.records import HourCounts, OfferCounts
from gateway.core.state import Visit
from gateway.core.state.register import Grant
from gateway.core.types import AnswerKind, Item, Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_BODY: msgspec.msgpack.Decoder[ConsentFact | FoldedFact] = msgspec.msgpack.Decoder(ConsentFact | FoldedFact)
_COUNTS: msgspec.msgpack.Decoder[HourCounts | OfferCounts] = msgspec.msgpack.Decoder(HourCounts | OfferCounts)
_ITEMS = msgspec.msgpack.Decoder(tuple[Item, ...])


class OfferFact(NamedTuple):
    """A fact about an offer that was proposed: an answer, or a purchase in which the offer was redeemed.

    `detail` is the kind of the answer, or the kind of place of the till.
    """

    at_ms: int
    subject: str
    kind: Literal["answer", "purchase"]
    zone: str
    decision: str
    detail: str
    amount_minor: int | None
    items: tuple[Item, ...] = ()


class LedgerDay(NamedTuple):
    """Epsilon of a service day in millionths: its budget, and the spending of all tables."""

    day_start_ms: int
    budget: int
    spent: int


class LoggedDecision(NamedTuple):
    """A decision of the log, with the answer and the outcome of its window; `closed_at_ms` is None while the window is open.

    `person` numbers the people of one reading from 0; `visited` is whether the person dwelled in the offer's shop within the window, and
    `amount_minor` the amount of the purchase that redeemed the offer, else 0.
    """

    person: int
    decision: Decision
    answer: AnswerKind | None
    closed_at_ms: int | None
    visited: bool
    amount_minor: int


class ScreenSlots(NamedTuple):
    """The slots of one offer on one screen: how many, of these for a group, and the plays and seconds that the screen has proven."""

    screen: str
    offer: str
    slots: int
    of_groups: int
    plays: int
    played_s: float


class Reader:
    """Opens the file at `path` read-only."""

    def __init__(self, path: Path, key: bytes) -> None:
        """Open with the gateway's 32-byte key. Raises StoreError with cause and way out."""
        self._db = database.open_reader(path, key, StoreError)
        self._words = Words(self._db)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def decision(self, id_: str) -> tuple[Decision, str | None] | None:
        """A decision from the log and the answer to it, or None."""
        for condition in (f" AND {IS_CHOICE}", " ORDER BY rowid DESC LIMIT 1"):  # a silent one is not in the index
            sql = f"SELECT {COLUMNS}, body, answer FROM decisions WHERE id = ?{condition}"  # noqa: S608 - names from there
            for *row, answer in self._rows(sql, (id_,)):
                return unpacked(tuple(row), self._words), answer
        return None

    def latest_decisions(self, most: int) -> list[tuple[str, str, str, str | None]]:
        """The newest decisions: (id, zone, reason, offer)."""
        return [
            (id_, zone, reason, offer)
            for id_, zone, reason, offer in self._rows("SELECT id, zone, reason, offer FROM decisions ORDER BY rowid DESC LIMIT ?", (most,))
        ]

    def latest_rows(self, columns: str, most: int) -> list[NDArray[np.float32]]:
        """The rows of the newest proposed offers that were scored with these columns (`Decision.columns`), of at most `most` decisions."""
        decisions = self._decisions("WHERE offer IS NOT NULL ORDER BY rowid DESC LIMIT ?", (most,))
        return [one.candidates[0].row() for one in decisions if one.columns == columns and one.candidates and one.candidates[0].features]

    # --- history, one person at a time, to bound the memory ----------------------------------------------

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read within the block is as of one commit."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    def span_ms(self) -> tuple[int, int] | None:
        """Times of the first and the last decision of the log, or None without one."""
        ((first_ms, last_ms),) = self._rows("SELECT min(at_ms), max(at_ms) FROM decisions")
        return None if first_ms is None else (first_ms, last_ms)

    def answers(self, subject: str) -> dict[str, AnswerKind | None]:
        """The answer that stands, by decision with a closed window, of the subject's intended offers."""
        sql = "SELECT id, answer FROM decisions JOIN outcomes ON outcomes.decision = decisions.id WHERE subject = ?"
        return dict(self._rows(sql, (subject,)))

    def learnable(self, now_ms: int) -> list[str]:
        """Subjects whose consent covers learning at `now_ms`."""
        return self._consenting("learning", now_ms)

    def log(self, from_ms: int, until_ms: int, now_ms: int) -> Iterator[LoggedDecision]:
        """The decisions from `from_ms` until before `until_ms`, oldest first, of people with consent to measurement at `now_ms`."""
        numbers = {subject: number for number, subject in enumerate(self._consenting("measurement", now_ms))}
        sql = (
            f"SELECT {COLUMNS}, body, answer, closed_at_ms, visited, amount_minor FROM decisions "  # noqa: S608 - names from there
            "LEFT JOIN outcomes ON outcomes.decision = decisions.id WHERE at_ms >= ? AND at_ms < ? ORDER BY decisions.rowid"
        )
        for *row, answer, closed_at_ms, visited, amount in self._rows(sql, (from_ms, until_ms)):
            number = numbers.get(row[1])
            if number is not None:
                yield LoggedDecision(number, unpacked(tuple(row), self._words), answer, closed_at_ms, bool(visited), amount or 0)

    def decisions_between(self, from_ms: int, until_ms: int) -> int:
        """Number of decisions from `from_ms` until before `until_ms`, of all people."""
        ((count,),) = self._rows("SELECT count(*) FROM decisions WHERE at_ms >= ? AND at_ms < ?", (from_ms, until_ms))
        return int(count)

    def visits(self, subject: str) -> Iterator[Visit]:
        """The subject's ended visits, oldest first."""
        columns = "subject, zone, entered_ms, left_ms, confidence, observations"
        sql = f"SELECT {columns} FROM visits WHERE {days.of_person('visits')} ORDER BY entered_ms"  # noqa: S608 - no text from outside
        return (Visit(*row) for row in self._rows(sql, (subject,)))

    def decisions(self, subject: str) -> Iterator[Decision]:
        """The decisions for the subject, oldest first."""
        return self._decisions("WHERE subject = ? ORDER BY at_ms", (subject,))

    def offer_facts(self, subject: str) -> Iterator[OfferFact]:
        """The subject's answers, and the purchases in which an offer to the subject was redeemed, oldest first."""
        return (
            OfferFact._make((*row[:-1], () if row[-1] is None else _ITEMS.decode(row[-1])))
            for row in self._rows(
                "SELECT facts.at_ms, decisions.subject, facts.kind, facts.zone, decisions.id, facts.detail, facts.amount_minor, items "
                "FROM decisions JOIN facts ON facts.decision = decisions.id "
                "WHERE decisions.subject = ? AND facts.kind IN ('answer', 'purchase') ORDER BY facts.at_ms",
                (subject,),
            )
        )

    def dead_letter_details(self) -> Iterator[str]:
        """The details of refused messages."""
        return (detail for (detail,) in self._rows("SELECT DISTINCT detail FROM dead_letters"))

    def ledger(self) -> list[LedgerDay]:
        """Epsilon spent by each service day, oldest first."""
        sql = "SELECT day_start_ms, budget, hours + offers + control + visitors FROM ledger ORDER BY day_start_ms"
        return [LedgerDay(*row) for row in self._rows(sql)]

    def newest_release(self) -> tuple[str, int] | None:
        """Table and start of the newest release, or None."""
        return next(self._rows("SELECT name, start_ms FROM releases ORDER BY number DESC LIMIT 1"), None)

    def elsewhere(self, subject: str) -> list[tuple[int, str, str, str]]:
        """The facts about the subject's contacts by other gateways, as `gateway.core.neighbours.elsewhere_of` reads them."""
        return list(self._rows(ELSEWHERE_SQL, (subject,)))

    def screens(self, from_ms: int, until_ms: int) -> list[ScreenSlots]:
        """The slots of screens from `from_ms` until before `until_ms`, by screen and offer."""
        sql = (
            "SELECT screen, offer, count(*), sum(basis = 'group'), sum(plays), sum(played_s) FROM slots "
            "WHERE at_ms >= ? AND at_ms < ? GROUP BY screen, offer ORDER BY screen, offer"
        )
        return [ScreenSlots(*row) for row in self._rows(sql, (from_ms, until_ms))]

    def history(self, subject: str) -> Iterator[LogRow]:
        """The person's history log, in the order in which the facts were folded."""
        sql = f"SELECT subject, number, at_ms, body FROM history WHERE {days.of_person('history')} ORDER BY number"  # noqa: S608 - as above
        return (LogRow(of, number, at_ms, _BODY.decode(body)) for of, number, at_ms, body in self._rows(sql, (subject,)))

    # --- one person, for the person's page and the operator's desk ------------------------------------------

    def subject_of(self, identifier: str) -> str | None:
        """The subject of a device, tag or page; None without consent."""
        row = next(self._rows("SELECT subject FROM identities WHERE mover = ?", (identifier,)), None)
        return None if row is None else str(row[0])

    def subjects(self, most: int, after: str = "") -> list[str]:
        """Subjects in the order of ids, the first `most` after `after`."""
        return [one for (one,) in self._rows("SELECT subject FROM contexts WHERE subject > ? ORDER BY subject LIMIT ?", (after, most))]

    def person(self, subject: str) -> SubjectContext | None:
        """The context of a subject, with the purposes that the register grants and without contacts."""
        row = next(self._rows("SELECT body FROM contexts WHERE subject = ?", (subject,)), None)
        if row is None:
            return None
        stored, granted = unpacked_context(row[0], self._words), {grant.purpose for grant in self.grants(subject)}
        return msgspec.structs.replace(stored, purposes=tuple(one for one in stored.purposes if one in granted))

    def grants(self, subject: str) -> list[Grant]:
        """The grants of a person in the consent register."""
        columns = "purpose, change, version, wording, source, at_ms, expires_at_ms"
        return [Grant(*row) for row in self._rows(f"SELECT {columns} FROM register WHERE subject = ?", (subject,))]  # noqa: S608 - names from above

    def presences(self, subject: str) -> list[tuple[str, int, int]]:
        """Zones in which the person is, with the times of entering and of the newest observation that was stored."""
        return list(self._rows("SELECT zone, entered_ms, seen_ms FROM presences WHERE subject = ? ORDER BY entered_ms", (subject,)))

    def answered(self, subject: str, since_ms: int) -> list[tuple[Decision, AnswerKind | None]]:
        """The decisions for a person since a time, with the answer that stands, the newest first."""
        sql = f"SELECT {COLUMNS}, body, answer FROM decisions WHERE subject = ? AND at_ms >= ? ORDER BY at_ms DESC, id DESC"  # noqa: S608
        return [(unpacked(tuple(row), self._words), answer) for *row, answer in self._rows(sql, (subject, since_ms))]

    def facts(self, subject: str) -> list[tuple[str, int, str | None, str | None, str | None, int | None, str | None]]:
        """The facts of a person and of the person's decisions: kind, time, zone, decision, detail, amount in minor units, reason."""
        columns = "kind, at_ms, zone, decision, detail, amount_minor, reason"
        sql = (
            f"SELECT {columns} FROM facts WHERE subject = ?1 UNION SELECT {columns} FROM facts "  # noqa: S608 - names from above
            "WHERE decision IN (SELECT id FROM decisions WHERE subject = ?1) ORDER BY 2"
        )
        return list(self._rows(sql, (subject,)))

    def details(self, kind: str) -> list[str]:
        """The details of all facts of a kind, the oldest first, without people; none of erased ones."""
        return [str(one) for (one,) in self._rows("SELECT detail FROM facts WHERE kind = ? AND detail IS NOT NULL ORDER BY at_ms", (kind,))]

    def contacts_used(self, subject: str) -> dict[str, int]:
        """By table of counts: the person's contacts that count and have not left."""
        return dict(self._rows("SELECT name, count(*) FROM contacts WHERE subject = ? GROUP BY name", (subject,)))

    def shown_records(self) -> list[HourCounts | OfferCounts]:
        """The newest released counts, with noise: one record of all zones, and one for each offer."""
        return [_COUNTS.decode(body) for (body,) in self._rows("SELECT body FROM shown_records ORDER BY name, offer")]

    def _consenting(self, purpose: Purpose, now_ms: int) -> list[str]:
        """Subjects with consent to the purpose at `now_ms`, in the order of the table."""
        people = (unpacked_context(body, self._words) for (body,) in self._rows("SELECT body FROM contexts"))
        return [person.subject for person in people if allows(person, purpose, now_ms)]

    def _decisions(self, which: str, values: tuple[Any, ...]) -> Iterator[Decision]:
        rows = self._rows(f"SELECT {COLUMNS}, body FROM decisions {which}", values)  # noqa: S608 - no text from outside
        return (unpacked(row, self._words) for row in rows)

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        return iter(self._db.execute(sql, values))
