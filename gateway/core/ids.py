"""Ids of sites, gateways, zones, offers and records: one spelling in topics, settings, bundles and records.

Lower-case letters, digits, `_` and `-`: safe in a topic, a file name, a URL and a table without quoting.
"""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

_ID = r"\A[a-z0-9][a-z0-9_-]{0,63}\Z"

RULE = "an id: 1 to 64 lower-case letters, digits, - and _, beginning with a letter or a digit"

Id = Annotated[str, Meta(pattern=_ID)]
"""An id of 1 to 64 characters."""

RecordId = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9_.-]{0,127}\Z")]
"""The id of a record or a batch, which may join several ids by dots: 1 to 128 characters."""


def checked_id(text: str) -> str:
    """`text`, where it is an `Id`. Raises ValueError, with the rule, where it is not."""
    if re.search(_ID, text) is None:
        raise ValueError(f"{text[:80]!r} is not {RULE}")
    return text
