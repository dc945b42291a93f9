"""Names of attributes and values for the names and texts of a table: lower case, digits and underscores."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

LENGTH_MAX = 64
_WORD_END = re.compile(r"(?<=[a-z])(?=[A-Z])")
_OTHER = re.compile(r"[^a-z0-9]+")


def plain_name(text: str) -> str:
    """`text` in the letters of a schema: "PageValues" and "Page values" give "page_values"; empty if no letter or digit is left."""
    latin = unicodedata.normalize("NFKD", _WORD_END.sub("_", text)).encode("ascii", "ignore").decode()
    return _OTHER.sub("_", latin.casefold()).strip("_")[:LENGTH_MAX].rstrip("_")


def attribute_name(text: str) -> str:
    """As `plain_name`, and with a letter in front, as an attribute's name needs."""
    name = plain_name(text)
    return name if name[:1].isalpha() else f"column_{name}"[:LENGTH_MAX].rstrip("_")


def unique_names(names: Iterable[str], taken: Collection[str] = ()) -> list[str]:
    """The names, those that repeat an earlier one or one of `taken` with a number at the end."""
    used = set(taken)
    found: list[str] = []
    for name in names:
        number, fresh = 1, name or "value"
        while fresh in used:
            number += 1
            fresh = f"{(name or 'value')[: LENGTH_MAX - 5]}_{number}"
        used.add(fresh)
        found.append(fresh)
    return found
