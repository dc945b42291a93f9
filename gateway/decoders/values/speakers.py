"""The speaker of a message: the device that the topic names, and that the broker's access list has checked.

A template is an MQTT topic filter in which `{name}` marks a level that names the speaker: `owntracks/{user}/{device}/#`. Several marked
levels are one id, joined by `/`. A level that spells a MAC address or a DevEUI has the canonical spelling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.core import limits
from gateway.decoders.contract import UNSTATED
from gateway.decoders.topics import is_filter
from gateway.decoders.values.radio_ids import eui_or_none, mac_or_none


class Template(NamedTuple):
    """`levels` of the filter, the positions of the marked ones, those of MAC addresses, and whether it ends in `#`."""

    levels: tuple[str, ...]
    named: tuple[int, ...]
    macs: frozenset[int]
    is_open: bool

    def speaker(self, topic: str) -> str | None:
        """The speaker in `topic`; None if the topic does not match, or if the id is empty, too long or cannot be printed."""
        levels = topic.split("/")
        if len(levels) < len(self.levels) or (len(levels) > len(self.levels) and not self.is_open):
            return None
        if any(wanted not in ("+", level) for wanted, level in zip(self.levels, levels, strict=False)):
            return None
        names = [(mac_or_none(levels[at]) if at in self.macs else None) or levels[at] for at in self.named]
        speaker = "/".join(names)
        return speaker if all(names) and len(speaker) <= limits.TEXT_CHARS_MAX and speaker.isprintable() else None

    def aliases(self, topic: str) -> tuple[str, ...]:
        """The ids of the speaker that a decoder may make of the levels of a matching topic, the longest first."""
        levels, last = topic.split("/"), max(self.named) + 1
        return tuple("/".join(levels[first:last]) for first in range(min(self.named) + 1))

    def unnamed(self, topic_filter: str) -> list[int]:
        """Positions of levels that are neither fixed nor marked, left of the last marked one: topics that differ there share an id."""
        levels = topic_filter.split("/")
        is_wild = [levels[at] == "+" if at < len(levels) and levels[at] != "#" else levels[-1] == "#" for at in range(max(self.named))]
        return [at for at, wild in enumerate(is_wild) if wild and self.levels[at] == "+" and at not in self.named]


def parse_template(text: str) -> Template:
    """The template of `text`. Raises ValueError unless it is a topic filter with a marked level."""
    levels = text.split("/")
    named = tuple(at for at, level in enumerate(levels) if _is_marked(level))
    plain = ["+" if _is_marked(level) else level for level in levels]
    if not named or not is_filter("/".join(plain)) or any("{" in level or "}" in level for level in plain):
        raise ValueError(f"{text!r} must be a topic filter with a level such as {{device}}, for example owntracks/{{user}}/{{device}}/#")
    is_open = plain[-1] == "#"
    macs = frozenset(at for at in named if levels[at].endswith("mac}"))
    return Template(tuple(plain[:-1] if is_open else plain), named, macs, is_open)


def below(template: str, topic_filter: str) -> str:
    """A template of a usual topic, moved to the base of `topic_filter`.

    `espresense/rooms/{room}/#` becomes `site7/espresense/rooms/{room}/#` for the filter `site7/espresense/#`, and
    `zigbee2mqtt/{device}/#` becomes `upstairs/{device}/#` for the filter `upstairs/#`.
    """
    base, _, rest = template.partition("/")
    levels = topic_filter.split("/")
    if base in levels:
        return "/".join([*levels[: levels.index(base)], template])
    if _is_marked(base) or base == "+" or levels[0] in ("+", "#"):
        return template
    return f"{levels[0]}/{rest}"


def speaker_in(templates: Sequence[Template], topic: str) -> str | None:
    """The speaker in `topic` by the first template that matches, or None."""
    return next((found for template in templates if (found := template.speaker(topic)) is not None), None)


def hearer_of(templates: Sequence[Template], topic: str, stated: str | None) -> str:
    """The scanner of a message: the speaker in its topic, or without any topic (a file, HTTP) the one that is `stated`, or UNSTATED."""
    return (speaker_in(templates, topic) if topic else stated) or UNSTATED


def is_radio(identifier: str) -> bool:
    """Whether an id may be that of a radio or a part of it: a MAC address, a DevEUI, or kind and value (`iBeacon:...`, `known:...`)."""
    radio = identifier.partition("/")[0]
    return ":" in radio or mac_or_none(radio) is not None or eui_or_none(radio) is not None


def _is_marked(level: str) -> bool:
    return level.startswith("{") and level.endswith("}") and level[1:-1].isidentifier()
