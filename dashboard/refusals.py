"""How the dashboard says no: a status and one line, never a word of what was sent.

What a sender sends may be anything, also a name or an e-mail address in the wrong field. An answer
that quotes it would carry it into logs of both sides, so lines are built from our own words only.
"""

from __future__ import annotations


class Refused(Exception):  # noqa: N818  a refusal is an ordinary answer, not an error of ours
    """Ends a request with `status` and `line`; `line` holds nothing that the sender wrote."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status
        self.line = line
