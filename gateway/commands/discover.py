"""`wayside discover`: listens to a broker for a while and proposes sources, zones and devices as config text.

A decoder is chosen by topic, or by a usual topic below a prefix (`site7/espresense/...`). For other messages every decoder is tried; the
one with the most observations is proposed, on its usual topics with another base if that fits. Proposals by prefix or payload have a
note, because the operator must check them. Ids that may belong to people (tags and phones) are counted and not printed; only the ids of
fixed scanners and beacons are.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from gateway.commands.broker import BrokerError, connect
from gateway.commands.options import command_app, fail
from gateway.core.types import Count, Message, Purchase, Reading, Sighting, Status
from gateway.decoders.contract import DecodeError, Decoder
from gateway.decoders.registry import by_topic, decoder_names, load
from gateway.decoders.topics import topic_matches
from gateway.runtime.sources import source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.core.types import Observation

TICK_S = 0.25
TOPICS_MAX = 5_000
PARTNERS_MAX = 20_000
IDS_MAX = 200
LEVELS_KEPT_MIN = 3
PREFIX_LEVELS_MAX = 2


command = command_app()


@command.command()
def discover(
    broker: Annotated[str, typer.Option(help="the broker, as mqtt://host:port")],
    seconds: Annotated[float, typer.Option(min=0.25, help="seconds to listen")] = 30.0,
) -> None:
    """Subscribe to all topics of a broker for a time and print a config for the devices that publish.

    Example: `wayside discover --broker mqtt://127.0.0.1:1883 --seconds 60 > sources.toml`
    """
    try:
        found = asyncio.run(listen(broker, seconds, show=True))
    except BrokerError as error:
        fail(str(error))
    if not found.messages and not found.unknown:
        fail(f"no message arrived from {broker} in {seconds:g} s: check that devices publish to it and that it allows subscriptions")
    typer.echo(found.config(), nl=False)


class Route(NamedTuple):
    """Topic filter and decoder of a topic; `guessed` if they do not follow from the topic itself."""

    topic_filter: str
    decoder: Decoder
    guessed: bool


class Findings:
    """Messages and ids found so far, by source."""

    def __init__(self) -> None:
        """Start empty."""
        self.messages: Counter[tuple[str, str]] = Counter()
        self.guessed: set[tuple[str, str]] = set()
        self.unknown: Counter[str] = Counter()
        self.partners: dict[str, set[str]] = defaultdict(set)
        self.hearers: set[str] = set()
        self.devices: dict[str, set[str]] = defaultdict(set)
        self.topics_of: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._routes: dict[str, Route | None] = {}

    def add(self, message: Message) -> None:
        """Add one message."""
        if message.topic not in self._routes and len(self._routes) < TOPICS_MAX:
            self._routes[message.topic] = _route(message)
        route = self._routes.get(message.topic)
        if route is None:
            self.unknown[_shape(message.topic)] += 1
            return
        key = (route.topic_filter, route.decoder.name)
        self.messages[key] += 1
        if route.guessed:
            self.guessed.add(key)
        self._add_speaker(route, message.topic)
        try:
            self._add_observations(route.decoder.decode(message))
        except DecodeError:
            return  # one invalid message; the running gateway counts those

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
        """Ids of fixed radios: of each pair, the radio with more partners; of equal ones, the receiver."""

        def is_fixed(one: str, other: str) -> bool:
            own, others = len(self.partners[one]), len(self.partners[other])
            return own > others or (own == others and one in self.hearers)

        return sorted(one for one, partners in self.partners.items() if all(is_fixed(one, other) for other in partners))

    def config(self) -> str:
        """The proposal as TOML; the operator must assign the ids to zones."""
        lines = ["# Proposed by `wayside discover`. Assign each id to its zone, and delete the sources that you do not need.", ""]
        for (topic_filter, decoder), count in self.messages.most_common():
            note = " (guessed from the payload: check it)" if (topic_filter, decoder) in self.guessed else ""
            lines += [f"# {count} messages{note}", "[[sources]]", f"topic = {_quoted(topic_filter)}", f"decoder = {_quoted(decoder)}"]
            lines += [*_speaker_lines(load(decoder)), ""]
        lines += self.shared()
        if fixed := self.fixed():
            moving = len(self.partners) - len(fixed)
            lines += [f"# Scanners and beacons that may be anchors of a zone; {moving} other ids may belong to people and are not printed."]
            lines += ["[[zones]]", 'id = "somewhere"', f"anchors = [{', '.join(map(_quoted, fixed[:IDS_MAX]))}]", ""]
        if self.devices:
            lines += ["# Sensors and tills: the zone of each, or * for the whole site.", "[devices]"]
            lines += [
                f"{_quoted(device)} = {_place(what)} # {', '.join(sorted(what))}" for device, what in sorted(self.devices.items())[:IDS_MAX]
            ]
            lines += [""]
        lines += [f"# No decoder for {shape} ({count} messages)." for shape, count in self.unknown.most_common(IDS_MAX)]
        return "\n".join(lines).rstrip() + "\n"

    def _add_observations(self, observations: Iterable[Observation]) -> None:
        for observation in observations:
            match observation:
                case Sighting(hearer=hearer, heard=heard) if len(self.partners) < PARTNERS_MAX:
                    self.partners[hearer].add(heard)
                    self.partners[heard].add(hearer)
                    self.hearers.add(hearer)
                case Reading(device=device, quantity=what) | Count(device=device, what=what):
                    self.devices[device].add(what)
                case Purchase(envelope=envelope):
                    self.devices[envelope.device].add("purchase")
                case _:
                    pass


async def listen(broker: str, seconds: float, *, show: bool) -> Findings:
    """Subscribe to all topics of a broker for `seconds`. Raises BrokerError."""
    findings = Findings()
    async with connect(broker, findings.add) as connection:
        await connection.subscribe("#")
        with Progress(console=Console(stderr=True), disable=not show) as progress:
            for _ in progress.track(range(max(1, int(seconds / TICK_S))), description="listening"):
                await connection.wait(TICK_S)
    return findings


def _route(message: Message) -> Route | None:
    """The source for the topic of a message: by its topic, else by a prefix, else by its payload; None if no decoder can read it."""
    known = by_topic(message.topic)
    if known is not None:
        return Route(_filter_of(known, message.topic), known, guessed=False)
    return _below_prefix(message) or _by_payload(message)


def _filter_of(decoder: Decoder, topic: str) -> str:
    return next(one for one in decoder.topics if topic_matches(one, topic))


def _below_prefix(message: Message) -> Route | None:
    """The source for a usual topic below other levels, such as those that a bridge to another broker adds."""
    levels = message.topic.split("/")
    for own in range(1, min(PREFIX_LEVELS_MAX, len(levels) - 1) + 1):
        prefix, rest = "/".join(levels[:own]), "/".join(levels[own:])
        decoder = by_topic(rest)
        if decoder is not None and _read(decoder, message):
            return Route(f"{prefix}/{_filter_of(decoder, rest)}", decoder, guessed=True)
    return None


def _by_payload(message: Message) -> Route | None:
    """The source with the decoder that finds the most observations; a Status alone does not count, because many payloads give one."""
    decoded = ((decoder, _read(decoder, message)) for decoder in map(load, decoder_names()))
    found = [(len(observations), decoder) for decoder, observations in decoded if any(not isinstance(one, Status) for one in observations)]
    if not found:
        return None
    decoder = max(found, key=lambda one: one[0])[1]
    return Route(_renamed(decoder, message.topic) or _shape(message.topic), decoder, guessed=True)


def _read(decoder: Decoder, message: Message) -> list[Observation]:
    try:
        return decoder.decode(message)
    except DecodeError:
        return []


def _renamed(decoder: Decoder, topic: str) -> str | None:
    """The usual filter with another first level, if the topic matches that: `zigbee/#` for `zigbee2mqtt/#`."""
    base = topic.partition("/")[0]
    candidates = (f"{base}/{rest}" for _, _, rest in (one.partition("/") for one in decoder.topics))
    return next((one for one in candidates if topic_matches(one, topic)), None)


def _speaker_lines(decoder: Decoder) -> list[str]:
    """The settings of a source whose topic does not name the speaker by itself."""
    if decoder.role == "bridge":
        return ["bridge = true # only if the broker lets nobody else publish here"] if "sighting" in decoder.kinds else []
    return [] if decoder.speakers else ['# speaker = "a/{gateway}/#" # the level that names the gateway; without it no person is placed']


def _place(reported: set[str]) -> str:
    """The zone of a device that reports these, with its kind if it is a till."""
    return '{ zone = "*", kind = "till" }' if "purchase" in reported else '"*"'


def _shape(topic: str) -> str:
    """The topic with its middle levels as wildcards: `site/+/+/state` of `site/7/door/state`."""
    levels = topic.split("/")
    return topic if len(levels) < LEVELS_KEPT_MIN else "/".join([levels[0], *("+" for _ in levels[1:-1]), levels[-1]])


def _quoted(text: str) -> str:
    """A TOML basic string; its escapes are those of JSON."""
    return msgspec.json.encode(text).decode()
