"""MQTT topic filters: the rules of MQTT 5.0, section 4.7.

The broker applies the same rules to our subscriptions. A gateway applies the rules again, because one connection
carries several sources and each message needs the decoder of its own source. `+` is exactly one level, which may be
empty; `#` is the parent and everything below it, and only stands at the end; a filter that begins with a wildcard does
not match a topic that begins with `$`, such as the broker's own statistics.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


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


def covers(wide: str, narrow: str) -> bool:
    """Whether the filter `wide` matches each topic that the filter `narrow` matches; shared subscriptions cover nothing else."""
    if wide.startswith("$share/") or narrow.startswith("$share/"):
        return wide == narrow
    if wide[0] in "+#" and narrow.startswith("$"):
        return False
    broad, levels = wide.split("/"), narrow.split("/")
    for at, level in enumerate(broad):
        if level == "#":
            return True
        if at == len(levels) or levels[at] == "#" or level not in ("+", levels[at]):
            return False
    return len(broad) == len(levels)


def meet(one: str, other: str) -> bool:
    """Whether some topic matches both filters; shared subscriptions are apart from others."""
    if one.startswith("$share/") or other.startswith("$share/"):
        return one == other
    if (one[0] in "+#" and other.startswith("$")) or (other[0] in "+#" and one.startswith("$")):
        return False
    first, second = one.split("/"), other.split("/")
    for here, there in zip(first, second, strict=False):
        if "#" in (here, there):
            return True
        if here != there and "+" not in (here, there):
            return False
    rest = first[len(second) :] or second[len(first) :]
    return not rest or rest == ["#"]


class _Node:
    """A level of the tree; `here` and `rest` are the places of the first filter that ends here, and of that with a `#` below."""

    __slots__ = ("any", "below", "here", "rest")

    def __init__(self) -> None:
        self.below: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.here = self.rest = math.inf

    def first(self, levels: Sequence[str], at: int) -> float:
        """The least place of a filter that matches the levels from `at` on."""
        node, found = self, self.rest
        while at < len(levels):
            below = node.below.get(levels[at])
            at += 1
            if node.any is not None:
                found = min(found, node.any.first(levels, at))
            if below is None:
                return found
            node = below
            found = min(found, node.rest)
        return min(found, node.here)


class TopicTree(Generic[T]):
    """Values by topic filter, as a tree of levels: a look takes time by the levels of the topic, not by the number of filters."""

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        """Make the tree; a malformed filter matches nothing."""
        self._values: list[T] = []
        self._root, self._of_systems = _Node(), _Node()  # the second without filters that begin with a wildcard
        for topic_filter, value in entries:
            if is_filter(topic_filter):
                for root in (self._root,) if topic_filter[0] in "+#" else (self._root, self._of_systems):
                    self._add(root, topic_filter.split("/"))
                self._values.append(value)
        self._whole = self._whole_branches()

    def first(self, levels: Sequence[str]) -> T | None:
        """The value of the first filter that matches a topic of these levels, or None."""
        if levels[0] in self._whole:
            return self._whole[levels[0]]
        root = self._of_systems if levels[0].startswith("$") else self._root
        place = root.first(levels, 0)
        return None if place == math.inf else self._values[int(place)]

    def _whole_branches(self) -> dict[str, T]:
        """First level -> value, of filters such as `espresense/#` with which no other one overlaps."""
        root = self._root
        if root.any is not None or root.rest != math.inf:
            return {}
        alone = {level: node for level, node in root.below.items() if not node.below and node.any is None and node.here == math.inf}
        return {level: self._values[int(node.rest)] for level, node in alone.items()}

    def _add(self, node: _Node, levels: list[str]) -> None:
        place = len(self._values)
        for level in levels:
            if level == "#":
                node.rest = min(node.rest, place)
                return
            if level == "+":
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.below.setdefault(level, _Node())
        node.here = min(node.here, place)
