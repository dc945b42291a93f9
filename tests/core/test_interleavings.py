"""Hundreds of seeded days (in the soak thousands): consent, withdrawal, sightings, answers, time and crashes in any order.

A book of the consents and their times runs beside the gateway. After every batch it checks that each offer and each open visit is of a
person with consent to it at that time, and that the caps hold. The book shares no code with the core. As a control the last tests switch
the rules off one by one, and the book must object.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from gateway.core import context as contexts
from gateway.core.policy.prepared import Prepared
from gateway.core.state import Changes
from gateway.core.types import Consent, Observation, Purpose
from tests.kit.testbed import BERLIN, HOUR_MS, ZONES, Gateway, Phone, TableScorer, berlin_ms, campaign, make_site, offer

BATCHES = 10
GAP_S, PER_DAY, PER_OFFER = 45, 3, 2
EXIT_AFTER_MS = 30_000
STREET = make_site(
    campaign=campaign(
        *(
            offer(
                f"o-{kind}",
                category=kind,
                zones=("cafe", "bar", "station", "square"),
                occasions=("entered", "dwelled"),
                per_person_day_max=2,
            )
            for kind in ("coffee_house", "bar", "carry_away")
        ),
        gap_s_min=GAP_S,
        per_person_day_max=PER_DAY,
        quiet_from=0,
        quiet_until=0,
    )
)
_PURPOSES: tuple[tuple[Purpose, ...], ...] = (
    ("presence", "offers", "learning", "measurement"),
    ("presence", "offers"),
    ("presence",),
    ("offers",),
    ("measurement",),
)


class Word(NamedTuple):
    """The last consent of a device, and the number of the first one after a withdrawal."""

    purposes: tuple[Purpose, ...]
    expires_at_ms: int | None
    seq: int
    since: int


class Book:
    """The consents by device, without subjects, presences and gates."""

    def __init__(self) -> None:
        self.words: dict[str, Word] = {}
        self.no_seqs: dict[str, int] = {}
        self.yeses = self.started_ms = 0
        self.proposed: dict[tuple[str, int], list[tuple[int, str]]] = defaultdict(list)
        self.seen: Counter[str] = Counter()

    def hear(self, observation: Observation, now_ms: int) -> None:
        if not isinstance(observation, Consent):
            return
        device, seq = observation.envelope.device, observation.envelope.seq
        before = self.words.get(device)
        if observation.purposes and ((before is not None and seq <= before.seq) or seq < self.no_seqs.get(device, -1)):
            return
        ends = observation.expires_at_ms
        if not observation.purposes or (ends is not None and ends <= now_ms):
            if self.words.pop(device, None) is not None:
                self.no_seqs[device] = max(seq, self.no_seqs.get(device, -1))
            return
        self.yeses += before is None
        self.words[device] = Word(observation.purposes, ends, seq, before.since if before else self.yeses)

    def allows(self, device: str, purpose: Purpose, now_ms: int) -> bool:
        word = self.words.get(device)
        return word is not None and purpose in word.purposes and (word.expires_at_ms is None or now_ms < word.expires_at_ms)

    def may_be_seen(self, device: str, now_ms: int) -> bool:
        """A yes that runs out is noticed when the visit's timer rings: within one silence, counted anew when the gateway starts."""
        word = self.words.get(device)
        if word is None or "presence" not in word.purposes:
            return False
        return word.expires_at_ms is None or now_ms < max(word.expires_at_ms, self.started_ms) + EXIT_AFTER_MS

    def check(self, gateway: Gateway, changes: Changes) -> None:
        """Check a committed batch against the consents."""
        now_ms = gateway.clock.now_ms()
        for trigger in changes.decisions.triggers:
            assert self.allows(trigger.target, "offers", now_ms), "an offer to somebody who did not ask for any"
            assert self.allows(trigger.target, "presence", now_ms), "an offer to somebody who must not be seen"
            self.proposed[trigger.target, self.words[trigger.target].since].append((now_ms, trigger.offer))
            self._not_too_often(self.proposed[trigger.target, self.words[trigger.target].since])
        phones = {subject: identifier for identifier, subject in gateway.rows("identities") if identifier.startswith("phone-")}
        for subject, zone, *_ in gateway.rows("presences"):
            assert self.may_be_seen(phones[subject], now_ms), f"somebody is seen in {zone} who must not be"
            self.seen["presence"] += 1
        # A yes that has run out is forgotten when the gateway next looks at the time, and not a moment before.
        for device in set(self.words) - set(phones.values()):
            assert not self.allows(device, self.words[device].purposes[0], now_ms), "who is known is who said yes"
            del self.words[device]
        assert set(phones.values()) == set(self.words), "who is known is who said yes"
        for _, _, _, device, *_ in gateway.rows("triggers"):
            wanted = self.words[device].purposes
            assert "offers" in wanted, "an offer waits for somebody who wants none"
            assert "presence" in wanted, "an offer waits for somebody who must not be seen"
        self.seen.update(transition.kind for transition in changes.visits.transitions)
        self.seen.update(decision.reason for decision in (*changes.decisions.made, *changes.decisions.unlogged))
        self.seen.update(changes.discarded)

    @staticmethod
    def _not_too_often(proposed: list[tuple[int, str]]) -> None:
        days = Counter(_day(at_ms) for at_ms, _ in proposed)
        assert max(days.values()) <= PER_DAY, "asked too often in one day"
        assert max(Counter((_day(at_ms), offer_id) for at_ms, offer_id in proposed).values()) <= PER_OFFER, "asked the same too often"
        if len(proposed) > 1:
            assert proposed[-1][0] - proposed[-2][0] >= GAP_S * 1000, "asked again too soon"


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(BERLIN).date().isoformat()


