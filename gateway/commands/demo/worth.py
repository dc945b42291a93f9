"""The worth of the offers so far, from the log of each gateway: the margin that an offer adds, against the people without offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.adapters.clock import SystemClock
from gateway.build import FAULTS
from gateway.commands.results import measure_between
from gateway.commands.results.figures import Later
from gateway.commands.results.text import interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.config import Config

AGAIN_S = 15.0
SHARE_MAX = 0.05  # of the time: a log of hours takes seconds to read
END_MS = 2**62


class Worth:
    """One text a gateway, worked out again every AGAIN_S seconds, or less often if that takes long."""

    def __init__(self, settings: Sequence[Config], clock_s: Callable[[], float], again_s: float = AGAIN_S) -> None:
        """Nothing is read yet. `clock_s` is any clock in seconds that is not set."""
        self._settings, self._clock_s, self._again_s = settings, clock_s, again_s
        self._texts = ["" for _ in settings]
        self._due_s = again_s
        self._changed_ms: list[int] = []
        self.first_s: float | None = None
        """Seconds until the first interval; None before it."""

    def changed(self) -> None:
        """The campaign was changed now: its worth is measured apart from that of the former one."""
        self._changed_ms.append(SystemClock().now_ms())
        self._due_s = 0.0

    def texts(self, passed_s: float) -> list[str]:
        """The margin added for each chosen offer, in minor units with its 95 % interval, or the reason why it is not known yet."""
        if passed_s >= self._due_s:
            began_s = self._clock_s()
            self._texts = [self._text(one, passed_s) for one in self._settings]
            self._due_s = passed_s + max(self._again_s, (self._clock_s() - began_s) / SHARE_MAX)
        return self._texts

    def _text(self, settings: Config, passed_s: float) -> str:
        if not self._changed_ms:
            return self._added(settings, 0, END_MS, passed_s)
        *former_ms, changed_ms = (0, *self._changed_ms)
        before = self._added(settings, former_ms[-1], changed_ms, passed_s)
        return f"{self._added(settings, changed_ms, END_MS, passed_s)}; before {before}"

    def _added(self, settings: Config, from_ms: int, until_ms: int, passed_s: float) -> str:
        try:
            added = measure_between(settings, from_ms, until_ms).added_margin
        except FAULTS:
            return "no decision with a window yet"
        if isinstance(added, Later):
            return added.wait
        self.first_s = passed_s if self.first_s is None else self.first_s
        return interval(added, 1)
