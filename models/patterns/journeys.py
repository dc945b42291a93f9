"""Journeys: patterns of visits that recur, and that hold on days not used to find them.

Time is divided into windows. Earlier windows find patterns; a pattern of at least `windows_min` windows recurs. The last windows validate
it: enough subjects must still complete it, at least half the earlier share of subjects, and its last step must follow its beginning more
often than subjects take that step at all. A pattern of one window only, or one that fails later, stays a candidate: it is reported and
has no value.
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
    """A pattern of steps and the result of its validation.

    `windows` is the number of earlier windows with the pattern; `share_before` and `share_later` are shares of the subjects seen then.
    Over all days, `started` subjects took all steps but the last and `completed` subjects took all; `confidence` is completed / started,
    `base_rate` the share of subjects with the last step in any sequence.
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


def visit_sequences(table: pd.DataFrame) -> tuple[list[VisitSequence], tuple[str, ...]]:
    """Sequences in a table of `models.history.derived.sequences`, and the subject of each group number."""
    names, numbers = np.unique(table["subject"].to_numpy(dtype=str), return_inverse=True)
    sequences = [
        VisitSequence(int(number), int(at_ms), without_repeats(list(steps)))
        for number, at_ms, steps in zip(numbers, table["at_ms"], table["steps"], strict=True)
    ]
    return sequences, tuple(str(name) for name in names)


def journeys_of(
    sequences: Sequence[VisitSequence],
    *,
    window_days: int = WINDOW_DAYS,
    windows_min: int = WINDOWS_MIN,
    later_windows: int = LATER_WINDOWS,
    subjects_min: int = SUBJECTS_MIN,
    length_max: int = LENGTH_MAX,
) -> tuple[Journey, ...]:
    """Patterns of two or more steps in any earlier window, with state; journeys come first.

    Raises PatternError if there is no sequence, or if fewer than `windows_min` + `later_windows` windows hold one.
    """
    windows = _windows(sequences, window_days)
    if len(windows) < windows_min + later_windows:
        raise PatternError(
            f"{len(windows)} windows of {window_days} days hold visit sequences; {windows_min} to find patterns and {later_windows} "
            "to validate them are needed: give more days, or shorter windows"
        )
    earlier = [_Window(window, subjects_min, length_max) for window in windows[:-later_windows]]
    later = _Window([sequence for window in windows[-later_windows:] for sequence in window], subjects_min, length_max)
    whole = _Window(sequences, subjects_min, length_max)
    patterns = {steps for window in earlier for steps in window.subjects_of if len(steps) > 1}
    found = [
        _validated(steps, [window for window in earlier if steps in window.subjects_of], later, whole, windows_min) for steps in patterns
    ]
    return tuple(sorted(found, key=lambda journey: (journey.state != "journey", -journey.share_later, journey.steps)))


class _Window:
    """Patterns that enough subjects completed within some days, and these subjects."""

    def __init__(self, sequences: Sequence[VisitSequence], subjects_min: int, length_max: int) -> None:
        self.subjects = len({sequence.subject for sequence in sequences})
        self.subjects_of = mine_sequences(sequences, subjects_min, length_max)

    def share(self, steps: Steps) -> float:
        """Share of the subjects that completed the pattern; 0 below the minimum number of subjects."""
        return len(self.subjects_of.get(steps, ())) / self.subjects

    def confidence(self, steps: Steps) -> float:
        """Share of the subjects with all steps but the last that took the last one as well."""
        return len(self.subjects_of[steps]) / len(self.subjects_of[steps[:-1]])


def _validated(steps: Steps, seen_in: Sequence[_Window], later: _Window, whole: _Window, windows_min: int) -> Journey:
    before = float(np.mean([window.share(steps) for window in seen_in]))
    if len(seen_in) < windows_min:
        reason = f"seen in {len(seen_in)} of the earlier windows, {windows_min} are needed"
    elif steps not in later.subjects_of:
        reason = "later completed by too few subjects"
    elif later.share(steps) < HOLDS_SHARE * before:
        reason = "later completed by less than half the earlier share"
    elif later.confidence(steps) <= later.share(steps[-1:]):
        reason = "later its last step does not follow more often than its base rate"
    else:
        reason = ""
    return Journey(
        steps=steps,
        state="candidate" if reason else "journey",
        reason=reason or f"recurs in {len(seen_in)} windows and holds later",
        windows=len(seen_in),
        share_before=before,
        share_later=later.share(steps),
        started=len(whole.subjects_of[steps[:-1]]),
        completed=len(whole.subjects_of[steps]),
        confidence=whole.confidence(steps),
        base_rate=whole.share(steps[-1:]),
        subjects=whole.subjects_of[steps],
    )


def _windows(sequences: Sequence[VisitSequence], window_days: int) -> list[list[VisitSequence]]:
    """Sequences by window, oldest first, without empty windows.

    Windows count back from the last sequence, so that the window of the validation is a whole one.
    """
    if not sequences:
        raise PatternError("the history holds no sequence of two or more visits")
    end = max(sequence.at_ms for sequence in sequences)
    by_number: dict[int, list[VisitSequence]] = {}
    for sequence in sequences:
        by_number.setdefault((end - sequence.at_ms) // (window_days * DAY_MS), []).append(sequence)
    return [by_number[number] for number in sorted(by_number, reverse=True)]
