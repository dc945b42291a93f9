"""The broker's access list for the sources of gateways: the topics that each gateway and each device may publish and receive.

Written for `acl_file` of Mosquitto 2 (mosquitto.conf(5)), where everything is denied that no line allows, and `%u` in a pattern is the
user name of the client. The user name is the device's id: with `use_identity_as_username true` it is the common name of its certificate.
Mosquitto grants a subscription to any filter and checks each delivery, so a client that subscribes to `#` gets an acknowledgement and
only the messages that it may read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.core.channels import CHANNELS
from gateway.decoders.topics import without_share
from gateway.decoders.values.speakers import Template
from gateway.runtime.echo import echo_topic
from gateway.runtime.sources import Source

OWN = "%u"
PROGRAMS = frozenset({"zigbee2mqtt"})
"""Formats in which one program publishes for all its devices, though the topic names each: the program is the user."""


class Member(NamedTuple):
    """A gateway at the broker: its names in topics, the filters that it subscribes to, and its sources at this broker."""

    site: str
    gateway: str
    filters: Sequence[str]
    sources: Sequence[Source]


def access_list(members: Sequence[Member]) -> str:
    """The lines of the access list: a section for each gateway and each bridge, then the patterns that hold for all devices."""
    sections = {member.gateway: _of_gateway(member) for member in members}
    for source in (one for member in members for one in member.sources if _is_program(one)):
        sections.setdefault(source.decoder.name, []).append(f"topic write {without_share(source.topic)}")
    patterns = [line for member in members for line in _of_devices(member)]
    blocks = ["\n".join([f"user {name}", *_once(lines)]) for name, lines in sections.items()]
    return "\n\n".join([*blocks, "\n".join(_once(patterns))]) + "\n"


def _of_gateway(member: Member) -> list[str]:
    own = f"wayside/v1/{member.site}"
    down = [channel.topic(member.site, "+") for channel in CHANNELS.values() if channel.topic is not None]
    up = [f"{own}/up/{member.gateway}/{kind}" for kind in ("redeemed", "contact", "withdrawn")]
    echo = echo_topic(member.site, member.gateway)
    written = [f"{own}/gateway/{member.gateway}/status", echo, *up, f"{own}/reply/+/+", *down]
    return [*(f"topic read {without_share(one)}" for one in member.filters), *(f"topic write {one}" for one in written)]


def _of_devices(member: Member) -> list[str]:
    own = f"wayside/v1/{member.site}"
    spoken = [(template, without_share(one.topic)) for one in member.sources if not _is_program(one) for template in one.templates]
    rights = [right for template, topic_filter in spoken if (right := _own_topics(template, topic_filter)) is not None]
    return [
        *(f"pattern write {right}" for right in rights),
        f"pattern read {own}/down/{OWN}/#",
        f"pattern read {own}/reply/{OWN}/#",
        f"pattern read {own}/screen/{OWN}/#",
    ]


def _is_program(source: Source) -> bool:
    return not source.templates or source.decoder.name in PROGRAMS


def _own_topics(template: Template, topic_filter: str) -> str | None:
    """The part of `topic_filter` whose first marked level of `template` is the user's own name; None if the two exclude each other."""
    levels, wanted = list(template.levels), topic_filter.split("/")
    is_open = wanted[-1] == "#"
    wanted = wanted[: -1 if is_open else None]
    if (len(wanted) > len(levels) and not template.is_open) or (len(wanted) < len(levels) and not is_open):
        return None
    length = max(len(wanted), len(levels))
    pairs = zip(_padded(levels, length), _padded(wanted, length), strict=True)
    common = [_common(*pair) for pair in pairs]
    if None in common or common[template.named[0]] != "+":
        return None
    common[template.named[0]] = OWN
    return "/".join([*map(str, common), *(["#"] if template.is_open and is_open else [])])


def _common(first: str, second: str) -> str | None:
    """The level that both allow, or None."""
    if "+" in (first, second):
        return second if first == "+" else first
    return first if first == second else None


def _padded(levels: list[str], length: int) -> list[str]:
    return levels + ["+"] * (length - len(levels))


def _once(lines: list[str]) -> list[str]:
    return list(dict.fromkeys(lines))
