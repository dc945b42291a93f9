"""From noisy radio to calm visits: one state machine per subject and zone.

A subject enters a zone when any of its anchors hears them clearly (median of the last three samples),
stays while any still hears them at all well (hysteresis), and has left once every anchor has been
silent for `exit_after_ms`. Leaving is an absence: nothing arrives to say it, so each presence names the
moment `due_at_ms` at which time itself must be asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Literal

import msgspec

TransitionKind = Literal["entered", "dwelled", "left"]

SAMPLES_KEPT = 3  # ESPresense's median; longer windows cost seconds at one advertisement a second
FIX_DBM = -40.0  # a position fix inside the zone counts as a sample this strong


class PresenceRules(msgspec.Struct, frozen=True):
    """Thresholds in dBm and times in milliseconds; `samples_min` clear samples are needed to enter."""

    enter_dbm: float = -75.0
    exit_dbm: float = -83.0
    samples_min: int = 2
    dwell_ms: int = 60_000
    exit_after_ms: int = 30_000


class Presence(msgspec.Struct, frozen=True):
    """A subject in, or on the way into, a zone. `entered_ms` is None until they are in."""

    subject: str
    zone: str
    seen_ms: int
    due_at_ms: int
    entered_ms: int | None = None
    dwelled: bool = False
    samples: Mapping[str, tuple[float, ...]] = {}


class Transition(msgspec.Struct, frozen=True):
    """A change that a visit is made of. `at_ms` of leaving is when they were last heard, yet never before they had dwelled."""

    subject: str
    zone: str
    kind: TransitionKind
    at_ms: int
    entered_ms: int


Step = tuple[Presence | None, Transition | None]
"""The next state (None: forget it) and what changed for the outside, if anything."""


def heard(presence: Presence | None, subject: str, zone: str, anchor: str, rssi_dbm: float, now_ms: int, rules: PresenceRules) -> Step:
    """Fold one sighting by `anchor`. A sighting too weak to matter leaves everything as it was."""
    kept = presence.samples if presence is not None else {}
    window = (*kept.get(anchor, ())[1 - SAMPLES_KEPT :], rssi_dbm)
    level = median(window)
    samples = {**kept, anchor: window}
    if presence is None or presence.entered_ms is None:
        if level < rules.enter_dbm or len(window) < rules.samples_min:
            if level < rules.exit_dbm:
                return presence, None
            return Presence(subject, zone, now_ms, now_ms + rules.exit_after_ms, samples=samples), None
        return _enter(subject, zone, now_ms, rules, samples)
    if level < rules.exit_dbm:
        return msgspec.structs.replace(presence, samples=samples), None
    # The timer in the database is not moved at each sighting: when it rings, `expire` sees how lately they were heard.
    seen_ms = max(presence.seen_ms, now_ms)
    return Presence(subject, zone, seen_ms, presence.due_at_ms, presence.entered_ms, presence.dwelled, samples), None


def fixed(presence: Presence | None, subject: str, zone: str, inside: bool, now_ms: int, rules: PresenceRules) -> Step:  # noqa: FBT001 - the fix says exactly this
    """Fold a position fix: one fix inside is clear enough, one clearly outside ends a visit."""
    if inside:
        if presence is None or presence.entered_ms is None:
            return _enter(subject, zone, now_ms, rules, {"fix": (FIX_DBM,) * rules.samples_min})
        return msgspec.structs.replace(presence, seen_ms=max(presence.seen_ms, now_ms)), None
    if presence is None or presence.entered_ms is None or set(presence.samples) != {"fix"}:
        return presence, None  # radio put them here; a coarse fix elsewhere does not outweigh it
    return ended(presence, rules)


def expire(presence: Presence, now_ms: int, rules: PresenceRules) -> Step:
    """Ask what has become of a presence whose `due_at_ms` has come."""
    silent_at_ms = presence.seen_ms + rules.exit_after_ms
    if now_ms >= silent_at_ms:
        return ended(presence, rules)
    if presence.entered_ms is None:
        return msgspec.structs.replace(presence, due_at_ms=silent_at_ms), None
    dwelled_at_ms = presence.entered_ms + rules.dwell_ms
    if not presence.dwelled and now_ms >= dwelled_at_ms:
        after = msgspec.structs.replace(presence, dwelled=True, due_at_ms=silent_at_ms)
        return after, Transition(presence.subject, presence.zone, "dwelled", dwelled_at_ms, presence.entered_ms)
    due_at_ms = silent_at_ms if presence.dwelled else min(silent_at_ms, dwelled_at_ms)
    return msgspec.structs.replace(presence, due_at_ms=due_at_ms), None


def ended(presence: Presence, rules: PresenceRules) -> Step:
    """End a presence, whatever the cause; who was only on the way in goes unnoticed."""
    if presence.entered_ms is None:
        return None, None
    at_ms = max(presence.seen_ms, presence.entered_ms + rules.dwell_ms) if presence.dwelled else presence.seen_ms
    return None, Transition(presence.subject, presence.zone, "left", at_ms, presence.entered_ms)


def woken(presence: Presence, now_ms: int, rules: PresenceRules) -> Presence:
    """A presence read back after the gateway was off: a deaf gateway cannot conclude absence, so they get a full silence more."""
    return msgspec.structs.replace(presence, seen_ms=max(presence.seen_ms, now_ms), due_at_ms=now_ms + rules.exit_after_ms)


def _enter(subject: str, zone: str, now_ms: int, rules: PresenceRules, samples: Mapping[str, tuple[float, ...]]) -> Step:
    due_at_ms = now_ms + min(rules.exit_after_ms, rules.dwell_ms)
    return Presence(subject, zone, now_ms, due_at_ms, now_ms, samples=samples), Transition(subject, zone, "entered", now_ms, now_ms)
