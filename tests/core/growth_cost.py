"""Work of a decision by the size of the decision log: `python -m tests.core.growth_cost`.

Counted, so that the machine and its load do not matter: bytecode instructions of Python, and pages that SQLite looks at and writes. One
round is a person who enters, is decided for and leaves, and a window of an earlier proposal that closes. Each size is a log of its own,
with as many open windows as the gateway keeps.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import apsw

from gateway.core import limits
from gateway.core.policy.decision import Candidate, Decision
from gateway.core.policy.gates import CHOSEN, LOWER_RANK
from gateway.core.state import Changes, Reservation, Window
from gateway.core.types import TimePassed
from tests.kit.testbed import HOUR_MS, NOON_MS, Gateway, Phone, campaign, make_site, offer

SIZES = (1_000, 10_000, 100_000)
CONTACTS = 10  # of one person in the log; limits.CONTACTS_KEPT_MAX is the most that count
ROUNDS = 8
OFFERS = 8
CHUNK = 500
FEATURES = bytes(range(80))


class Work(NamedTuple):
    """Work of one round: bytecode instructions, pages looked at, pages written."""

    decisions: int
    contacts: int
    instructions: int
    pages_read: int
    pages_written: int


def work(folder: Path, decisions: int, contacts: int = CONTACTS) -> Work:
    """The work of one round, the mean of ROUNDS, after `decisions` decisions for people with so many contacts each."""
    gateway = _gateway(folder)
    phones = [Phone(f"phone-{number:06}") for number in range(ROUNDS + 1)]
    gateway.apply(*[phone.consent() for phone in phones])
    _fill(gateway, decisions, contacts, [str(gateway.state.people.identities[phone.device]) for phone in phones])
    database = gateway.store._db
    _round(gateway, phones[-1])  # compiled statements, kept offers
    for kind in (apsw.SQLITE_DBSTATUS_CACHE_HIT, apsw.SQLITE_DBSTATUS_CACHE_MISS, apsw.SQLITE_DBSTATUS_CACHE_WRITE):
        database.status(kind, True)  # noqa: FBT003 - reset, by position in apsw
    counted = [instructions(partial(_round, gateway, phone)) for phone in phones[:ROUNDS]]
    hits, misses, written = (
        database.status(kind)[0]
        for kind in (apsw.SQLITE_DBSTATUS_CACHE_HIT, apsw.SQLITE_DBSTATUS_CACHE_MISS, apsw.SQLITE_DBSTATUS_CACHE_WRITE)
    )
    gateway.close()
    return Work(decisions, contacts, sum(counted) // ROUNDS, (hits + misses) // ROUNDS, written // ROUNDS)


def instructions(action: Callable[[], object]) -> int:
    """Bytecode instructions of an action."""
    count = 0

    def step(frame: Any, event: str, _argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return step

    sys.settrace(step)
    try:
        action()
    finally:
        sys.settrace(None)
    return count


def _gateway(folder: Path) -> Gateway:
    offers = [offer(f"o{number}", zones=("cafe",), value_minor=100 + number, horizon_s=3_600) for number in range(OFFERS)]
    policy = {"learn": True, "holdout": 0.0, "gap_s_min": 0, "quiet_from": 0, "quiet_until": 0, "per_person_day_max": 200}
    return Gateway(folder, site=make_site(campaign=campaign(*offers, **policy), positives=1_000.0), synced=False)


def _fill(gateway: Gateway, decisions: int, contacts: int, subjects: list[str]) -> None:
    """Write the log: `contacts` decisions a person, the newest windows still open, one of them due in each round."""
    first_open = decisions - min(decisions, limits.OPEN_DECISIONS_MAX - 1_000)
    for start in range(0, decisions, CHUNK):
        changes = Changes()
        for number in range(start, min(start + CHUNK, decisions)):
            person, at = divmod(number, contacts)
            at_ms = NOON_MS - 6 * HOUR_MS * (contacts - at)
            subject = subjects[person] if person < len(subjects) else f"s{person:015}"
            id_ = f"gw-t.{number * 0x9E3779B97F4A7C15 % 2**64:016x}"  # as scattered as random ones
            kept = [Candidate(f"o{one}", (LOWER_RANK if one else CHOSEN).reason, 0.4, 30.0, FEATURES) for one in range(OFFERS)]
            offered = f"o{number % OFFERS}"
            changes.decisions.made.append(
                Decision(id_, subject, "cafe", "entered", at_ms, offered, CHOSEN.reason, tuple(kept), arm="sent", intended=offered)
            )
            if number >= first_open:
                until_ms = NOON_MS + HOUR_MS // 2 + (number - first_open) * HOUR_MS
                changes.outcomes.windows[id_] = Window(subject, offered, "cafe", "cafe", "entered", "sent", until_ms)
                changes.budgets.reserved[id_] = Reservation(offered, 1, until_ms)
        gateway.commit(changes)
    gateway.store.people.cache.clear()


def _round(gateway: Gateway, phone: Phone) -> None:
    """A person enters, is decided for and leaves; one window and one reservation end."""
    gateway.apply(phone.near("scan-cafe"))
    changes = gateway.apply(phone.near("scan-cafe"))
    assert len(changes.decisions.made) == 1
    gateway.clock.advance(HOUR_MS)
    closed = gateway.apply(TimePassed())
    assert closed.outcomes.closed
    assert closed.budgets.ended
    assert closed.visits.transitions


def main() -> None:
    """Print one JSON object a line."""
    for size in SIZES:
        for contacts in (CONTACTS, limits.CONTACTS_KEPT_MAX):
            with TemporaryDirectory() as folder:
                sys.stdout.write(json.dumps(work(Path(folder), size, contacts)._asdict()) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
