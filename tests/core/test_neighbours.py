"""Contacts by other gateways hold caps, cool-down, refusals and silences here; a forged one opens nothing and is bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core import limits
from gateway.core.discards import Discard
from gateway.core.offers import Ignored
from gateway.core.policy.decision import Decision
from gateway.core.types import NeighbourContact, NeighbourWithdrawal
from tests.kit.testbed import DAY_MS, EVERYTHING, Gateway, Phone, campaign, make_site, offer

DEVICE = Phone().device


def made(
    number: int = 1, offer_id: str = "flat-white", *, device: str = "gw-b", person: str = DEVICE, is_sent: bool = True
) -> NeighbourContact:
    return NeighbourContact(device, person, f"gw-b.{number:016x}", offer_id, is_sent)


def visit(gateway: Gateway, phone: Phone, anchor: str = "scan-cafe") -> Decision:
    """The decision at the next entry."""
    gateway.pass_time(60_000)
    gateway.apply(phone.near(anchor))
    gateway.clock.advance(1_000)
    (decision,) = gateway.apply(phone.near(anchor)).decisions.made
    return decision


def consenting(folder: Path, **policy: object) -> tuple[Gateway, Phone]:
    gateway, phone = Gateway(folder, site=make_site(campaign=campaign(**policy)), synced=False), Phone()
    gateway.apply(phone.consent())
    return gateway, phone


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"gap_s_min": 3_600}, "cool_down"),
        ({"gap_s_min": 0, "per_person_day_max": 1}, "cap_person_day"),
        ({"gap_s_min": 0}, "cap_offer_day"),
    ],
)
def test_a_contact_of_a_neighbour_counts_also_after_a_restart(
    tmp_path: Path, policy: dict[str, int], reason: str, *, restarts: bool
) -> None:
    gateway, phone = consenting(tmp_path, **policy)
    assert gateway.apply(made()).totals["kept"] == 1
    if restarts:
        gateway.restart()
    assert visit(gateway, phone).reason == reason
    gateway.pass_time(DAY_MS)
    assert visit(gateway, phone).offer == "flat-white", "the day is over"
    gateway.close()


def test_without_the_contact_the_offer_is_sent(tmp_path: Path) -> None:
    gateway, phone = consenting(tmp_path, per_person_day_max=1)
    assert visit(gateway, phone).offer == "flat-white"
    gateway.close()


@pytest.mark.parametrize("purposes", [(), ("presence", "learning")])
def test_nothing_is_stored_about_people_without_consent_to_offers(gateway: Gateway, purposes: tuple[str, ...]) -> None:
    if purposes:
        gateway.apply(Phone().consent([one for one in EVERYTHING if one in purposes]))
    before = gateway.dump()
    changes = gateway.apply(made())
    assert changes.discarded == {Discard.NOT_CONSENTED: 1}
    assert not changes.is_durable
    assert gateway.dump() == before


def test_a_tag_names_no_person_to_a_neighbour(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    assert gateway.apply(made(person=phone.tag)).discarded == {Discard.NOT_CONSENTED: 1}


def test_a_gateway_states_its_own_decisions_only(gateway: Gateway) -> None:
    gateway.apply(Phone().consent())
    assert gateway.apply(made(device="gw-c")).discarded == {Discard.OTHER_SPEAKER: 1}
    own = NeighbourContact("gw-t", DEVICE, "gw-t.0000000000000001", "flat-white")
    changes = gateway.apply(own)  # as the broker returns it
    assert (changes.totals["kept"], changes.is_durable) == (1, False)


def test_a_contact_that_is_stated_again_counts_once(gateway: Gateway) -> None:
    gateway.apply(Phone().consent())
    gateway.apply(made())
    gateway.restart()
    assert gateway.apply(made()).discarded == {Discard.REPEATED: 1}


def test_a_flood_is_bounded_and_displaces_no_contact_of_this_gateway(tmp_path: Path) -> None:
    """A neighbour that states contacts without end makes the gateway silent, for one day of caps."""
    gateway, phone = consenting(tmp_path, gap_s_min=0)
    own = visit(gateway, phone)
    changes = gateway.apply(*[made(number) for number in range(1_000)])
    assert changes.discarded == {Discard.TOO_MANY_CONTACTS: 1_000 - limits.NEIGHBOUR_CONTACTS_DAY_MAX}
    assert len(gateway.rows("facts")) == 1 + limits.NEIGHBOUR_CONTACTS_DAY_MAX
    person = gateway.store.context(own.subject)
    assert person is not None
    assert [one.decision for one in person.contacts] == [own.id]
    assert visit(gateway, phone).reason == "cap_person_day"
    gateway.pass_time(DAY_MS)
    assert visit(gateway, phone).offer == "flat-white"
    gateway.close()


def test_a_refusal_elsewhere_is_a_refusal_here(tmp_path: Path) -> None:
    gateway, phone = consenting(tmp_path, gap_s_min=0)
    gateway.apply(made())
    assert gateway.apply(phone.answer(made().decision, "dismissed")).totals["kept"] == 1
    gateway.restart()
    gateway.pass_time(2 * DAY_MS)
    decision = visit(gateway, phone)
    assert {one.offer: one.reason for one in decision.candidates}["flat-white"] == "refused"
    assert gateway.apply(phone.answer(made().decision, "shown")).discarded == {Discard.REPEATED: 1}, "undoes no refusal"
    gateway.close()


@pytest.mark.parametrize(("is_sent", "reason"), [(True, "ignored"), (False, "chosen")])
def test_unanswered_offers_elsewhere_are_ignored_ones_unless_they_were_held_out(tmp_path: Path, reason: str, *, is_sent: bool) -> None:
    gateway, phone = consenting(tmp_path, gap_s_min=0, ignored=(Ignored("person", 1, DAY_MS // 1000, 10 * DAY_MS // 1000),))
    gateway.apply(made(is_sent=is_sent))
    gateway.pass_time(DAY_MS)
    assert visit(gateway, phone).reason == reason
    gateway.close()


def test_answers_of_others_and_to_unknown_decisions_change_nothing(gateway: Gateway) -> None:
    phone, other = Phone(), Phone("phone-0002")
    gateway.apply(phone.consent(), other.consent(), made())
    assert gateway.apply(other.answer(made().decision)).discarded == {Discard.OTHER_GATEWAY: 1}
    assert gateway.apply(phone.answer(made(2).decision)).discarded == {Discard.OTHER_GATEWAY: 1}


def test_a_withdrawal_removes_the_person_from_the_contacts(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent(), made())
    gateway.apply(phone.answer(made().decision, "dismissed"))
    gateway.apply(phone.withdrawal())
    assert made().decision not in gateway.dump()
    gateway.apply(phone.consent())
    assert visit(gateway, phone).offer == "flat-white"


def test_a_contact_and_the_withdrawal_in_one_batch_leave_nothing(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    gateway.apply(made(), phone.withdrawal())
    assert made().decision not in gateway.dump()


def test_the_context_is_the_same_from_the_cache_and_from_the_disk(tmp_path: Path) -> None:
    gateway, phone = consenting(tmp_path, gap_s_min=0)
    own = visit(gateway, phone)
    for number in range(3):
        gateway.apply(made(number, is_sent=number != 1))
        gateway.clock.advance(1_000)
    gateway.apply(phone.answer(made(2).decision, "opened"), phone.answer(made(2).decision, "accepted"))
    cached = gateway.store.context(own.subject)
    gateway.crash()
    stored = gateway.store.context(own.subject)
    assert stored is not cached
    assert stored == cached
    assert [one.decision for one in stored.reached] == [own.id, *(made(number).decision for number in range(3))]  # type: ignore[union-attr]
    gateway.close()


def test_two_gateways_that_hear_of_each_other_late_send_one_offer_each(tmp_path: Path) -> None:
    """The limit: until the contact has arrived, the neighbour does not know of it. The excess is one offer of each other gateway."""
    gateways = []
    for name in ("gw-a", "gw-b"):
        (tmp_path / name).mkdir()
        policy = campaign(offer(zones=("cafe", "bar")), gap_s_min=0, per_person_day_max=1)
        gateways.append(Gateway(tmp_path / name, site=make_site(gateway=name, campaign=policy)))
    phone = Phone()
    consent = phone.consent()
    sent = []
    for gateway in gateways:
        gateway.apply(consent)
        sent.append(visit(gateway, phone))
    assert [one.offer for one in sent] == ["flat-white", "flat-white"]
    for gateway, other in zip(gateways, reversed(sent), strict=True):
        gateway.apply(NeighbourContact(other.id.partition(".")[0], phone.device, other.id, "flat-white"))
        assert visit(gateway, phone, "scan-bar").reason == "cap_person_day"
        gateway.close()


# --- withdrawals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [0, 1, 99])
def test_a_withdrawal_at_another_gateway_holds_here_with_any_number(gateway: Gateway, change: int) -> None:
    phone = Phone()
    gateway.apply(phone.consent(change=5))
    stated = NeighbourWithdrawal("gw-b", phone.device, "b1", change)
    changes = gateway.apply(stated)
    assert [(one.device, one.body["outcome"]) for one in changes.replies.messages] == [(phone.device, "withdrawn")]
    assert changes.replies.withdrawn == [], "it is not stated again, so two gateways do not answer each other"
    assert phone.device not in gateway.dump()
    assert gateway.apply(stated).discarded == {Discard.REPEATED: 1}
    gateway.apply(phone.consent(change=100))
    assert gateway.apply(stated).discarded == {Discard.REPEATED: 1}, "a new consent is not ended by the old withdrawal"
    assert phone.device in gateway.state.people.identities


def test_a_withdrawal_of_another_id_than_the_phone_changes_nothing(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    for name in (phone.tag, "phone-0009"):
        assert gateway.apply(NeighbourWithdrawal("gw-b", name, name, 1)).totals["kept"] == 0
    assert phone.device in gateway.state.people.identities


@pytest.mark.parametrize(("source", "stated"), [("page", 1), ("desk", 1), ("device", 0)])
def test_only_a_withdrawal_that_no_device_states_goes_to_the_neighbours(gateway: Gateway, source: str, stated: int) -> None:
    phone = Phone()
    gateway.apply(phone.consent(change=1))
    changes = gateway.apply(phone.consent((), change=2, source=source, tags=()))
    assert [(one.device, one.change) for one in changes.replies.withdrawn] == [(phone.device, 2)] * stated
