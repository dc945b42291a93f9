"""Which topics an MQTT filter matches.

Brokers do this for the subscriptions that we make; we need it again on our side of the wire, where one
connection carries many sources and each message must find the decoder of its own. The rules are those
of the MQTT specification (5.0 section 4.7): `+` stands for exactly one level, also an empty one; `#`
for the parent and everything below it, and only at the end; a filter that begins with a wildcard never
matches a topic that begins with `$`, so that a broker's own statistics do not arrive by accident.
"""

from __future__ import annotations


def is_filter(text: str) -> bool:
    """Whether `text` is a well-formed MQTT topic filter."""
    if not text or "\0" in text:
        return False
    *heads, last = text.split("/")
    return all("#" not in head and _is_level(head) for head in heads) and (last == "#" or ("#" not in last and _is_level(last)))


def _is_level(level: str) -> bool:
    return level == "+" or "+" not in level


def topic_matches(topic_filter: str, topic: str) -> bool:
    """Whether a message on `topic` belongs to `topic_filter`; a malformed filter matches nothing."""
    if not topic or not is_filter(topic_filter):
        return False
    if topic.startswith("$") and topic_filter[0] in "+#":
        return False
    wanted = topic_filter.split("/")
    levels = topic.split("/")
    for position, level in enumerate(wanted):
        if level == "#":
            return True
        if position == len(levels):
            return False
        if level not in ("+", levels[position]):
            return False
    return len(wanted) == len(levels)
