"""The error of an input, a file or a peer that cannot be used: place, cause and next step; all commands render it in one way."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - the errors of each part derive from it, under names of their own
    """A value that cannot be used. Its text is `place: cause: way out`, in one line for each fault.

    `place` is a file with its line, a setting or an address. `way_out` holds allowed or nearest values, or the next step. Both may be
    empty, if the cause has them.
    """

    exit_code = 1

    def __init__(self, cause: str, way_out: str = "", *, place: str = "") -> None:
        self.place, self.cause, self.way_out = place, cause, way_out
        super().__init__(": ".join(part for part in (place, cause, way_out) if part))


class WrongUse(Refusal):
    """Options or values of the command line that do not fit."""

    exit_code = 2
