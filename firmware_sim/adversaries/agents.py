"""The five adversaries. Each acts after random pauses around its period."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import msgspec

from firmware_sim import draws
from firmware_sim.adversaries.names import PREFIX, AdversaryName
from firmware_sim.devices import ble, owntracks
from firmware_sim.devices.wayside_v1 import FACTS, Encoder
from firmware_sim.event_loop import EventLoop
from firmware_sim.message import Message, Send
from firmware_sim.street.scanners import Receiver

KEPT_MAX = 500  # heard ids, overheard messages
MINUTE_MS = 60_000
ADDRESSES, STRONG_DBM = 200, -50.0
BIG_BYTES = 60_000


class Reach(NamedTuple):
    """What an adversary can reach: the site's name, the broker, and the air at each scanner."""

    seed: int
    site: str
    start_ms: int
    loop: EventLoop
    send: Send
    air: Mapping[str, Receiver]
    acted: Callable[[str], None]


class Heard(NamedTuple):
    """An advertisement and the scanner at which it was heard."""

    scanner: str
    advert: ble.Advertisement


class Adversary(ABC):
    """Acts every `period_ms`, give or take a half."""

    name: ClassVar[AdversaryName]
    period_ms: ClassVar[int] = 10 * MINUTE_MS

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._draws = draws.generator(reach.seed, "adversary", self.name)
        self._device = f"{PREFIX}-{self.name}"
        self._encoder = Encoder(reach.site, self._device, draws.boot(reach.seed, reach.start_ms, self._device))
        self.heard: deque[Heard] = deque(maxlen=KEPT_MAX)
        self._plan()

    def overhear(self, device: str, message: Message) -> None:  # noqa: B027 - most do not listen there
        """Take note of a message of another device on the broker."""

    @abstractmethod
    def act(self) -> None:
        """Do something harmful."""

    def _plan(self) -> None:
        self._reach.loop.at(self._reach.loop.now_ms + self._draws.randint(self.period_ms // 2, 3 * self.period_ms // 2), self._turn)

    def _turn(self, _now_ms: int) -> None:
        self.act()
        self._reach.acted(self.name)
        self._plan()

    def _now_ms(self) -> int:
        return self._reach.start_ms + self._reach.loop.now_ms

    def _say(self, message: Message) -> None:
        self._reach.send(self._device, message)

    def _victim(self) -> str | None:
        """The id of a beacon that was heard, or None."""
        beacons = [one.advert.ibeacon.canonical for one in self.heard if one.advert.ibeacon is not None]
        return self._draws.choice(beacons) if beacons else None


class Claimer(Adversary):
    """Claims the tags of others."""

    name = "claimer"

    def __init__(self, reach: Reach) -> None:
        super().__init__(reach)
        self._changes = 0

    def act(self) -> None:
        """Claim a heard tag, with a guessed code or none."""
        """Claim a heard tag, with a guessed code or none."""
        tag = self._victim()
        if tag is None:
            return
        self._changes += 1
        code = "".join(self._draws.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=16))
        fields = {
            "purposes": ["presence", "offers"],
            "version": 1,
            "change": self._changes,
            "tags": [tag],
            "codes": self._draws.choice(({}, {tag: code}, {tag: "A" * 16})),
            "eid_keys": [self._draws.randbytes(16).hex()],
        }
        self._say(self._encoder.encode("consent", self._now_ms(), fields))


class Replayer(Adversary):
    """Publishes overheard messages again."""

    name = "replayer"
    period_ms = 5 * MINUTE_MS

    def __init__(self, reach: Reach) -> None:
        super().__init__(reach)
        self._overheard: list[tuple[str, Message]] = []
        self._count = 0

    def overhear(self, device: str, message: Message) -> None:
        """Keep a sample of the messages, each as likely as any other, and facts ten times as likely."""
        for _ in range(10 if message.kind in FACTS else 1):
            self._count += 1
            if len(self._overheard) < KEPT_MAX:
                self._overheard.append((device, message))
            elif (place := self._draws.randrange(self._count)) < KEPT_MAX:
                self._overheard[place] = device, message

    def act(self) -> None:
        """Publish up to three overheard messages."""
        """Publish up to three overheard messages."""
        for device, message in self._draws.sample(self._overheard, min(3, len(self._overheard))):
            self._reach.send(device, message)


class Cloner(Adversary):
    """Advertises what it heard somewhere else."""

    name = "cloner"
    period_ms = 15 * MINUTE_MS

    def act(self) -> None:
        """Advertise a heard id next to another scanner; every other time the newest."""
        """Advertise a heard id next to another scanner; every other time the newest."""
        if not self.heard:
            return
        original = self.heard[-1] if self._draws.random() < 0.5 else self._draws.choice(self.heard)
        elsewhere = sorted(set(self._reach.air) - {original.scanner})
        if elsewhere:
            self._reach.air[self._draws.choice(elsewhere)].receive(self._reach.loop.now_ms, original.advert, STRONG_DBM)


class Flooder(Adversary):
    """Fills the air and the broker."""

    name = "flooder"
    period_ms = 30 * MINUTE_MS

    def act(self) -> None:
        """Advertise ADDRESSES new addresses, and publish BIG_BYTES."""
        """Advertise ADDRESSES new addresses, and publish BIG_BYTES."""
        receiver = self._reach.air[self._draws.choice(sorted(self._reach.air))]
        for number in range(ADDRESSES):
            receiver.receive(self._reach.loop.now_ms, ble.foreign(self._draws, number % 4), STRONG_DBM)
        self._say(self._encoder.encode("sighting", None, {"heard": [], "more": "x" * BIG_BYTES}))


class Spoofer(Adversary):
    """Writes the names of others into its own messages."""

    name = "spoofer"

    def __init__(self, reach: Reach) -> None:
        super().__init__(reach)
        self._names: deque[str] = deque(maxlen=KEPT_MAX)

    def overhear(self, device: str, message: Message) -> None:
        """Learn the names of phones and tills."""
        if message.kind in FACTS:
            self._names.append(device)

    def act(self) -> None:
        """Publish a message of each kind with the name of another device."""
        """Publish a message of each kind with the name of another device."""
        if not self._names:
            return
        victim = self._draws.choice(self._names)
        false = {
            "device": victim,
            "hearer": victim,
            "person": victim,
            "id": victim,
            "mac": victim,
            "topic": f"owntracks/{self._reach.site}/{victim}",
        }
        at_ms = self._now_ms()
        heard = [{"id": name, "rssi": STRONG_DBM} for name in (self._victim(), victim) if name is not None]
        for kind, fields in (
            ("sighting", {"heard": heard}),
            ("purchase", {"amount_minor": 1, "category": "other", "decision": None}),
            ("answer", {"decision": f"gw.{self._draws.getrandbits(64):016x}", "answer": "redeemed"}),
            ("status", {"state": "online"}),
        ):
            self._say(self._encoder.encode(kind, at_ms, {**fields, **false}))
        position = owntracks.location(self._reach.site, self._device, 0.0, 0.0, accuracy_m=5, at_ms=at_ms, battery=50)
        payload = msgspec.json.decode(position.payload) | false | {"tid": victim[-2:]}
        self._say(position._replace(payload=msgspec.json.encode(payload)))


ADVERSARIES: dict[AdversaryName, type[Adversary]] = {one.name: one for one in (Claimer, Replayer, Cloner, Flooder, Spoofer)}


class Tap:
    """A scanner's antenna: what it receives, the adversaries hear as well."""

    def __init__(self, scanner: str, receiver: Receiver, agents: list[Adversary]) -> None:
        self._scanner, self._receiver, self._agents = scanner, receiver, agents

    def receive(self, now_ms: int, advert: ble.Advertisement, rssi_dbm: float) -> None:
        """Pass the advertisement on."""
        for agent in self._agents:
            agent.heard.append(Heard(self._scanner, advert))
        self._receiver.receive(now_ms, advert, rssi_dbm)
