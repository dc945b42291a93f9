"""Store of the visits slice: open presences, and ended visits of people who consented to learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.adapters.store import days
from gateway.adapters.store.table import Table
from gateway.core.presence import Presence, PresenceRules
from gateway.core.state import VisitsState

if TYPE_CHECKING:
    from gateway.core.state.visits import VisitsChanges


class VisitsTable(Table):
    """A presence is written with a transition, never for a sighting."""

    def state(self, now_ms: int, rules: PresenceRules) -> VisitsState:
        """Open visits as of the last commit, restored at `now_ms`."""
        rows = self.rows("SELECT subject, zone, seen_ms, due_at_ms, entered_ms, dwelled, confidence, observations FROM presences")
        presences = [
            Presence(subject, zone, seen_ms, due_at_ms, entered_ms, bool(dwelled), confidence=confidence, observations=observations)
            for subject, zone, seen_ms, due_at_ms, entered_ms, dwelled, confidence, observations in rows
        ]
        return VisitsState(presences, now_ms, rules)

    def save(self, changes: VisitsChanges) -> None:
        """Write the presences that changed by a transition, and ended visits."""
        for transition in changes.transitions:
            key = (transition.subject, transition.zone)
            present = changes.presences.get(key)
            self._db.execute("DELETE FROM presences WHERE subject = ? AND zone = ?", key)
            if present is not None and present.entered_ms is not None:
                times = (present.entered_ms, int(present.dwelled), present.seen_ms, present.due_at_ms)
                row = (*key, *times, present.confidence, present.observations)
                self._db.execute("INSERT INTO presences VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._db.executemany(
            "INSERT OR REPLACE INTO visits VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (one.subject, one.entered_ms, one.zone, one.left_ms, one.confidence, one.observations, one.left_ms // days.DAY_MS)
                for one in changes.ended
            ],
        )

    def forget(self, subject: str) -> None:
        """Delete the person's open and ended visits."""
        self._db.execute("DELETE FROM presences WHERE subject = ?", (subject,))
        self.forget_ended(subject)

    def forget_ended(self, subject: str) -> None:
        """Delete the person's ended visits, after a consent that does not cover learning."""
        self._db.execute(f"DELETE FROM visits WHERE {days.of_person('visits')}", (subject,))  # noqa: S608 - no text from outside

    def save_times(self, state: VisitsState) -> None:
        """Write the times of open visits again: a restart could not detect a step of the clock, and a sighting alone is not written."""
        rows = [(one.entered_ms, one.seen_ms, one.due_at_ms, one.subject, one.zone) for one in state.presences.values()]
        self._db.executemany(
            "UPDATE presences SET entered_ms = ?, seen_ms = ?, due_at_ms = ? WHERE subject = ? AND zone = ?",
            [row for row in rows if row[0] is not None],
        )
