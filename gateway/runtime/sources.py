"""Sources: the topics of each decoder, the device that a topic names, and the kinds of observations that it may make.

The speaker is derived from the topic, which the broker's access list has checked. An observation about another device is dropped, except
from a bridge, which names the devices behind it, and about radios that a scanner heard. An observation of a kind that the source or the
device may not make is dropped as well. Both are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from gateway.core.discards import Discard
from gateway.core.types import Fact, Observation, Sighting
from gateway.decoders.contract import UNSTATED, Decoder, Kind
from gateway.decoders.topics import without_share
from gateway.decoders.values.speakers import Template, below, is_radio, parse_template

DeviceKind = Literal["sensor", "till", "scanner", "kiosk", "counter", "contact_centre", "gateway", "feed", "desk", "screen"]

INSTALLED_KINDS: Mapping[DeviceKind, frozenset[Kind]] = {
    "sensor": frozenset({"reading", "count", "status"}),
    "till": frozenset({"purchase", "request", "status"}),
    "kiosk": frozenset({"request", "answer", "status"}),
    "counter": frozenset({"request", "answer", "status"}),
    "contact_centre": frozenset({"request", "answer", "status"}),
    "desk": frozenset({"incident", "status"}),
    "feed": frozenset({"event", "status"}),
    "scanner": frozenset({"sighting", "reading", "count", "status"}),
    "gateway": frozenset({"redeemed", "contact", "withdrawn"}),
    "screen": frozenset({"played", "status"}),
}
"""The kinds of observations of an installed device; a device that is not installed is a phone (PERSON_KINDS)."""

PERSON_KINDS: frozenset[Kind] = frozenset({"sighting", "position", "answer", "consent", "request", "wishes", "status"})


class Source(NamedTuple):
    """A subscription: `templates` find the speaker in its topics, `kinds` are the kinds of observations that it may make."""

    topic: str
    decoder: Decoder
    templates: tuple[Template, ...]
    kinds: frozenset[Kind]

    def speech(self, topic: str) -> Speech:
        """The speaker of `topic`."""
        template = next((one for one in self.templates if one.speaker(topic) is not None), None)
        return Speech(self) if template is None else Speech(self, template.speaker(topic), template.aliases(topic))


class Speech(NamedTuple):
    """The `speaker` of a topic (None: the topic names none), and the ids that a decoder may give that speaker."""

    source: Source
    speaker: str | None = None
    aliases: tuple[str, ...] = ()


def source(
    topic: str, decoder: Decoder, speaker: str | None = None, kinds: Sequence[Kind] | None = None, *, is_bridge: bool = False
) -> Source:
    """A source with the decoder's usual templates, or with the template `speaker`; `kinds` narrows the decoder's kinds.

    Raises ValueError for a wrong template, a template for a bridge, kinds that the decoder does not make, and a bridge of scanners
    that the config does not declare (`is_bridge`).
    """
    if speaker is not None and decoder.role == "bridge":
        raise ValueError(f"{decoder.name} is a bridge, whose payload names the devices behind it: remove speaker")
    foreign = sorted(set(kinds or ()) - decoder.kinds)
    if foreign:
        raise ValueError(f"{decoder.name} makes no {foreign[0]}; it makes {', '.join(sorted(decoder.kinds))}")
    allowed = decoder.kinds if kinds is None else frozenset(kinds)
    if decoder.role == "bridge" and "sighting" in allowed and not is_bridge:
        raise ValueError(
            f"{decoder.name} names its scanners in the payload: set bridge = true if the broker lets only that bridge publish on {topic}"
        )
    templates = [below(one, without_share(topic)) for one in decoder.speakers] if speaker is None else [speaker]
    return Source(topic, decoder, tuple(map(parse_template, templates)), allowed)


class Installed:
    """The devices of the config: their kinds, and the anchors of all zones."""

    def __init__(self, devices: Mapping[str, DeviceKind] | None = None, anchors: Sequence[str] = ()) -> None:
        """Without `devices` no kind is checked beyond the source's own."""
        self.devices = devices
        self.anchors = frozenset(anchors)

    def has(self, name: str) -> bool:
        """Whether a device is installed; any is, without `devices`."""
        return self.devices is None or name in self.devices

    def attributed(self, one: Observation, speech: Speech) -> Observation | Discard:
        """The observation under the speaker's id, or the reason for which it is dropped."""
        name = named(one)
        own, reason = self.verdict(kind_of(one), name, speech)
        if reason is not None:
            return reason
        return one if own == name else _renamed(one, own)

    def verdict(self, kind: Kind, name: str, speech: Speech) -> tuple[str, Discard | None]:
        """The id under which an observation of this kind that names `name` counts, and the reason for which it is dropped."""
        if kind not in speech.source.kinds:
            return name, Discard.NOT_ITS_KIND
        role = speech.source.decoder.role
        own = name if role == "bridge" else _own_name(name, speech)
        if own is None:
            is_heard = role == "scanner" and (kind == "status" or (kind == "reading" and is_radio(name)))
            return name, None if is_heard else Discard.OTHER_SPEAKER
        return own, self._unfit(own, kind, speech.source.decoder) if self.devices is not None else None

    def _unfit(self, name: str, kind: Kind, decoder: Decoder) -> Discard | None:
        """The reason for which a device of this name may not make this kind, or None."""
        if kind == "position" and (decoder.role == "bridge") != is_radio(name):
            return Discard.OTHER_SPEAKER  # a bridge places the radios behind it, and a device that speaks is no radio
        if kind == "event" and (self.devices or {}).get(name) != "feed":
            return Discard.NOT_ITS_KIND  # an event may silence or sell, so its source must be declared
        if "consent" not in decoder.kinds:  # a scanner does not listen for the anchors, as a person's phone does
            return Discard.UNMAPPED_ANCHOR if kind == "sighting" and decoder.role != "device" and name not in self.anchors else None
        installed = (self.devices or {}).get(name)
        if installed is None and (is_radio(name) or name in self.anchors):
            return Discard.OTHER_SPEAKER
        if installed is None:
            return None if kind in PERSON_KINDS else Discard.UNMAPPED_DEVICE
        return None if kind in INSTALLED_KINDS[installed] else Discard.NOT_ITS_KIND


