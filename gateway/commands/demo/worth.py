"""The worth of the offers so far, from the log of each gateway: the margin that an offer adds, against the people without offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.build import FAULTS
from gateway.commands.results import measure
from gateway.commands.results.figures import Later
from gateway.commands.results.text import interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.config import Config

AGAIN_S = 15.0


class Worth:
    """One text a gateway, worked out again every AGAIN_S seconds."""

    def __init__(self, settings: Sequence[Config]) -> None:
        """Nothing is read yet."""
        self._settings = settings
        self._texts = ["" for _ in settings]
        self._due_s = AGAIN_S

    def texts(self, passed_s: float) -> list[str]:
        """The margin added for each chosen offer, in minor units with its 95 % interval, or the reason why it is not known yet."""
        if passed_s >= self._due_s:
            self._texts = [_text(one) for one in self._settings]
            self._due_s = passed_s + AGAIN_S
        return self._texts


def _text(settings: Config) -> str:
    try:
        added = measure(settings, None, None, None).added_margin
    except FAULTS:
        return "no decision with a window yet"
    return added.wait if isinstance(added, Later) else interval(added, 1)
