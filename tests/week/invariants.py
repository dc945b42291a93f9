"""What must hold in every week, whatever goes wrong: one row a promise.

Each row says when it is asked: after every step, every simulated hour (or day, where asking is dear), or when the week is over and
everything that waited has left. A check returns what is wrong, in words; nothing is the good answer. Some promises are about one
moment that is over before the step ends (an offer going out); those the book has written down, and the rows here read them out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from gateway.core import limits
from tests.kit.gateways import store_of
from tests.kit.testbed import HOUR_MS

if TYPE_CHECKING:
    from tests.week.rig import Rig

When = Literal["step", "hour", "day", "end"]
Check = Callable[["Rig"], Iterator[str]]
ROUTES_MAX = 10_000
NOISE_MAX = 320  # 40 scales: once in 10^17 counts


class Invariant(NamedTuple):
    """A promise: its name, what it says, when it is asked, and how."""

    name: str
    promise: str
    when: When
    check: Check


def _noted(name: str) -> Check:
    """Read out what the book has written down under this name."""

    def check(rig: Rig) -> Iterator[str]:
        yield from (what for where, what in rig.book.complaints if where == name)

    return check


def _accounts(rig: Rig) -> Iterator[str]:
    now = rig.machine.totals()
    taken = rig.taken_in_this_life
    if now["messages"] != taken or now["decoded"] != taken:
        yield f"{taken} messages were taken in, {now['decoded']} went down the road, {now['messages']} were counted"
    observed, ended = now["observations"], now["kept"] + now["discarded"]
    if not observed <= ended <= observed + rig.machine.turns:
        yield f"{observed} observations came in, {ended} were kept or discarded with a reason, in {rig.machine.turns} turns"
    if now["refused"] < rig.rubbish_in_this_life:
        yield f"{rig.rubbish_in_this_life} payloads were no messages, {now['refused']} were refused"
    if any(not reason for reason in (*rig.machine.app.counters.discarded, *rig.machine.app.router.refused)):
        yield "something was dropped without a reason"


def _line(rig: Rig) -> Iterator[str]:
    counts, waiting = rig.line.counts, rig.line.waiting
    came = counts["said"] + counts["redelivered"]
    if came != counts["delivered"] + counts["unheard"] + waiting:
        yield f"{came} messages came to the broker; {counts['delivered']} delivered, {counts['unheard']} unheard, {waiting} waiting"
    if rig.line.unthanked:
        yield f"{rig.line.unthanked} facts were worked through and not thanked for"


def _bounds(rig: Rig) -> Iterator[str]:
    app = rig.machine.app
    for what, size, most in (
        ("messages in the box", len(app.mailbox), limits.MAILBOX_MESSAGES_MAX),
        ("routes kept", len(app.router._routes), ROUTES_MAX),
        ("dead letters in memory", len(app.router.dead_letters()), limits.DEAD_LETTERS_MAX),
        ("people in memory", len(store_of(app).people.cache), limits.CONTEXTS_CACHED_MAX),
        ("names of people", len(app.state.people.identities), limits.IDENTITIES_MAX),
        ("visits under way", len(app.state.visits.presences), 2 * len(rig.book.words) * len(app.site.zones)),
    ):
        if size > most:
            yield f"{size} {what}, at most {most}"


def _people(rig: Rig) -> Iterator[str]:
    store = rig.machine.store
    named = dict(store.rows("SELECT mover, subject FROM identities"))
    words = rig.book.words
    required = {mover for device, word in words.items() for mover in (device, *word.tags)}
    unproven = set(named) - required - {mover for word in words.values() for mover in word.presented}
    if unproven or required - set(named):
        yield f"known without a yes or a proof: {sorted(unproven)[:3]}; not known in spite of one: {sorted(required - set(named))[:3]}"
    for device, word in words.items():
        strange = [tag for tag in word.tags if named.get(tag) != named.get(device)]
        if strange:
            yield f"{strange[0]} belongs to another person than {device}, who has proven it"
    subjects = set(named.values())
    for table in store.tables("subject"):
        rows = store.rows(f"SELECT DISTINCT subject FROM {table} WHERE subject IS NOT NULL")  # noqa: S608 - a name from the schema
        strangers = {subject for (subject,) in rows} - subjects
        if strangers:
            yield f"{table} keeps {len(strangers)} people who took their word back"


def _facts(rig: Rig) -> Iterator[str]:
    rows = rig.machine.store.rows("SELECT kind, count(*), sum(amount_minor) FROM facts GROUP BY kind")
    kept = Counter({kind: count for kind, count, _ in rows})
    said = rig.book.facts
    kept["consent"] += kept.pop("withdrawal", 0)
    for kind in ("consent", "answer", "purchase"):
        if kept[kind] != said[kind]:
            yield f"{said[kind]} facts of kind {kind} were said, {kept[kind]} are kept"
    amount = sum(amount or 0 for _, _, amount in rows)
    if amount != rig.book.amount_minor:
        yield f"tills sold for {rig.book.amount_minor}, kept is {amount}"


def _sound(rig: Rig) -> Iterator[str]:
    found = rig.machine.store.sound()
    if found != "ok":
        yield found
    astray = rig.machine.store.rows("SELECT count(*) FROM triggers WHERE id NOT IN (SELECT id FROM decisions)")[0][0]
    if astray:
        yield f"{astray} triggers wait that nobody decided"


def _visits(rig: Rig) -> Iterator[str]:
    yield from _noted("visits")(rig)
    open_rows = {(subject, zone) for subject, zone in rig.machine.store.rows("SELECT subject, zone FROM presences")}
    if open_rows != set(rig.book.stays):
        yield f"{len(open_rows)} visits are open in the database, {len(rig.book.stays)} were told of"


def _records(rig: Rig) -> Iterator[str]:
    yield from _noted("records")(rig)
    yield from rig.collector.conflicts
    if rig.machine.store.backlog():
        yield f"{rig.machine.store.backlog()} records never left"
    left = [record for record in rig.collector.records.values() if record["type"] == "hours"]
    hours = {record["window_start_ms"]: record for record in left}
    if sorted(record["window_start_ms"] for record in left) != sorted(rig.exact):
        yield f"{len(rig.exact)} windows were released, the cloud holds {len(left)}"
    for start_ms, exact in rig.exact.items():
        noised = dict(zip(hours[start_ms]["zones"], hours[start_ms]["counts"], strict=True)) if start_ms in hours else {}
        for zone, count in noised.items():
            if abs(count - exact.get(zone, 0)) > NOISE_MAX:
                yield f"{zone}, {start_ms}: {count} left for {exact.get(zone, 0)}"
    said = Counter((one.window_ms, one.zone) for one in rig.book.sent if one.window_ms <= max(rig.exact, default=0))
    held = Counter({(start_ms, zone): count for start_ms, exact in rig.exact.items() for zone, count in exact.items()})
    expired = rig.totals()["expired"]
    if expired or rig.clock_was_set or rig.held_s or rig.machine.deaths:
        # An offer that was decided and then expired unsent is counted; one whose window was not released is not.
        if held.total() > len(rig.book.sent) + expired:
            yield f"{len(rig.book.sent)} offers went out and {expired} expired, {held.total()} were counted"
    elif held != said:
        yield f"went out and not counted: {said - held}; counted and not gone out: {held - said}"


def _told(rig: Rig) -> Iterator[str]:
    unsent = [code for code, occasion in rig.codes.items() if code not in rig.book.asked and occasion.device in rig.book.words]
    expired = rig.totals()["expired"]
    if len(unsent) > expired:
        yield f"{len(unsent)} offers were decided and never went out, and only {expired} of them had expired"
    made_up = set(rig.book.asked) - set(rig.codes)
    if made_up:
        yield f"{len(made_up)} offers went out that were not committed before"


def _closed_set(rig: Rig) -> Iterator[str]:
    zones, offers = set(rig.machine.site.zones), {offer.id for offer in rig.campaign.offers}
    for record in rig.collector.records.values():
        if not set(record.get("zones", ())) <= zones or record.get("offer", "") not in {"", *offers}:
            yield f"a record outside of the catalogue: {json.dumps(record)}"
        if record["window_start_ms"] % min(record["window_ms"], HOUR_MS):  # a service day begins at a local midnight
            yield f"a record of a finer time than it admits: {json.dumps(record)}"


INVARIANTS: tuple[Invariant, ...] = (
    Invariant("accounts", "messages taken = refused + decoded; observations = kept + discarded with a reason", "step", _accounts),
    Invariant(
        "line", "every message at the broker is delivered, waiting, or went unheard at QoS 0; every fact is thanked for", "step", _line
    ),
    Invariant("bounds", "no queue or cache grows past its limit", "step", _bounds),
    Invariant("adversary", "no offer to a device that nobody carries past a scanner", "step", _noted("adversary")),
    Invariant("consent", "no offer to anybody without a standing yes to presence and offers", "step", _noted("consent")),
    Invariant("cap_day", "nobody is asked more often in one local day than the policy allows", "step", _noted("cap_day")),
    Invariant("cap_offer", "nobody is asked the same more often in one local day than the offer allows", "step", _noted("cap_offer")),
    Invariant("cool_down", "nobody is asked again within the cool-down", "step", _noted("cool_down")),
    Invariant("quiet", "nobody is asked in the quiet hours", "step", _noted("quiet")),
    Invariant("trusted_clock", "nobody is asked while the clock cannot be right", "step", _noted("trusted_clock")),
    Invariant("place", "an offer is made only in its own zones", "step", _noted("place")),
    Invariant("fresh", "no offer goes out after it has expired", "step", _noted("fresh")),
    Invariant("one_phone", "a decision's code goes to one phone", "step", _noted("one_phone")),
    Invariant(
        "leaks",
        "nothing that leaves names a person, a device of theirs, a subject or (but to their phone) a decision",
        "step",
        _noted("leaks"),
    ),
    Invariant("visits", "one visit by radio at a time; entered, dwelled in due time, left; told = kept", "hour", _visits),
    Invariant("people", "who is known is who said yes; nothing is kept of who took it back", "hour", _people),
    Invariant("facts", "every fact that was thanked for is kept once, to the cent", "hour", _facts),
    Invariant("sound", "the database's pages and references are whole", "day", _sound),
    Invariant("told", "what was decided goes out or expires; what goes out was committed before", "end", _told),
    Invariant(
        "records",
        "the counts are what phones saw; each window leaves once, noised",
        "end",
        _records,
    ),
    Invariant("closed_set", "a record speaks of the catalogue's zones and offers, and of whole windows", "end", _closed_set),
)