def _own_name(name: str, speech: Speech) -> str | None:
    """The id of the speaker, or of a part of it, that `name` stands for; None for another device."""
    speaker = speech.speaker
    if speaker is None:
        return None
    for known in (*speech.aliases, speaker, UNSTATED):
        if name == known or name.startswith(f"{known}/"):
            return speaker + name[len(known) :]
    return None


def kind_of(one: Observation) -> Kind:
    """The kind of an observation."""
    kind: Kind = one.__struct_config__.tag  # type: ignore[assignment]
    return kind


def named(one: Observation) -> str:
    """The device that an observation names as its speaker."""
    if isinstance(one, Fact):
        return one.envelope.device
    return one.hearer if isinstance(one, Sighting) else one.device  # type: ignore[union-attr]


def _renamed(one: Observation, name: str) -> Observation:
    if isinstance(one, Fact):
        return msgspec.structs.replace(one, envelope=msgspec.structs.replace(one.envelope, device=name))
    return msgspec.structs.replace(one, **{"hearer" if isinstance(one, Sighting) else "device": name})


def shared_ids(sources: Sequence[Source]) -> list[str]:
    """One line for each way in which two topics of the sources may give one id, or none gives any."""
    lines: list[str] = []
    for number, one in enumerate(sources):
        if one.decoder.role == "bridge":
            continue
        if not one.templates:
            lines.append(f"source {one.topic!r} names no speaker, so its sightings place no person: add speaker, such as a/{{gateway}}/#")
        if one.decoder.role == "device" or len(one.templates) == 1:
            wild = sorted({at + 1 for template in one.templates for at in template.unnamed(without_share(one.topic))})
            lines += [f"source {one.topic!r}: topics that differ in level {at} only share an id: fix the level, or mark it" for at in wild]
        alike = [other for other in sources[:number] if other.decoder.name == one.decoder.name and other.topic != one.topic]
        lines += [
            f"sources {other.topic!r} and {one.topic!r}: devices of one name share an id: mark a level that differs" for other in alike
        ]
    return lines