class Script:
    """One seeded day for a few people."""

    def __init__(self, seed: int, gateway: Gateway, book: Book) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a test's own days
        self.gateway, self.book = gateway, book
        self.phones = [Phone(f"phone-{number:04d}") for number in range(3)]
        self.late: list[Observation] = []
        self.codes: list[tuple[str, str]] = []
        midnight_ms = berlin_ms(2026, 10, self.random.choice((24, 25, 26)))  # includes the day of 25 hours
        gateway.clock.advance(midnight_ms - gateway.clock.now_ms() + self.random.randrange(-2 * HOUR_MS, 8 * HOUR_MS))

    def play(self) -> None:
        self._apply([phone.consent() for phone in self.phones if self.random.random() < 0.6])
        for _ in range(BATCHES):
            batch = [one for _ in range(self.random.randrange(1, 5)) for one in self._some()]
            self._apply(batch)
            if self.random.random() < 0.4:
                self._linger()
            self._wait(self.random.choice((0, 500, 5000, 20_000, 50_000, 90_000, 4 * HOUR_MS)))
            if self.random.random() < 0.15:
                self.gateway.crash()
                self.book.started_ms = self.gateway.clock.now_ms()

    def _apply(self, batch: list[Observation]) -> None:
        for observation in batch:
            self.book.hear(observation, self.gateway.clock.now_ms())
        changes = self.gateway.apply(*batch)
        self.codes += [(trigger.target, trigger.id) for trigger in changes.decisions.triggers]
        self.book.check(self.gateway, changes)

    def _linger(self) -> None:
        """A person stays in one zone for a while, with sightings."""
        phone, anchor = self.random.choice(self.phones), self.random.choice(("scan-cafe", "scan-bar", "scan-station"))
        for _ in range(self.random.randrange(2, 12)):
            self._apply([phone.near(anchor)])
            self._wait(self.random.choice((1000, 10_000, 25_000)))

    def _wait(self, ms: int) -> None:
        """Stop by stop, so that the book is asked at each."""
        until_ms = self.gateway.clock.now_ms() + ms
        while (left_ms := until_ms - self.gateway.clock.now_ms()) > 0:
            next_ms = self.gateway.next_ms() - self.gateway.clock.now_ms()
            for stop in self.gateway.pass_time(min(left_ms, max(1, next_ms))):
                self.book.check(self.gateway, stop)

    def _some(self) -> list[Observation]:
        phone = self.random.choice(self.phones)
        zone = self.random.choice(ZONES)
        match self.random.randrange(12):
            case 0 | 1:
                return self._sent_or_late(phone.consent(self.random.choice(_PURPOSES), expires_at_ms=self._end()))
            case 2:
                return self._sent_or_late(phone.withdrawal())
            case 3 if self.late:
                return [self.late.pop(self.random.randrange(len(self.late)))]
            case 4 if self.codes:
                device, code = self.random.choice(self.codes)
                answering = next(one for one in self.phones if one.device == device)
                return [answering.answer(code, self.random.choice(("shown", "accepted", "dismissed", "redeemed")))]
            case 5:
                return [phone.at(self.random.choice((0.0, 500.0)))]
            case _:
                anchor = self.random.choice(zone.anchors or ("scan-cafe",))
                return [phone.near(anchor, self.random.choice((-60.0, -60.0, -80.0)))] * self.random.randrange(1, 4)

    def _sent_or_late(self, word: Consent) -> list[Observation]:
        if self.random.random() < 0.15 and self.book.words.get(word.envelope.device):
            self.late.append(word)
            return []
        return [word]

    def _end(self) -> int | None:
        return self.gateway.clock.now_ms() + self.random.choice((-1, 1000, 40_000, 120_000)) if self.random.random() < 0.3 else None


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway, wiped before each day."""
    made = Gateway(
        tmp_path_factory.mktemp("interleavings"), site=STREET, scorer=TableScorer({"bar": 0.5, "coffee_house": 0.4}), synced=False
    )
    yield made
    made.close()


def play(gateway: Gateway, seeds: range) -> Counter[str]:
    seen: Counter[str] = Counter()
    for seed in seeds:
        gateway.wipe()
        book = Book()
        Script(seed, gateway, book).play()
        seen += book.seen
    return seen


@pytest.mark.parametrize("scripts", [400, pytest.param(4_000, marks=pytest.mark.soak)])
def test_nobody_is_seen_or_asked_without_a_yes_nor_too_often(gateway: Gateway, scripts: int) -> None:
    seen = play(gateway, range(scripts))
    # Not vacuous: all that could go wrong had occasion to.
    often = ("entered", "dwelled", "left", "presence", "chosen", "no_consent", "not_consented")
    for kind in (*often, "cool_down", "cap_person_day", "overtaken"):
        least = scripts // 2 if kind in often else scripts // 40
        assert seen[kind] >= least, f"{kind} came up {seen[kind]} times only"


@pytest.mark.parametrize(
    ("rule", "broken", "caught"),
    [
        ((contexts, "allows"), lambda *_: True, "to somebody who|is seen in"),
        ((contexts, "has_expired"), lambda *_: False, "to somebody who|is seen in|who is known"),
        ((contexts, "is_stale"), lambda *_: False, "to somebody who|is seen in|who is known|waits"),
        ((Prepared, "_today"), lambda *_: [], "too often"),
    ],
    ids=["consent is not asked for", "a yes never ends", "an old word counts", "caps are not counted"],
)
def test_a_gateway_without_that_rule_is_caught(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, rule: tuple[object, str], broken: object, caught: str
) -> None:
    monkeypatch.setattr(*rule, broken)
    with pytest.raises(AssertionError, match=caught):
        play(gateway, range(300))


def test_a_gateway_that_does_not_end_visits_is_caught(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.core.unit_of_work.UnitOfWork.end_visits", lambda *_: None)
    with pytest.raises(AssertionError, match="is seen in"):
        play(gateway, range(300))
