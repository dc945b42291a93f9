"""The course of a demonstration: its figures each minute, and the calibration error as answers arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.commands.demo.summary import Totals

EVERY_S = 60.0
ERRORS_SHOWN = 4
ANSWERS_FIRST = 25  # the error of fewer answers is chance


class Course:
    """`minutes` are the figures so far; `errors` the calibration errors of each gateway, one whenever the answers have doubled.

    `error_s` and `interval_s` are the seconds until the first calibration error and the first margin with an interval; None before.
    """

    def __init__(self) -> None:
        self.minutes: list[dict[str, Any]] = []
        self.errors: dict[str, list[float]] = {}
        self.error_s: float | None = None
        self.interval_s: float | None = None
        self._answers: dict[str, int] = {}
        self._due_s = EVERY_S

    def note(self, totals: Totals, worth: Sequence[str], passed_s: float) -> None:
        """Take the present figures; `worth` has a text for each gateway."""
        known = {str(report.get("gateway", "")): report.get("learning") or {} for report in totals.reports}
        for gateway, learning in known.items():
            answers, error = learning.get("answers", 0), learning.get("calibration_error")
            if error is not None and self.error_s is None:
                self.error_s = passed_s
            if error is not None and answers >= max(ANSWERS_FIRST, 2 * self._answers.get(gateway, 0)):
                self._answers[gateway] = answers
                self.errors.setdefault(gateway, []).append(error)
        if passed_s < self._due_s:
            return
        self._due_s += EVERY_S
        figures = {"s": round(passed_s), "triggers": totals.triggers, "memory_mib": totals.largest("memory_mib")}
        errors = {gateway: learning.get("calibration_error") for gateway, learning in known.items()}
        self.minutes.append(figures | {"calibration_error": errors, "margin_added": list(worth)})

    def trail(self, gateway: str, now: float | None) -> str:
        """The last calibration errors of a gateway and the present one."""
        past = self.errors.get(gateway, [])[-ERRORS_SHOWN:]
        return " → ".join(f"{one:.3f}" for one in (*past, *([] if now is None else [now])))

    def pace(self, from_s: float, until_s: float) -> float | None:
        """Triggers a minute between two times; None if no full minute lies between."""
        within = [one for one in self.minutes if from_s <= one["s"] <= until_s]
        if len(within) < 2:
            return None
        first, *_, last = within
        return float((last["triggers"] - first["triggers"]) * 60 / (last["s"] - first["s"]))
