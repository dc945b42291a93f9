"""What must be true, from the bytes on the wire alone: who said what, what came of it, and what was asked of whom.

The book reads the messages that the gateway has taken in, in that order, and the offers that came out of it. It has its own
reading of the format and of the campaign, and shares no code with the gateway; where both agree, it is not because both are
wrong in the same way. What does not agree is written down as a complaint, under the name of the invariant that it breaks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from firmware_sim.adversaries.names import PREFIX
from firmware_sim.devices.wayside_v1 import claim_code
from tests.kit.testbed import BERLIN

if TYPE_CHECKING:
    from gateway.core.bus import Publication
    from gateway.core.offers import Campaign
    from gateway.core.state import Changes
    from gateway.core.types import Message

UP = "wayside/v1/street/up/"
DOWN = "wayside/v1/street/down/"
REPLY = "wayside/v1/street/reply/"
HEARD, COUNTER, TOUCH_DBM = "espresense/devices/", "plaza", -45.0
FLOOR_MS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
STEP_SLACK_MS = 10_000
CONTACTS_MAX = 4


class Word(NamedTuple):
    """A person's standing yes. `told` are the offers since, by the gateway's clock.

    `tags` are claimed with their code; `presented` without one, after they were held to the counter.
    """

    purposes: frozenset[str]
    tags: frozenset[str]
    presented: frozenset[str]
    boot: str
    seq: int
    told: list[tuple[int, str]]


class Asked(NamedTuple):
    """An offer that went to a phone."""

    device: str
    zone: str
    offer: str


class Counted(NamedTuple):
    """An offer that counts, in the window of its decision."""

    window_ms: int
    zone: str
    device: str
    decision: str


class Stay(NamedTuple):
    """A visit that has begun, by true time."""

    entered_true_ms: int
    dwelled: bool


class Book:
    """`complaints` is what was broken so far: (invariant, what happened)."""

    def __init__(self, campaign: Campaign, tills: frozenset[str], fix_zones: frozenset[str], *, dwell_ms: int, window_ms: int) -> None:
        self._campaign, self._tills, self._fix_zones = campaign, tills, fix_zones
        self._dwell_ms, self._window_ms = dwell_ms, window_ms
        self.words: dict[str, Word] = {}
        self.facts: Counter[str] = Counter()
        self.amount_minor = 0
        self.asked: dict[str, Asked] = {}
        self.sent: list[Counted] = []
        self.left: set[str] = set()  # decisions whose window has left
        self._used: Counter[tuple[int, str]] = Counter()
        self.secrets: set[str] = set()
        self.digits: set[str] = set()  # of keys
        self._held: set[str] = set()  # tags that were held to the counter
        self.stays: dict[tuple[str, str], Stay] = {}
        self.seen: Counter[str] = Counter()
        self.complaints: list[tuple[str, str]] = []
        self._envelopes: set[tuple[str, str, int]] = set()
        self._no_seqs: dict[tuple[str, str], int] = {}

    # --- what goes in -----------------------------------------------------------------------------------

    def hear(self, message: Message, now_ms: int) -> None:
        """The gateway has taken a message in. Only facts matter here; what is no whole fact is nobody's word."""
        if not message.qos:
            self._hold(message)
            return
        device, _, kind = message.topic.removeprefix(UP).partition("/")
        note: Callable[[str, tuple[str, str, int], dict[str, Any], int], bool] | None = {
            "consent": self._consent,
            "answer": self._answer,
            "purchase": self._purchase,
        }.get(kind)
        if note is None or not message.topic.startswith(UP):
            return
        try:
            said = json.loads(message.payload)
        except ValueError:
            return
        envelope = (device, said["boot"], said["seq"])
        if envelope not in self._envelopes and note(device, envelope, said, now_ms):
            self._envelopes.add(envelope)
            self.facts[kind] += 1

    def _hold(self, message: Message) -> None:
        """A tag that touches the counter may be claimed without its code."""
        if message.topic.startswith(HEARD) and message.topic.endswith(f"/{COUNTER}"):
            try:
                if json.loads(message.payload)["rssi"] >= TOUCH_DBM:
                    self._held.add(message.topic.removeprefix(HEARD).partition("/")[0])
            except (ValueError, KeyError, TypeError):
                return  # it arrived in pieces

    def _purchase(self, device: str, _: tuple[str, str, int], said: dict[str, Any], __: int) -> bool:
        if device in self._tills:
            self.amount_minor += said["amount_minor"]
        return device in self._tills

    def _answer(self, device: str, _: tuple[str, str, int], said: dict[str, Any], __: int) -> bool:
        asked, word = self.asked.get(said["decision"]), self.words.get(device)
        if asked is None or word is None or asked.device != device:
            return False
        if said["decision"] not in {code for _, code in word.told}:
            return False  # it was asked before they withdrew, and is forgotten
        self.seen[said["answer"]] += 1
        return True

    def _consent(self, device: str, envelope: tuple[str, str, int], said: dict[str, Any], __: int) -> bool:
        start, seq, before = envelope[:2], envelope[2], self.words.get(device)
        is_older = before is not None and before.boot == start[1] and seq <= before.seq
        if said["purposes"] and (seq <= self._no_seqs.get(start, -1) or is_older):
            return False
        tags, codes = said.get("tags", ()), said.get("codes", {})
        self.secrets |= {device, *tags}
        self.digits |= {half for key in said.get("eid_keys", ()) for half in (key[:16], key[16:])}
        if "measurement" not in said["purposes"]:
            self._uncount(device)
        if not said["purposes"]:
            if before is not None:
                del self.words[device]
                self._no_seqs[start] = max(seq, self._no_seqs.get(start, -1))
                self.seen["withdrawn"] += 1
            return before is not None
        told, linked = (before.told, before.tags | before.presented) if before else ([], frozenset())
        proven = frozenset(tag for tag in tags if codes.get(tag) == claim_code(tag))
        presented = frozenset(tag for tag in tags if tag in self._held or tag in linked) - proven
        self.words[device] = Word(frozenset(said["purposes"]), proven, presented, start[1], seq, told)
        return True

    # --- what comes out ---------------------------------------------------------------------------------

    def offered(self, publication: Publication, now_ms: int) -> None:
        """The gateway sends an offer to a phone; after a crash one may be sent again."""
        device = publication.topic.removeprefix(DOWN).partition("/")[0]
        said = json.loads(publication.payload)
        asked = Asked(device, said["zone"], said["offer"])
        word = self.words.get(device)
        if device.startswith(PREFIX):
            self.complain("adversary", f"{asked.offer} went to {device}, whose radio nobody can have heard")
        if word is None or not {"presence", "offers"} <= word.purposes:
            self.complain("consent", f"{asked.offer} went to {device}, who has not said yes to it")
            return
        if said["expires_at_ms"] <= now_ms:
            self.complain("fresh", f"{asked.offer} went to {device} after it had expired")
        known = self.asked.setdefault(said["decision"], asked)
        if known is not asked:
            if known != asked:
                self.complain("one_phone", f"{said['decision']} went to {known.device} and to {device}")
            return
        decided_ms = said["expires_at_ms"] - self._campaign.policy.trigger_expiry_s * 1000
        self._not_too_often(word, asked, decided_ms)
        word.told.append((decided_ms, said["decision"]))
        self._count(word, decided_ms, asked, said["decision"])
        self.seen["trigger"] += 1

    def _count(self, word: Word, now_ms: int, asked: Asked, decision: str) -> None:
        """Four offers count of a person and local day."""
        day = (_clock(now_ms).toordinal(), asked.device)
        if "measurement" in word.purposes and self._used[day] < CONTACTS_MAX:
            self._used[day] += 1
            self.sent.append(Counted(now_ms - now_ms % self._window_ms, asked.zone, asked.device, decision))

    def _uncount(self, device: str) -> None:
        """What has not left when a person takes the yes to measurement back does not leave."""
        self.sent = [one for one in self.sent if one.device != device or one.decision in self.left]

    def _not_too_often(self, word: Word, asked: Asked, now_ms: int) -> None:
        policy = self._campaign.policy
        offer = next(offer for offer in self._campaign.offers if offer.id == asked.offer)
        here = _clock(now_ms)
        minute = here.hour * 60 + here.minute
        start, end = policy.quiet_from, policy.quiet_until
        if now_ms < FLOOR_MS:
            self.complain("trusted_clock", f"{asked.offer} went to {asked.device} in {here.year}")
        if (start <= minute < end) if start <= end else (minute >= start or minute < end):
            self.complain("quiet", f"{asked.offer} went to {asked.device} at {here:%H:%M}")
        if asked.zone not in offer.zones:
            self.complain("place", f"{asked.offer} went to {asked.device} in {asked.zone}")
        if any(0 <= now_ms - at_ms < policy.gap_s_min * 1000 for at_ms, _ in word.told):
            self.complain("cool_down", f"{asked.offer} went to {asked.device} too soon after another")
        today = [self.asked[code].offer for at_ms, code in word.told if _clock(at_ms).date() == here.date()]
        if len(today) >= policy.per_person_day_max:
            self.complain("cap_day", f"{asked.device} was asked {len(today) + 1} times on {here.date()}")
        if today.count(asked.offer) >= offer.per_person_day_max:
            self.complain("cap_offer", f"{asked.device} was asked {asked.offer} {today.count(asked.offer) + 1} times on {here.date()}")

    def saved(self, changes: Changes, true_ms: int) -> None:
        """The gateway has committed; what it says of comings and goings has to make sense."""
        for change in changes.visits.transitions:
            place = (change.subject, change.zone)
            stay = self.stays.get(place)
            self.seen[change.kind] += 1
            if change.kind == "entered":
                self._entered(place, true_ms)
            elif stay is None:
                self.complain("visits", f"somebody {change.kind} {change.zone} without having entered")
            elif change.kind == "left":
                del self.stays[place]
            else:
                if stay.dwelled or true_ms - stay.entered_true_ms < self._dwell_ms - STEP_SLACK_MS:
                    self.complain(
                        "visits", f"somebody dwelled in {change.zone} {(true_ms - stay.entered_true_ms) / 1000:.0f} s after entering"
                    )
                self.stays[place] = stay._replace(dwelled=True)
        self.seen.update(decision.reason for decision in (*changes.decisions.made, *changes.decisions.unlogged))

    def _entered(self, place: tuple[str, str], true_ms: int) -> None:
        subject, zone = place
        others = [other for other in self.stays if other[0] == subject and other[1] not in self._fix_zones]
        if place in self.stays or (others and zone not in self._fix_zones):
            self.complain("visits", f"somebody entered {zone} while in {', '.join(sorted(other[1] for other in (*others, place)[:1]))}")
        self.stays[place] = Stay(true_ms, dwelled=False)

    def complain(self, invariant: str, what: str) -> None:
        """Something was broken."""
        self.complaints.append((invariant, what))


def _clock(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(BERLIN)
