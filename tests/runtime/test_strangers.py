"""Messages that concern no consenting person are dropped by their topic, all others are read as before."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.adapters.aes import Aes
from gateway.core import ephemeral
from gateway.core.discards import Discard
from gateway.core.site import ClaimRules
from gateway.core.state import PeopleState
from gateway.core.strangers import dropping
from gateway.core.types import Message, Observation
from gateway.decoders.registry import load
from gateway.decoders.topics import TopicTree, topic_matches
from gateway.runtime.router import Router
from gateway.runtime.sources import Installed, source
from tests.core.growth_cost import instructions
from tests.kit.gateways import message
from tests.kit.testbed import CLAIM_SECRET, Gateway, Phone, make_site


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path, site=make_site(claims=ClaimRules(CLAIM_SECRET)))
    yield made
    made.close()


SITE = make_site(claims=ClaimRules())
IRK = "0123456789abcdef0123456789abcdef"
PRIVATE, PUBLIC = "4a1b2c3d4e5f", "0a1b2c3d4e5f"
PEOPLE = PeopleState({"tag-1": "s", "phone-1": "s"})
WITH_KEYS = PeopleState({"tag-1": "s"}, {IRK: "s", f"{ephemeral.KEY_PREFIX}{IRK}": "s"}, Aes())


@pytest.mark.parametrize(
    ("people", "name", "scanner", "expected"),
    [
        (PEOPLE, "tag-1", "scan-cafe", None),
        (PEOPLE, "tag-9", "scan-cafe", Discard.NOT_CONSENTED),
        (PEOPLE, "tag-1", "scan-elsewhere", Discard.UNMAPPED_ANCHOR),
        (PEOPLE, "tag-9", "scan-elsewhere", Discard.UNMAPPED_ANCHOR),
        (PEOPLE, "sensor-cafe", "scan-elsewhere", None),
        (PEOPLE, "beacon-cafe", "scan-cafe", None),
        (PEOPLE, "phone-1", None, None),
        (PEOPLE, "phone-9", None, Discard.NOT_CONSENTED),
        (PEOPLE, "scan-cafe", None, None),
        (PEOPLE, PRIVATE, "scan-cafe", Discard.NOT_CONSENTED),
        (WITH_KEYS, PRIVATE, "scan-cafe", None),
        (WITH_KEYS, PUBLIC, "scan-cafe", Discard.NOT_CONSENTED),
        (WITH_KEYS, "eddystone:0011223344556677", "scan-cafe", None),
    ],
)
def test_a_message_is_dropped_only_if_it_can_change_nothing(
    people: PeopleState, name: str, scanner: str | None, expected: Discard | None
) -> None:
    assert dropping(SITE, people)((name, scanner)) == expected


def test_a_tag_at_a_counter_may_be_claimed() -> None:
    counter = make_site(claims=ClaimRules(counters=frozenset({"scan-cafe"})))
    assert dropping(counter, PEOPLE)(("tag-9", "scan-cafe")) is None
    assert dropping(counter, PEOPLE)(("tag-9", "scan-bar")) is Discard.NOT_CONSENTED


def heard(tag: str, scanner: str = "scan-cafe", payload: bytes = b'{"rssi":-60}') -> Message:
    return Message(f"espresense/devices/{tag}/{scanner}", payload, 0)


def router_of(gateway: Gateway) -> Router:
    """A router that drops by the people of a gateway."""
    sources = [source("espresense/#", load("espresense")), source("wayside/v1/+/up/+/+", load("wayside_v1"))]
    router = Router(sources, Installed({}, tuple(gateway.site.anchors)))
    router.dropped = dropping(gateway.site, gateway.state.people)
    return router


def test_the_payload_of_a_stranger_is_not_read(gateway: Gateway) -> None:
    phone, router = Phone(), router_of(gateway)
    gateway.apply(phone.consent())
    assert len(router.decode_all([heard(phone.tag), heard("tag-9", payload=b"{"), heard(phone.tag, "scan-elsewhere")])) == 1
    assert router.refused == {}
    assert router.discarded == {"not_consented": 1, "unmapped_anchor": 1}
    assert (router.messages.total(), router.observations.total(), router.passed) == (3, 3, 2)
    assert len(router._routes) == 1, "a stranger takes no place among the routes"


def test_a_person_who_consents_is_heard_in_the_same_batch(gateway: Gateway) -> None:
    phone, router = Phone(), router_of(gateway)
    fields = {"purposes": ["presence"], "version": 1, "tags": [phone.tag]}
    batch = [heard(phone.tag), message(phone.device, "consent", 1, **fields), heard(phone.tag)]
    assert [type(one).__name__ for one in router.decode_all(batch)] == ["Consent", "Sighting"]


@pytest.mark.parametrize("seed", range(5))
def test_dropping_changes_nothing_but_the_reason(tmp_path: Path, seed: int) -> None:
    """The same messages with and without it: the same observations are kept, and as many are dropped."""
    draws = random.Random(seed)  # noqa: S311 - a seeded test
    names = ["tag-1", "tag-2", "phone-1", "sensor-cafe", "beacon-cafe", PRIVATE, PUBLIC]
    stream: list[Message] = []
    for number in range(400):
        if draws.random() < 0.7:
            stream.append(heard(draws.choice(names), draws.choice(("scan-cafe", "scan-bar", "scan-elsewhere"))))
        else:
            near = [{"id": draws.choice(("beacon-cafe", "far")), "rssi": -60}]
            stream.append(message(draws.choice(("phone-1", "phone-2")), "sighting", number, heard=near))
    changes = []
    for drops in (True, False):
        folder = tmp_path / str(drops)
        folder.mkdir()
        gateway = Gateway(folder, site=make_site(claims=ClaimRules()), synced=False)
        gateway.apply(Phone("phone-1", "tag-1").consent(codes={}))
        gateway.state.people.identities["tag-1"] = gateway.state.people.identities["phone-1"]
        router = router_of(gateway)
        observations: list[Observation] = router.decode_all(stream) if drops else [o for one in stream for o in router.decode(one)]
        made = gateway.advance(*observations)
        dropped_count = made.discarded.total() + router.discarded.total()
        changes.append((made.totals["kept"], dropped_count, made.visits.presences, made.visits.transitions))
        gateway.close()
    assert changes[0] == changes[1]


def test_a_stranger_costs_a_third_of_a_friend_whatever_their_number(gateway: Gateway) -> None:
    """Counted in bytecode instructions from the message to the changes, a batch of 64 at a time."""
    phones = [Phone(f"phone-{number:04}") for number in range(64)]
    gateway.apply(*[phone.consent() for phone in phones])
    router = router_of(gateway)

    def cost(batch: list[Message]) -> float:
        return instructions(lambda: gateway.advance(*router.decode_all(batch))) / len(batch)

    friends = [heard(phone.tag) for phone in phones]
    cost(friends)
    few, many = [heard(f"{number % 8:012x}") for number in range(64)], [heard(f"{number * 7919:012x}") for number in range(64)]
    of_friend, of_few, of_many = cost(friends), cost(few), cost(many)
    assert max(of_few, of_many) <= of_friend / 3
    assert abs(of_few - of_many) <= 0.2 * of_few


LEVELS = ("a", "b", "", "$SYS", "c")


@pytest.mark.parametrize("seed", range(20))
def test_the_tree_finds_the_first_filter_that_matches(seed: int) -> None:
    draws = random.Random(seed)  # noqa: S311 - a seeded test

    def drawn(levels: tuple[str, ...]) -> str:
        return "/".join(draws.choice(levels) for _ in range(draws.randrange(1, 5)))

    filters = [drawn((*LEVELS, *draws.choice((("+", "#", "x+"), ("#",))))) for _ in range(draws.choice((3, 40)))]
    tree = TopicTree((one, at) for at, one in enumerate(filters))
    for _ in range(300):
        topic = drawn(LEVELS)
        expected = next((at for at, one in enumerate(filters) if topic_matches(one, topic)), None) if topic else None
        assert (tree.first(topic.split("/")) if topic else None) == expected, (topic, filters)
