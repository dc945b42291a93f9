"""Restarts, full disks and repetition: memory is never ahead of the disk, and the same inputs are always the same outcome."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapters.store import Store
from gateway.core.ports import StoreFullError
from gateway.core.presence import PresenceRules
from gateway.core.state import Changes, State
from gateway.core.types import Answer, AnswerKind, Consent, Count, Envelope, Observation, Position, Reading, Sighting, Status, TimePassed
from tests.kit.testbed import DAY_MS, HOUR_MS, NOON_MS, Gateway, Phone, TableScorer, campaign, make_site, offer, purchase

RULES = PresenceRules()


# --- restarts --------------------------------------------------------------------------------------------


def enter(gateway: Gateway, phone: Phone, anchor: str = "scan-cafe") -> Changes:
    gateway.apply(phone.near(anchor))
    gateway.clock.advance(1000)
    return gateway.apply(phone.near(anchor))


def test_a_restart_keeps_visits_open(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    enter(gateway, phone)
    gateway.restart(off_ms=4 * HOUR_MS)
    back_ms = gateway.clock.now_ms()
    # The visit does not begin again, and it has not ended while the gateway was off.
    assert gateway.apply(phone.near("scan-cafe"), phone.near("scan-cafe")).visits.transitions == []
    stops = gateway.pass_time(2 * RULES.exit_after_ms)
    transitions = [(transition.kind, transition.at_ms) for stop in stops for transition in stop.visits.transitions]
    assert transitions == [("left", back_ms)]
    assert gateway.rows("presences") == []


def test_a_visit_that_dwelled_before_the_restart_does_not_dwell_again(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    enter(gateway, phone)
    for _ in range(4):
        gateway.pass_time(20_000)
        gateway.apply(phone.near("scan-cafe"))
    gateway.restart(off_ms=1000)
    kinds: list[str] = []
    for _ in range(6):
        gateway.apply(phone.near("scan-cafe"))
        kinds += [transition.kind for stop in gateway.pass_time(20_000) for transition in stop.visits.transitions]
    kinds += [transition.kind for stop in gateway.pass_time(60_000) for transition in stop.visits.transitions]
    assert kinds == ["left"]


def test_a_restart_keeps_counts_windows_triggers_and_who_is_who(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(TimePassed(), phone.consent())
    trigger = enter(gateway, phone).decisions.triggers[0]
    before = gateway.dump()
    period, identities = gateway.state.counts.period, gateway.state.people.identities
    gateway.restart()
    assert gateway.dump() == before
    assert (gateway.state.counts.period, gateway.state.people.identities) == (period, identities)
    assert gateway.store.waiting_triggers() == [trigger]
    gateway.apply(phone.answer(trigger.id, "redeemed"))
    assert gateway.contacts() == [("hours", "cafe", "", "")]
    gateway.pass_time(HOUR_MS)
    assert len(gateway.records()) == 2, "the gateway's own, and the offers sent"


def test_a_context_is_the_same_from_the_cache_and_from_the_disk(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent(told={"visits_month_bar": 2.0}))
    subject = gateway.state.people.identities[phone.device]
    for anchor, answer in (("scan-cafe", "dismissed"), ("scan-bar", "redeemed")):
        code = enter(gateway, phone, anchor).decisions.triggers[0].id
        gateway.apply(phone.answer(code, "redeemed" if answer == "redeemed" else "dismissed"))
        gateway.pass_time(11 * 60_000)
    cached = gateway.store.context(subject)
    assert cached is not None
    assert [(contact.offer, contact.answer) for contact in cached.contacts] == [("flat-white", "dismissed"), ("happy-hour", "redeemed")]
    gateway.restart()
    assert gateway.store.context(subject) == cached


# --- a full disk -----------------------------------------------------------------------------------------


class SmallDisk(Store):
    """A store on a disk that can be filled up."""

    def fill(self) -> None:
        """No page more than there are."""
        self._db.pragma("max_page_count", int(self._db.pragma("page_count")))

    def free(self) -> None:
        """Space again."""
        self._db.pragma("max_page_count", 1_000_000)


def remembered(gateway: Gateway) -> dict[str, Any]:
    """Everything in memory: the state, and the store's caches."""
    state = {name: repr(vars(getattr(gateway.state, name))) for name in gateway.state.__struct_fields__}
    return state | {
        "contexts": list(gateway.store.people.cache),
        "backlog": gateway.store.backlog(),
        "position": gateway.store.counts._position,
    }


