"""What `wayside discover` found, as config text.

A decoder is chosen by topic, or by a usual topic below a prefix (`site7/espresense/...`). For other messages every decoder is tried on all
samples of a shape of topics: a guess needs GUESS_MESSAGES_MIN messages, states its evidence, and is a comment while another decoder reads
the samples as well. Only scanners are proposed as anchors, and all that is found is in the zone `somewhere` until the operator assigns it.
Ids that may belong to people (tags and phones) are counted and not printed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gateway.commands.discover.guess import Route, guessed, renamed, route_of, shape_of
from gateway.core.types import Count, Message, Position, Purchase, Reading, Sighting
from gateway.decoders.contract import UNSTATED, DecodeError, Decoder
from gateway.decoders.registry import decoder_names, load
from gateway.runtime.sources import source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.core.types import Observation

TOPICS_MAX = 5_000
PARTNERS_MAX = 20_000
IDS_MAX = 200
GUESS_MESSAGES_MIN = 3  # a single message may fit a format by chance
GUESS_SHARE_MIN = 0.8  # of the samples of a shape
SAMPLES_MAX = 20  # of one shape of topics
SHAPES_MAX = 500
SAMPLE_BYTES_MAX = 8_192
_OF_THE_LINK = frozenset({"rssi", "snr"})


class Findings:
    """Messages and ids found so far, by source."""

    def __init__(self) -> None:
        """Start empty."""
        self.messages: Counter[tuple[str, str]] = Counter()
        self.evidence: dict[tuple[str, str], str] = {}
        self.unknown: Counter[str] = Counter()
        self.partners: dict[str, set[str]] = defaultdict(set)
        self.hearers: set[str] = set()
        self.devices: dict[str, set[str]] = defaultdict(set)
        self.unread: dict[str, str] = {}
        self.topics_of: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._samples: dict[str, list[Message]] = {}
        self._routes: dict[str, Route | None] = {}
        self._models = _Models()

    def add(self, message: Message) -> None:
        """Add one message."""
        if message.topic not in self._routes and len(self._routes) < TOPICS_MAX:
            self._routes[message.topic] = route_of(message)
        route = self._routes.get(message.topic)
        if route is None:
            shape = shape_of(message.topic)
            self.unknown[shape] += 1
            if shape in self._samples or len(self._samples) < SHAPES_MAX:
                kept = self._samples.setdefault(shape, [])
                kept += [message] if len(kept) < SAMPLES_MAX and len(message.payload) <= SAMPLE_BYTES_MAX else []
            return
        self._add_routed(route, message)

    def _add_routed(self, route: Route, message: Message) -> None:
        key = (route.topic_filter, route.decoder.name)
        self.messages[key] += 1
        if route.evidence:
            self.evidence[key] = route.evidence
        self._add_speaker(route, message.topic)
        self._models.take()
        try:
            found = route.decoder.coded((self._models,)).decode(message)
        except DecodeError:
            return  # one invalid message; the running gateway counts those
        self._add_observations(found, route.decoder)
        if route.decoder.decode_coded is not None and found and not any(_is_measured(one) for one in found):
            self.unread[getattr(found[0], "device", "")] = self._models.take()

    def _guess(self) -> list[str]:
        """Move the shapes that one decoder reads to the proposed sources; a comment for each that is unsure."""
        unsure: list[str] = []
        for shape, samples in list(self._samples.items()):
            guesses = sorted(
                (one for one in map(partial(guessed, samples), map(load, decoder_names())) if one), key=lambda one: -one.observations
            )
            if not guesses:
                continue
            best, others = guesses[0], [one.decoder.name for one in guesses[1:] if one.messages >= guesses[0].messages]
            read = f"{best.decoder.name} reads {best.messages} of {len(samples)} messages, {best.observations} observations"
            is_sure = len(samples) >= GUESS_MESSAGES_MIN and best.messages >= GUESS_SHARE_MIN * len(samples)
            ties = [one for one in guesses[1:] if one.observations == best.observations]
            if not is_sure or ties:
                more = f"; so do {', '.join(others)}" if others else "; listen longer" if len(samples) < GUESS_MESSAGES_MIN else ""
                unsure.append(f"# Unsure about {shape}: {read}{more}.")
                continue
            also = f"; {', '.join(others)} would find less" if others else "; no other decoder reads as many"
            topic_filter = renamed(best.decoder, samples[0].topic) or shape
            for message in samples:
                self._add_routed(Route(topic_filter, best.decoder, f"guessed from the payload, check it: {read}{also}"), message)
            self.messages[topic_filter, best.decoder.name] += self.unknown.pop(shape) - len(samples)
            del self._samples[shape]
        return unsure

    def _add_speaker(self, route: Route, topic: str) -> None:
        """Note the levels of the topic that name the speaker, and the source."""
        if route.decoder.role == "bridge" or "{" in route.topic_filter:
            return
        speech = source(route.topic_filter, route.decoder).speech(topic)
        if speech.speaker is not None and (speech.speaker in self.topics_of or len(self.topics_of) < PARTNERS_MAX):
            place = speech.aliases[0] if route.decoder.role == "device" else route.topic_filter  # a scanner has a topic for each tag
            self.topics_of[speech.speaker].add((place, route.topic_filter))

    def shared(self) -> list[str]:
        """A comment for each group of sources in which one id is spoken on two topics; ids may belong to people and are not printed."""
        shared = [topics for topics in self.topics_of.values() if len(topics) > 1 and len({name for name, _ in topics}) > 1]
        groups = Counter(tuple(sorted({topic_filter for _, topic_filter in topics})) for topics in shared)
        return [
            f"# Warning: {count} ids are spoken on two topics each ({' and '.join(filters)}): if these are two devices, mark another "
            "level of the topic in sources[].speaker"
            for filters, count in groups.most_common(IDS_MAX)
        ]

    def fixed(self) -> list[str]:
        """Ids of fixed scanners: those that hear, and hear more radios than any radio has hearers among them."""

        def is_fixed(one: str, other: str) -> bool:
            return len(self.partners[one]) >= len(self.partners[other]) or other not in self.hearers

        return sorted(one for one in self.hearers if all(is_fixed(one, other) for other in self.partners[one]))

    def beacons(self) -> list[str]:
        """Ids of radios that several devices, which are no scanners, heard: they may be beacons that a zone has."""
        return sorted(
            one
            for one, partners in self.partners.items()
            if one not in self.hearers
            and partners.isdisjoint(self.hearers)
            and all(len(partners) > len(self.partners[other]) for other in partners)
        )

    def config(self) -> str:
        """The proposal as TOML; the operator must assign the ids to zones."""
        unsure = self._guess()
        lines = ["# Proposed by `wayside discover`. Assign each id to its zone, and delete the sources that you do not need.", ""]
        for (topic_filter, decoder), count in self.messages.most_common():
            note = self.evidence.get((topic_filter, decoder))
            lines += [f"# {count} messages" + (f" ({note})" if note else "")]
            lines += ["[[sources]]", f"topic = {_quoted(topic_filter)}", f"decoder = {_quoted(decoder)}"]
            lines += [*_speaker_lines(load(decoder)), ""]
        lines += [*unsure, *self.shared(), *self._zone_lines(), *self._device_lines()]
        lines += [
            f"# Bytes of {device}{f' (model {model})' if model else ''} are not understood: name its device profile by the maker's model, "
            "or give the model a codec in [[codecs]]."
            for device, model in sorted(self.unread.items())[:IDS_MAX]
            if device not in self.devices or self.devices[device] <= _OF_THE_LINK
        ]
        lines += [f"# No decoder for {shape} ({count} messages): declare a mapping." for shape, count in self.unknown.most_common(IDS_MAX)]
        return "\n".join(lines).rstrip() + "\n"

    def _zone_lines(self) -> list[str]:
        """The zone of all that is not assigned yet, with the scanners as its anchors."""
        fixed, beacons = self.fixed(), self.beacons()
        if not fixed and not self.devices and not beacons:
            return []
        moving = len(self.partners) - len(fixed) - len(beacons)
        lines = [f"# Scanners may be anchors of a zone; {moving} other ids may belong to people and are not printed."]
        lines += [f"# Unsure: {one} is heard by several phones, so it may be a beacon of a zone." for one in beacons[:IDS_MAX]]
        return [*lines, "[[zones]]", 'id = "somewhere"', f"anchors = [{', '.join(map(_quoted, fixed[:IDS_MAX]))}]", ""]

    def _device_lines(self) -> list[str]:
        if not self.devices:
            return []
        lines = ["# Sensors and tills: write the zone of each.", "[devices]"]
        lines += [
            f"{_quoted(device)} = {_place(what)} # {', '.join(sorted(what))}" for device, what in sorted(self.devices.items())[:IDS_MAX]
        ]
        return [*lines, ""]

    def _add_observations(self, observations: Iterable[Observation], decoder: Decoder) -> None:
        for observation in observations:
            match observation:
                case Sighting(hearer=hearer, heard=heard) if len(self.partners) < PARTNERS_MAX:
                    self.partners[hearer].add(heard)
                    self.partners[heard].add(hearer)
                    if decoder.role != "device" and hearer != UNSTATED:
                        self.hearers.add(hearer)
                case Reading(device=device, quantity=what) | Count(device=device, what=what):
                    self.devices[device].add(what)
                case Purchase(envelope=envelope):
                    self.devices[envelope.device].add("purchase")
                case _:
                    pass


class _Models:
    """Stands for the codecs of a config, and notes the model that an uplink names."""

    def __init__(self) -> None:
        self._newest = ""

    def fits(self, model: str) -> bool:
        """False for each model."""
        self._newest = model
        return False

    def take(self) -> str:
        """The newest model; empty where none was named since the last call."""
        newest, self._newest = self._newest, ""
        return newest


def _is_measured(one: Observation) -> bool:
    return isinstance(one, (Count, Position)) or (isinstance(one, Reading) and one.quantity not in _OF_THE_LINK)


def _speaker_lines(decoder: Decoder) -> list[str]:
    """The settings of a source whose topic does not name the speaker by itself."""
    if decoder.role == "bridge":
        return ["bridge = true # only if the broker lets nobody else publish here"] if "sighting" in decoder.kinds else []
    return [] if decoder.speakers else ['# speaker = "a/{gateway}/#" # the level that names the gateway; without it no person is placed']


def _place(reported: set[str]) -> str:
    """The zone of a device that reports these, with its kind if it is a till."""
    return '{ zone = "somewhere", kind = "till" }' if "purchase" in reported else '"somewhere"'


def _quoted(text: str) -> str:
    """A TOML basic string; its escapes are those of JSON."""
    return msgspec.json.encode(text).decode()
