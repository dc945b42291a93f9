"""MQTT topic filters: the rules of MQTT 5.0, section 4.7.

The broker applies the same rules to our subscriptions. A gateway applies the rules again, because one connection
carries several sources and each message needs the decoder of its own source. `+` is exactly one level, which may be
empty; `#` is the parent and everything below it, and only stands at the end; a filter that begins with a wildcard does
not match a topic that begins with `$`, such as the broker's own statistics.
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


def without_share(topic_filter: str) -> str:
    """The filter of a shared subscription without its prefix `$share/{group}/` (MQTT 5.0, section 4.8.2): topics do not have it."""
    share, _, rest = topic_filter.partition("/")
    group, _, plain = rest.partition("/")
    return plain if share == "$share" and group and plain else topic_filter


def topic_matches(topic_filter: str, topic: str) -> bool:
    """Whether `topic_filter` matches `topic`; a malformed filter matches nothing."""
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
