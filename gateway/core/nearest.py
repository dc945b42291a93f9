"""The known name that an unknown one was probably meant to be: the second half of every "unknown" message."""

from __future__ import annotations

import difflib
from collections.abc import Collection

LISTED_MAX = 12


def nearest(name: str, known: Collection[str]) -> str:
    """The end of an error message: "; did you mean 'x'?", or "; known: a, b" (at most LISTED_MAX) if no name is close."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    listed = list(known)
    more = f" and {len(listed) - LISTED_MAX} more" if len(listed) > LISTED_MAX else ""
    return f"; known: {', '.join(listed[:LISTED_MAX])}{more}" if listed else "; none is declared"
