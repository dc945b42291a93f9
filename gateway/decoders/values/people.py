"""Counts of people in objects of names and values: the kind and direction that each name of a maker's decoder has.

A name counts only if its maker documents the kind: passages since the last report, a running total, or people in view. Where a counter
names its two sides (`LTR`, `counter_a`), the first one is `in`; `inverted` in the config turns it round. The second line and each region
of a counter are parts of the device, `{device}/line-2`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from gateway.core import limits
from gateway.core.types import Count, CountKind, Direction
from gateway.decoders.contract import number_or_none

_NAMES_CACHED_MAX = 1_024
_CHARS_MAX = 60


class Counted(NamedTuple):
    """The meaning of a name; `part` is a line or region of the counter."""

    kind: CountKind
    direction: Direction | None = None
    part: str | None = None


# kind and direction -> names in lower case without punctuation
_NAMES: tuple[tuple[Counted, str], ...] = (
    (Counted("passed", "in"), "peoplein periodin periodiccounterin periodcountin ltr countera"),
    (Counted("passed", "out"), "peopleout periodout periodiccounterout periodcountout rtl counterb"),
    (Counted("total", "in"), "peopleintotal totalin totalcounterin totalcountin peopletotalin ltrsum totalcountera abscounta"),
    (Counted("total", "out"), "peopleouttotal totalout totalcounterout totalcountout peopletotalout rtlsum totalcounterb abscountb"),
    (Counted("present"), "people peoplecount peoplecounter peoplecountall peoplecounterall personcount numberofpeople presencetargetcount"),
)
_COUNTED = {name: meant for meant, names in _NAMES for name in names.split()}
_PART = re.compile(r"(line|region)_?(\d{1,2})(?:_?(.*))?", re.ASCII)
_OF_PARTS: dict[tuple[str, str], Counted] = {
    ("line", "totalin"): Counted("total", "in"),
    ("line", "totalout"): Counted("total", "out"),
    ("line", "periodin"): Counted("passed", "in"),
    ("line", "periodout"): Counted("passed", "out"),
    ("line", "in"): Counted("passed", "in"),
    ("line", "out"): Counted("passed", "out"),
    ("region", ""): Counted("present"),
    ("region", "count"): Counted("present"),
    ("region", "currentcount"): Counted("present"),
}
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")


def people(device: str, count: int, kind: CountKind, direction: Direction | None = None, at_ms: int | None = None) -> Count:
    """A count of people, named by its kind and direction."""
    what = "people" + (f"_{direction}" if direction else "") + ("_total" if kind == "total" else "")
    return Count(device, what, count, at_ms, kind, direction)


def counted_named(name: str) -> Counted | None:
    """The meaning of a name of people counts, or `None` for another name."""
    return _counted_named(name) if len(name) <= _CHARS_MAX else None


def people_named(device: str, name: str, value: object, at_ms: int | None) -> Count | None:
    """The count of people that a name and its value state; `None` for another name, and for a value that is no count."""
    meant = counted_named(name)
    number = number_or_none(value, 0, limits.INTEGER_MAX)
    if meant is None or number is None or not number.is_integer():
        return None
    whole = device if meant.part is None else f"{device}/{meant.part}"
    return people(whole, int(number), meant.kind, meant.direction, at_ms)


@lru_cache(maxsize=_NAMES_CACHED_MAX)
def _counted_named(name: str) -> Counted | None:
    lower = name.lower()
    folded = _NOT_ALPHANUMERIC.sub("", lower)
    if folded in _COUNTED:
        return _COUNTED[folded]
    found = _PART.fullmatch(lower)
    if found is None:
        return None
    meant = _OF_PARTS.get((found[1], _NOT_ALPHANUMERIC.sub("", found[3] or "")))
    is_whole = (found[1], int(found[2])) == ("line", 1)
    return meant if meant is None or is_whole else meant._replace(part=f"{found[1]}-{int(found[2])}")
