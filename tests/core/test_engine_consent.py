"""Consent and withdrawal: no rows without consent, withdrawals in any order, and claims of foreign identifiers.

`Gateway.dump` holds every cell of every table, so text that is not in it is not kept. As a control the same tests find a consenting person.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.core import limits
from gateway.core.learning.state import PersonState
from gateway.core.presence import PresenceRules
from gateway.core.state import Changes
from gateway.core.types import Observation, Purpose, Sighting, TimePassed
from tests.kit.testbed import CLEAR_DBM, DAY_MS, EVERYTHING, HOUR_MS, NOON_MS, Gateway, Phone, campaign, make_site, purchase

RULES = PresenceRules()


def enter(gateway: Gateway, phone: Phone, anchor: str = "scan-cafe") -> Changes:
    gateway.apply(phone.near(anchor))
    gateway.clock.advance(1000)
    return gateway.apply(phone.near(anchor))


def traces(gateway: Gateway, *texts: str) -> list[str]:
    """The texts that occur in the database or in the state in memory."""
    memory = f"{gateway.state.people.identities} {gateway.state.visits.presences} {gateway.state.sensors.zones}"
    everything = f"{gateway.dump()}\n{memory}".lower()
    return [text for text in texts if text.lower() in everything]


# --- no yes, no trace ------------------------------------------------------------------------------------


def test_people_who_never_said_yes_leave_no_trace(gateway: Gateway) -> None:
    known, stranger = Phone("phone-0001"), Phone("phone-0666", tag="c0ffee123456")
    gateway.apply(TimePassed(), known.consent())
    for _ in range(3):
        gateway.apply(
            stranger.near("scan-cafe"),
            stranger.hears("beacon-cafe"),
            stranger.at(0.0),
            stranger.answer("gw-t.0000000000000000"),
            stranger.withdrawal(),
            known.near("scan-cafe"),
        )
        gateway.pass_time(1000)
    gateway.pass_time(2 * HOUR_MS)
    assert traces(gateway, stranger.device, stranger.tag) == []
    # Control: the search finds a person who did not withdraw.
    assert traces(gateway, known.device, known.tag) == [known.device, known.tag]
    assert len(gateway.rows("contexts")) == len(gateway.rows("decisions")) == 1


def test_the_device_of_a_person_stands_in_two_tables_only(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    code = enter(gateway, phone).decisions.triggers[0].id
    gateway.apply(phone.answer(code, "accepted"), purchase("till-cafe", 1, decision=code))
    gateway.store.triggers_sent([code])
    places = {line.split(":", 1)[0] for line in gateway.dump().splitlines() if phone.device in line or phone.tag in line}
    assert places == {"contexts", "identities"}


def test_a_yes_to_offers_alone_is_no_yes_to_being_seen(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent(("offers", "learning", "measurement")))
    for anchor in ("scan-cafe", "beacon-cafe"):
        gateway.apply(Sighting(phone.device, anchor, CLEAR_DBM), phone.near(anchor))
        gateway.apply(Sighting(phone.device, anchor, CLEAR_DBM), phone.near(anchor), phone.at(0.0))
    gateway.pass_time(5 * 60_000)
    assert gateway.rows("presences") == gateway.rows("decisions") == gateway.rows("triggers") == []
    assert traces(gateway, phone.tag) == [], "a tag is there to be seen by: without that purpose it is not kept"


@pytest.mark.parametrize("learns", [False, True])
def test_without_a_yes_to_offers_no_moment_is_kept(tmp_path: Path, *, learns: bool) -> None:
    """A row for each arrival, with place and time, would be a log of visits beside the one that needs a consent to learning."""
    gateway = Gateway(tmp_path, site=make_site(campaign=campaign(learn=learns)), synced=False)
    seen, asked = Phone(), Phone("phone-0002", "e375cf00cafe")
    consents: dict[Phone, tuple[Purpose, ...]] = {seen: ("presence", "measurement"), asked: ("presence", "offers")}
    for phone, purposes in consents.items():
        gateway.apply(phone.consent(purposes))
        changes = gateway.apply(phone.near("scan-cafe"), phone.near("scan-cafe"))
        assert len(changes.decisions.unlogged) == (phone is seen)
    subject = gateway.state.people.identities[asked.device]
    assert {row[1] for row in gateway.rows("decisions")} == {subject}, "the log has moments of the other person"
    context = gateway.store.context(gateway.state.people.identities[seen.device])
    assert context is not None
    assert context.learned == PersonState()
    gateway.close()


def test_a_yes_without_measurement_is_not_counted(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent(("presence", "offers")))
    gateway.apply(TimePassed())
    code = enter(gateway, phone).decisions.triggers[0].id
    gateway.apply(phone.answer(code, "redeemed"))
    gateway.pass_time(3 * HOUR_MS)
    assert len(gateway.rows("outcomes")) == 1
    assert gateway.rows("contacts") == []


def test_a_consent_that_no_longer_covers_measurement_removes_the_contacts_that_have_not_left(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(TimePassed(), phone.consent())
    enter(gateway, phone)
    assert gateway.contacts() == [("hours", "cafe", "", "")]
    gateway.apply(phone.consent(("presence", "offers")))
    assert gateway.contacts() == []


@pytest.mark.parametrize("purposes", [("presence", "offers"), EVERYTHING])
def test_the_shape_of_all_that_leaves_is_the_same_with_and_without_a_person(tmp_path: Path, purposes: tuple[Purpose, ...]) -> None:
    """A day with a person and one without: the same records and lengths, and for a person without measurement the same bytes."""
    left = []
    for name in ("with", "without"):
        gateway = Gateway(tmp_path / name, synced=False)
        gateway.apply(TimePassed())
        if name == "with":
            phone = Phone()
            gateway.apply(phone.consent(purposes))
            gateway.apply(phone.answer(enter(gateway, phone).decisions.triggers[0].id, "accepted"))
        gateway.clock.advance(3 * HOUR_MS)
        gateway.apply(TimePassed())
        gateway.clock.advance(DAY_MS)
        gateway.apply(TimePassed())
        left.append([msgspec.structs.replace(record, id="r") for record in gateway.records()])
        gateway.close()
    shapes = [[(type(one), one.window_start_ms, len(getattr(one, "counts", ()))) for one in records] for records in left]
    assert shapes[0] == shapes[1]
    assert (left[0] == left[1]) == ("measurement" not in purposes)


# --- a no outranks everything ----------------------------------------------------------------------------


def test_a_withdrawal_forgets(gateway: Gateway) -> None:
    phone, other = Phone(), Phone("phone-0002")
    gateway.apply(phone.consent(told={"visits_month_bar": 3.0}), other.consent())
    subject = gateway.state.people.identities[phone.device]
    code = enter(gateway, phone).decisions.triggers[0].id
    enter(gateway, other, "scan-bar")
    gateway.apply(phone.answer(code, "accepted"), purchase("till-cafe", 1, decision=code))
    assert traces(gateway, phone.device, phone.tag, subject, code) == [phone.device, phone.tag, subject, code]
    facts = len(gateway.rows("facts"))

    changes = gateway.apply(phone.withdrawal())
    assert changes.discarded == {}
    assert gateway.store.context(subject) is None
    assert traces(gateway, phone.device, phone.tag, subject, code) == []
    assert gateway.store.waiting_triggers() != [], "the other one's still waits"
    assert len(gateway.rows("facts")) == facts + 1, "what the till sold stays sold"
    assert len(gateway.rows("presences")) == len(gateway.rows("contexts")) == 1
    gateway.restart()
    assert traces(gateway, phone.device, phone.tag, subject, code) == []
    assert gateway.apply(phone.near("scan-cafe")).discarded == {"not_consented": 1}
    assert gateway.apply(phone.answer(code, "redeemed")).discarded == {"unknown_decision": 1}


@pytest.mark.parametrize("again", [False, True])
def test_a_withdrawal_in_the_same_batch_unsends_what_the_batch_decided(gateway: Gateway, *, again: bool) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    subject = gateway.state.people.identities[phone.device]
    gateway.apply(phone.near("scan-cafe"))
    batch: list[Observation] = [phone.near("scan-cafe"), phone.consent(("presence", "offers")), phone.withdrawal()]
    changes = gateway.apply(*batch, *((phone.consent(), phone.near("scan-cafe")) if again else ()))
    assert (changes.decisions.triggers, changes.decisions.made) == ([], [])
    assert changes.discarded == {}
    assert gateway.rows("triggers") == gateway.rows("presences") == gateway.rows("decisions") == []
    assert traces(gateway, subject) == []
    assert traces(gateway, phone.device) == ([phone.device] if again else [])
    if again:
        assert gateway.state.people.identities[phone.device] != subject, "who comes back is somebody new"


def test_a_purchase_with_their_code_forgets_it_in_the_same_batch(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    code = enter(gateway, phone).decisions.triggers[0].id
    gateway.apply(purchase("till-cafe", 1, decision=code), phone.answer(code, "redeemed"), phone.withdrawal())
    assert traces(gateway, code) == []
    assert len([row for row in gateway.rows("facts") if row[1] == "purchase"]) == 1


def test_a_yes_that_arrives_after_the_no_it_came_before_is_no_yes(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    late_yes = phone.consent()
    gateway.apply(phone.withdrawal())
    assert gateway.apply(late_yes).discarded == {"overtaken": 1}
    gateway.restart()
    assert gateway.apply(late_yes).discarded == {"overtaken": 1}
    assert traces(gateway, phone.device) == []
    assert gateway.apply(phone.consent()).discarded == {}, "a later yes is one"


def test_a_late_yes_is_overtaken_in_the_same_batch_too(gateway: Gateway) -> None:
    phone = Phone()
    first, late_yes, no = phone.consent(), phone.consent(), phone.withdrawal()
    changes = gateway.apply(first, no, late_yes)
    assert changes.discarded == {"overtaken": 1}
    assert traces(gateway, phone.device) == []


def test_a_stale_word_changes_nothing(gateway: Gateway) -> None:
    phone = Phone()
    old, new = phone.consent(), phone.consent(("presence",), tags=())
    gateway.apply(new)
    before = gateway.dump()
    assert gateway.apply(old).discarded == {"overtaken": 1}
    assert gateway.dump() == before
    assert traces(gateway, phone.tag) == []


# --- less than before, and for so long --------------------------------------------------------------------


@pytest.mark.parametrize("purposes", [("offers",), ("measurement",)])
def test_taking_presence_back_ends_the_visit_at_once(gateway: Gateway, purposes: tuple[Purpose, ...]) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    enter(gateway, phone)
    assert len(gateway.rows("presences")) == 1
    gateway.apply(phone.consent(purposes))
    assert gateway.rows("presences") == []
    assert gateway.state.visits.presences == {}


@pytest.mark.parametrize("same_batch", [False, True])
@pytest.mark.parametrize("purposes", [("presence", "learning"), ("offers",)])
def test_taking_a_purpose_back_unsends_what_waits(gateway: Gateway, purposes: tuple[Purpose, ...], *, same_batch: bool) -> None:
    phone, other = Phone(), Phone("phone-0002")
    gateway.apply(phone.consent(), other.consent(), other.near("scan-bar"), other.near("scan-bar"), phone.near("scan-cafe"))
    no_more = phone.consent(purposes)
    if same_batch:
        assert gateway.apply(phone.near("scan-cafe"), no_more).decisions.triggers == []
    else:
        assert len(gateway.apply(phone.near("scan-cafe")).decisions.triggers) == 1
        gateway.apply(no_more)
    assert [trigger.target for trigger in gateway.store.waiting_triggers()] == [other.device]


def test_dropping_a_tag_forgets_it(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent(tags=("name:tag-one", "name:tag-two")))
    gateway.apply(phone.consent(tags=("name:tag-two",)))
    assert traces(gateway, "name:tag-one", "name:tag-two") == ["name:tag-two"]
    assert gateway.apply(Sighting("scan-cafe", "name:tag-one", CLEAR_DBM)).discarded == {"not_consented": 1}


def test_a_clock_that_was_set_a_moment_ago_deletes_nobody_but_allows_nothing_either(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent(expires_at_ms=NOON_MS + 24 * HOUR_MS))
    gateway.clock.step(720 * HOUR_MS)
    gateway.state.rebase(gateway.clock.take_step())
    gateway.state.retention.settles_ms = gateway.clock.now_ms() + 300_000
    gateway.apply(TimePassed())
    assert enter(gateway, phone).decisions.triggers == []
    assert len(gateway.rows("contexts")) == 1
    gateway.clock.advance(300_000)
    gateway.apply(TimePassed())
    assert gateway.rows("contexts") == []


def test_when_a_yes_runs_out_the_visit_ends_and_the_person_is_forgotten(gateway: Gateway) -> None:
    """Heard or not: a yes that has run out is noticed when the gateway looks at the time."""
    phone = Phone()
    gateway.apply(phone.consent(expires_at_ms=NOON_MS + 20_000))
    code = enter(gateway, phone).decisions.triggers[0].id
    gateway.clock.advance(25_000)
    changes = gateway.apply(phone.answer(code, "opened"))
    assert changes.discarded == {"not_consented": 1}
    gateway.pass_time(0)
    assert traces(gateway, phone.device) == []
    for _ in range(20):
        gateway.apply(phone.near("scan-cafe"))
        gateway.pass_time(1000)
    assert gateway.rows("presences") == []
    assert gateway.rows("contexts") == []
    changes = enter(gateway, phone)
    assert (changes.visits.transitions, changes.decisions.made, changes.decisions.triggers) == ([], [], [])


def test_a_trigger_does_not_outlive_the_yes(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent(expires_at_ms=NOON_MS + 20_000))
    assert enter(gateway, phone).decisions.triggers[0].expires_at_ms == NOON_MS + 20_000


@pytest.mark.parametrize("before", [False, True])
def test_a_yes_that_has_run_out_already_is_a_no(gateway: Gateway, *, before: bool) -> None:
    phone = Phone()
    if before:
        gateway.apply(phone.consent())
    changes = gateway.apply(phone.consent(expires_at_ms=NOON_MS))
    assert changes.discarded == ({} if before else {"not_consented": 1})
    assert traces(gateway, phone.device, phone.tag) == []


# --- claims of foreign identifiers -----------------------------------------------------------------------


def test_tags_of_others_cannot_be_claimed(gateway: Gateway) -> None:
    victim, thief = Phone("phone-0001"), Phone("phone-0002", tag="name:thief")
    gateway.apply(victim.consent())
    gateway.apply(thief.consent(tags=(thief.tag, victim.tag, victim.device, "scan-bar", "beacon-cafe")))
    owner, taker = gateway.state.people.identities[victim.device], gateway.state.people.identities[thief.device]
    assert owner != taker
    assert gateway.state.people.identities == {victim.device: owner, victim.tag: owner, thief.device: taker, thief.tag: taker}


def test_claims_in_one_batch_go_to_the_first(gateway: Gateway) -> None:
    one, two = Phone("phone-0001", tag="name:shared"), Phone("phone-0002", tag="name:shared")
    gateway.apply(one.consent(), two.consent())
    assert gateway.state.people.identities["name:shared"] == gateway.state.people.identities[one.device]
    gateway.apply(one.withdrawal(), two.consent())
    assert gateway.state.people.identities["name:shared"] == gateway.state.people.identities[two.device]


@pytest.mark.parametrize("restart", [False, True])
def test_who_claims_a_phone_as_a_tag_does_not_own_its_word(gateway: Gateway, *, restart: bool) -> None:
    """A phone claims another person's phone as its tag, before that phone sends a consent."""
    victim, thief = Phone("phone-0001"), Phone("phone-0002", tag="name:thief")
    gateway.apply(thief.consent(tags=(thief.tag, victim.device)))
    gateway.apply(victim.consent())
    if restart:
        gateway.restart()
    owner, taker = gateway.state.people.identities[victim.device], gateway.state.people.identities[thief.device]
    assert owner != taker
    context = gateway.store.context(taker)
    assert context is not None
    assert (context.device, context.tags) == (thief.device, (thief.tag,))
    gateway.apply(thief.withdrawal())
    assert traces(gateway, thief.device, thief.tag) == []
    assert gateway.state.people.identities == {victim.device: owner, victim.tag: owner}


