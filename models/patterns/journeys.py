"""A pattern becomes a journey when it repeats, and holds on days that nobody had seen when it was found.

Time is cut into windows. The earlier ones find patterns; one that recurs in at least `windows_min` of them is repeated.
The last ones judge: there it must still be walked by enough subjects, by at least half the share that walked it before,
and its last step must still follow its beginning more often than that step is taken at all. Seen in one window only,
or not holding later, it stays a candidate: it is kept and shown, and has no value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
import pandas as pd

from models.patterns.itemsets import PatternError
from models.patterns.sequences import LENGTH_MAX, Steps, VisitSequence, mine_sequences, without_repeats

DAY_MS = 86_400_000
WINDOW_DAYS = 28
WINDOWS_MIN = 2
SUBJECTS_MIN = 20
HOLDS_SHARE = 0.5
LATER_WINDOWS = 1

State = Literal["candidate", "journey"]


class Journey(msgspec.Struct, frozen=True):
    """A pattern of steps and what became of it.

    `windows` of the earlier ones hold it; `share_before` and `share_later` are the subjects who walked it among those seen.
    `started` subjects walked all but the last step, `walked` all, on all days; `continues` is walked / started, `base` the
    share of subjects who take the last step at all.
    """

    steps: Steps
    state: State
    reason: str
    windows: int
    share_before: float
    share_later: float
    started: int
    completed: int
    confidence: float
    base_rate: float
    subjects: frozenset[int]


def visit_sequences(sequences: pd.DataFrame) -> tuple[list[VisitSequence], tuple[str, ...]]:
    """The sequences of `models.history.derived.sequences` as walks, and the subject behind each group number."""
    names, numbers = np.unique(sequences["subject"].to_numpy(dtype=str), return_inverse=True)
    walks = [
        VisitSequence(int(number), int(at_ms), without_repeats(list(steps)))
        for number, at_ms, steps in zip(numbers, sequences["at_ms"], sequences["steps"], strict=True)
    ]
    return walks, tuple(str(name) for name in names)


def journeys_of(
    walks: Sequence[VisitSequence],
    *,
    window_days: int = WINDOW_DAYS,
    windows_min: int = WINDOWS_MIN,
    later_windows: int = LATER_WINDOWS,
    subjects_min: int = SUBJECTS_MIN,
    length_max: int = LENGTH_MAX,
) -> tuple[Journey, ...]:
    """Every pattern of two or more steps that some earlier window holds, journeys first, each with its state."""
    windows = _windows(walks, window_days)
    if len(windows) < windows_min + later_windows:
        raise PatternError(
            f"{len(windows)} windows of {window_days} days hold walks; {windows_min} to find and {later_windows} to judge are needed: "
            "give more days, or shorter windows"
        )
    earlier = [_Window(window, subjects_min, length_max) for window in windows[:-later_windows]]
    later = _Window([walk for window in windows[-later_windows:] for walk in window], subjects_min, length_max)
    whole = _Window(walks, subjects_min, length_max)
    patterns = {steps for window in earlier for steps in window.walkers if len(steps) > 1}
    found = [_judge(steps, [window for window in earlier if steps in window.walkers], later, whole, windows_min) for steps in patterns]
    return tuple(sorted(found, key=lambda journey: (journey.state != "journey", -journey.share_later, journey.steps)))


class _Window:
    """What was walked in some days: the patterns that enough subjects walked, and by whom."""

    def __init__(self, walks: Sequence[VisitSequence], subjects_min: int, length_max: int) -> None:
        self.subjects = len({walk.subject for walk in walks})
        self.walkers = mine_sequences(walks, subjects_min, length_max)

    def share(self, steps: Steps) -> float:
        """The share of subjects who walked the pattern; 0 where they were too few to count."""
        return len(self.walkers.get(steps, ())) / self.subjects

    def confidence(self, steps: Steps) -> float:
        """Of those who walked all but the last step, the share who walked that too."""
        return len(self.walkers[steps]) / len(self.walkers[steps[:-1]])


def _judge(steps: Steps, seen_in: Sequence[_Window], later: _Window, whole: _Window, windows_min: int) -> Journey:
    before = float(np.mean([window.share(steps) for window in seen_in]))
    if len(seen_in) < windows_min:
        reason = f"seen in {len(seen_in)} of the earlier windows, {windows_min} are needed"
    elif steps not in later.walkers:
        reason = "later walked by too few subjects"
    elif later.share(steps) < HOLDS_SHARE * before:
        reason = "later walked by less than half the share"
    elif later.confidence(steps) <= later.share(steps[-1:]):
        reason = "later its last step does not follow more often than it is taken at all"
    else:
        reason = ""
    return Journey(
        steps=steps,
        state="candidate" if reason else "journey",
        reason=reason or f"repeated in {len(seen_in)} windows and held later",
        windows=len(seen_in),
        share_before=before,
        share_later=later.share(steps),
        started=len(whole.walkers[steps[:-1]]),
        completed=len(whole.walkers[steps]),
        confidence=whole.confidence(steps),
        base_rate=whole.share(steps[-1:]),
        subjects=whole.walkers[steps],
    )


def _windows(walks: Sequence[VisitSequence], window_days: int) -> list[list[VisitSequence]]:
    """Walks by window, oldest first, empty ones left out; counted back from the last walk, so that the window that judges is whole."""
    if not walks:
        raise PatternError("the history holds no sequence of two or more visits")
    end = max(walk.at_ms for walk in walks)
    by_number: dict[int, list[VisitSequence]] = {}
    for walk in walks:
        by_number.setdefault((end - walk.at_ms) // (window_days * DAY_MS), []).append(walk)
    return [by_number[number] for number in sorted(by_number, reverse=True)]