def test_a_batch_that_cannot_be_stored_changes_nothing_and_succeeds_later(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, make_store=SmallDisk)
    store = gateway.store
    assert isinstance(store, SmallDisk)
    known = Phone("phone-0001")
    gateway.apply(TimePassed(), known.consent())
    gateway.apply(known.near("scan-cafe"))
    gateway.clock.advance(HOUR_MS)
    crowd = [Phone(f"phone-{number:04d}").consent(tags=(f"name:{number:04d}" * 8,)) for number in range(2, 120)]
    facts = [purchase("till-cafe", number) for number in range(200)]
    batch: list[Observation] = [known.near("scan-cafe"), known.near("scan-cafe"), *crowd, *facts, TimePassed()]
    store.fill()
    before_memory, before_disk = remembered(gateway), gateway.dump()
    changes = gateway.advance(*batch)
    assert changes.visits.transitions
    assert changes.decisions.triggers
    assert changes.counts.closing
    for _ in range(2):
        with pytest.raises(StoreFullError, match="free some space"):
            gateway.commit(changes)
        remaining = remembered(gateway)
        assert {name: remaining[name] for name in remaining if name != "contexts"} == {
            name: before_memory[name] for name in before_memory if name != "contexts"
        }
        assert gateway.dump() == before_disk
    store.free()
    # The same batch, folded anew: but for the ids that are drawn, nothing differs.
    again = gateway.apply(*batch)
    assert (again.totals, again.discarded, len(again.decisions.triggers)) == (changes.totals, changes.discarded, 1)
    assert len(gateway.rows("contexts")) == 119
    assert len(gateway.rows("facts")) == 1 + 118 + 200
    assert gateway.store.backlog() == len(gateway.records()) == 2
    assert len(gateway.state.people.identities) == 2 * 119
    gateway.close()


def test_an_outcome_that_failed_can_be_stored_itself_later(tmp_path: Path) -> None:
    """The writer waits out a full disk with the outcome in hand."""
    gateway = Gateway(tmp_path, make_store=SmallDisk)
    store = gateway.store
    assert isinstance(store, SmallDisk)
    changes = gateway.advance(*(Phone(f"phone-{number:04d}").consent(tags=(f"name:{number:04d}" * 8,)) for number in range(150)))
    store.fill()
    with pytest.raises(StoreFullError):
        gateway.commit(changes)
    store.free()
    gateway.commit(changes)
    assert len(gateway.rows("contexts")) == 150
    gateway.close()


def test_records_that_could_not_be_stored_are_not_counted_as_waiting(tmp_path: Path) -> None:
    many = campaign(*(offer(f"offer-{number}", zones=("cafe", "bar", "station")) for number in range(60)))
    gateway = Gateway(tmp_path, site=make_site(campaign=many), make_store=SmallDisk)
    store = gateway.store
    assert isinstance(store, SmallDisk)
    gateway.apply(TimePassed())
    gateway.clock.advance(DAY_MS)
    changes = gateway.advance(TimePassed())
    store.fill()
    before = remembered(gateway)
    with pytest.raises(StoreFullError):
        gateway.commit(changes)
    assert remembered(gateway) == before
    assert store.next_batch("gw-t") is None
    store.free()
    gateway.commit(changes)
    assert store.backlog() == store.counted().records == len(gateway.records()) == 62
    gateway.close()


# --- the same again --------------------------------------------------------------------------------------


def day(people: int) -> list[tuple[int, list[Observation]]]:
    """(ms to wait, batch): people consent, come, stay, answer unknown decisions, and some withdraw."""
    phones = [Phone(f"phone-{number:04d}") for number in range(people)]
    batches: list[tuple[int, list[Observation]]] = [(0, [phone.consent(told={"visits_month_bar": 1.5}) for phone in phones])]
    for minute in range(6):
        for index, phone in enumerate(phones):
            anchor = ("scan-cafe", "scan-bar", "scan-station")[(index + minute) % 3]
            batches.append((700, [phone.near(anchor, -55.0 - index), phone.near(anchor), phone.at(10.0 * index)]))
        batches.append(
            (9_000, [purchase("till-bar", minute, category="bar"), Reading("weather-1", "precipitation", minute / 4), TimePassed()])
        )
    batches.append((40_000, [phones[0].withdrawal(), TimePassed(), *(phone.consent(("presence",)) for phone in phones[1:3])]))
    batches.append((HOUR_MS, [TimePassed()]))
    return batches


def run(folder: Path, batches: Sequence[tuple[int, list[Observation]]], seed: int) -> tuple[list[dict[str, Any]], str]:
    folder.mkdir()
    site = make_site(campaign=campaign(gap_s_min=5))
    gateway = Gateway(folder, site=site, scorer=TableScorer({"bar": 0.4, "coffee_house": 0.3}), seed=seed, synced=False)
    changes_list = []
    for wait_ms, batch in batches:
        gateway.clock.advance(wait_ms)
        changes_list.append(vars(gateway.apply(*batch)))
    shown = (
        gateway.rows("decisions"),
        gateway.rows("contexts"),
        gateway.rows("identities"),
        gateway.contacts(),
        gateway.rows("outbox"),
    )
    gateway.close()
    return changes_list, str(shown)