@pytest.mark.parametrize("word", ["yes", "no"])
def test_a_device_under_the_name_of_a_tag_does_not_speak_for_its_owner(gateway: Gateway, word: str) -> None:
    victim = Phone("phone-0001")
    gateway.apply(victim.consent())
    thief, before = Phone(victim.tag), gateway.dump()
    assert gateway.apply(thief.consent() if word == "yes" else thief.withdrawal()).discarded == {"other_speaker": 1}
    assert gateway.dump() == before


# --- bounds ----------------------------------------------------------------------------------------------


def test_a_person_may_name_so_many_tags(gateway: Gateway) -> None:
    gateway.apply(Phone().consent(tags=tuple(f"name:{number}" for number in range(100))))
    assert len(gateway.state.people.identities) == 1 + limits.TAGS_PER_SUBJECT_MAX


def test_the_number_of_identities_is_bounded(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "IDENTITIES_MAX", 20)
    phones = [Phone(f"phone-{number:04d}") for number in range(30)]
    first = gateway.apply(*(phone.consent() for phone in phones[:15]))
    assert first.discarded == {"too_many_subjects": 5}
    assert len(gateway.state.people.identities) == 20
    # A standing yes can be renewed and taken back, but takes no more room.
    many = tuple(f"name:more-{number}" for number in range(8))
    assert gateway.apply(phones[0].consent(tags=(phones[0].tag, *many))).discarded == {}
    assert len(gateway.state.people.identities) == 20
    assert gateway.apply(phones[1].withdrawal(), phones[20].consent(tags=many)).discarded == {}
    assert len(gateway.state.people.identities) == 20
    gateway.restart()
    assert len(gateway.state.people.identities) == 20


# --- a street that changed -------------------------------------------------------------------------------


def test_a_visit_in_a_zone_that_is_no_more_is_forgotten(tmp_path: Path) -> None:
    """A zone with an open visit is removed from the config: the gateway starts nevertheless."""
    gateway = Gateway(tmp_path)
    phone = Phone()
    gateway.apply(phone.consent())
    enter(gateway, phone, "scan-bar")
    gateway.apply(phone.near("scan-bar"))
    gateway.close()
    whole = make_site()
    left = {id_: zone for id_, zone in whole.zones.items() if id_ != "bar"}
    anchors = {anchor: zone for anchor, zone in whole.anchors.items() if zone in left}
    changed = Gateway(tmp_path, site=msgspec.structs.replace(whole, zones=left, anchors=anchors), clock=gateway.clock)
    changed.pass_time(5 * 60_000)
    assert changed.rows("presences") == []
    assert changed.state.visits.presences == {}
    changed.close()