def test_the_same_inputs_make_the_same_outcomes(tmp_path: Path) -> None:
    batches = day(6)
    first, again = run(tmp_path / "a", batches, 7), run(tmp_path / "b", batches, 7)
    assert sum(len(changes["decisions"].triggers) for changes in first[0] if "decisions" in changes) >= 6
    assert first == again
    assert run(tmp_path / "c", batches, 8) != first, "the control: ids are drawn, so another seed shows"


def test_advance_changes_nothing(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(TimePassed(), phone.consent(), phone.near("scan-cafe"))
    batch: list[Observation] = [phone.near("scan-cafe"), purchase("till-cafe", 1), Reading("weather-1", "temperature", 3.0)]
    batch += [phone.withdrawal(), TimePassed()]
    before, disk = remembered(gateway), gateway.dump()
    for _ in range(3):
        gateway.advance(*batch)
    assert remembered(gateway) == before
    assert gateway.dump() == disk


# --- every observation is accounted for ------------------------------------------------------------------

_DEVICES = st.sampled_from(("phone-0001", "phone-0002", "phone-0003", "till-cafe", "scan-cafe", "nobody"))
_RADIOS = st.sampled_from(("phone-0001", "phone-0002", "tag-1", "tag-2", "scan-cafe", "scan-bar", "beacon-cafe", "nobody"))
_TIMES = st.none() | st.integers(NOON_MS - 60_000, NOON_MS + 60_000)
_LEVELS = st.sampled_from((-50.0, -70.0, -79.0, -95.0))
_ENVELOPES = st.builds(Envelope, _DEVICES, st.sampled_from(("b1", "b2")), st.integers(0, 6))
_PURPOSES = st.lists(st.sampled_from(("presence", "offers", "learning", "measurement")), unique=True, max_size=4).map(tuple)
_ANSWERS: st.SearchStrategy[AnswerKind] = st.sampled_from(("shown", "opened", "accepted", "dismissed", "redeemed"))
_OBSERVATIONS: st.SearchStrategy[Observation] = st.one_of(
    st.builds(Sighting, _RADIOS, _RADIOS, _LEVELS, _TIMES),
    st.builds(Position, _DEVICES, st.sampled_from((52.52, 52.53)), st.just(13.405), st.none() | st.floats(0, 5000), _TIMES),
    st.builds(Reading, _DEVICES, st.just("temperature"), st.floats(-60, 85)),
    st.builds(Count, _DEVICES, st.just("people"), st.integers(0, 9)),
    st.builds(Status, _DEVICES),
    st.builds(purchase, _DEVICES, st.integers(0, 6)),
    st.builds(Answer, _ENVELOPES, st.sampled_from(("gw-t.0123456789abcdef", "gw-u.1")), _ANSWERS),
    st.builds(
        lambda envelope, purposes, tags, ends: Consent(envelope, purposes, 1, None, ends, tags),
        _ENVELOPES,
        _PURPOSES,
        st.lists(_RADIOS, max_size=3).map(tuple),
        st.none() | st.integers(NOON_MS - 10, NOON_MS + 300_000),
    ),
    st.builds(TimePassed),
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for many examples, wiped before each."""
    made = Gateway(tmp_path_factory.mktemp("accounting"), synced=False)
    yield made
    made.close()


@settings(max_examples=250)
@given(batches=st.lists(st.tuples(st.integers(0, 40_000), st.lists(_OBSERVATIONS, max_size=12)), max_size=8))
def test_what_is_received_is_kept_or_discarded_with_a_reason(shared: Gateway, batches: list[tuple[int, list[Observation]]]) -> None:
    shared.wipe()
    for wait_ms, batch in batches:
        shared.clock.advance(wait_ms)
        changes = shared.apply(*batch)
        assert changes.totals["kept"] + changes.discarded.total() == len(batch)
        assert changes.totals["facts"] == len(changes.facts.rows)
        assert all(number > 0 for number in (changes.totals + changes.discarded).values())
        assert shared.state.visits.next_due_ms() is None or shared.state.visits.presences
        # Memory and disk agree.
        fresh: State = shared.store.state(shared.clock.now_ms(), RULES)
        assert fresh.people.identities == shared.state.people.identities
        assert set(fresh.visits.presences) == {place for place, one in shared.state.visits.presences.items() if one.entered_ms is not None}
        assert fresh.counts.period == shared.state.counts.period
        assert {subject for subject, *_ in shared.rows("contexts")} == set(shared.state.people.identities.values())
        assert len(shared.state.people.identities) <= 4 * len(shared.rows("contexts"))
