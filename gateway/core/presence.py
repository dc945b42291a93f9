"""From noisy radio to calm visits: one state machine per subject and zone, and a word between zones.

A subject enters a zone when any of its anchors hears them clearly (mean power of the last samples, see radio.py), stays
while any still hears them at all well (hysteresis), and has left once every anchor has been silent for `exit_after_ms`.
Leaving is an absence: nothing arrives to say it, so each presence names the moment `due_at_ms` at which time itself must
be asked. Zones that hear the same person compete (`arbitrate`): one visit by radio at a time, in the nearest zone, and a
neighbour takes over only with a margin that lasts. A sighting counts for the moment at which it was heard, so one that
comes late, twice or out of order tells no more than it knows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from gateway.core.radio import HAIR_DB, Sample, certainty, mean_dbm, milliwatts, spread_db

TransitionKind = Literal["entered", "dwelled", "left"]

SAMPLES_KEPT = 5  # of real traces' filters the best that answers within two samples: see tests/presence/boards.py
SAMPLES_MS, SAMPLES_KEPT_MAX = 2_000, 16  # where they come faster, these are better known
WINDOW_MS = 15_000  # older samples say where somebody was
FIX = "fix"  # stands among the anchors of a presence that a position fix or a region began
UNKNOWN_CONFIDENCE = 0.5  # of a visit taken up again after a restart
HANDOFF_MS = 300_000  # who is called back so soon after being called away may be standing between two zones
HANDOFFS_MAX = 2  # then the margin grows no more: who really goes to and fro is heard some 19 dB better where they are


class PresenceRules(msgspec.Struct, frozen=True):
    """Thresholds in dBm and times in milliseconds; `samples_min` samples are needed to enter.

    `margin_db` is by how much another zone must hear them better to call them away from the one they are in, and twice
    that (up to three times, if they were tossed to and fro) to call them back. `offset_db` is added
    to whatever an anchor hears (or is heard with). `fix_zones` have no anchors: silence there is `fix_exit_after_ms`,
    because a phone that lies still tells no position.
    """

    enter_dbm: float = -75.0
    exit_dbm: float = -83.0
    samples_min: int = 2
    dwell_ms: int = 60_000
    exit_after_ms: int = 30_000
    margin_db: float = 5.0
    fix_exit_after_ms: int = 900_000
    fix_zones: frozenset[str] = frozenset()
    offset_db: Mapping[str, float] = {}

    def silence_ms(self, zone: str) -> int:
        """How long silence must last in a zone before it means absence."""
        return self.fix_exit_after_ms if zone in self.fix_zones else self.exit_after_ms


class Presence(msgspec.Struct, frozen=True):
    """A subject in, or on the way into, a zone. `entered_ms` is None until they are in.

    `samples` are the last ones by anchor in the order heard; `previous_zone` is the zone
    that they left for this one, `handoffs` how often in a row they were soon called back; `heard` is how many sightings and
    fixes spoke for it.
    """

    subject: str
    zone: str
    seen_ms: int
    due_at_ms: int
    entered_ms: int | None = None
    dwelled: bool = False
    samples: Mapping[str, tuple[Sample, ...]] = {}
    confidence: float = UNKNOWN_CONFIDENCE
    previous_zone: str | None = None
    heard: int = 0
    handoffs: int = 0


class Transition(msgspec.Struct, frozen=True):
    """A change that a visit is made of. `at_ms` of leaving is when they were last heard, yet never before they had dwelled.

    `confidence` (0 to 1) is how likely they were within the zone's reach, and in no other zone, when the visit began; `heard` is
    by how many sightings and fixes the zone knows of them so far.
    """

    subject: str
    zone: str
    kind: TransitionKind
    at_ms: int
    entered_ms: int
    confidence: float = UNKNOWN_CONFIDENCE
    heard: int = 0


Step = tuple[Presence | None, Transition | None]
"""The next state (None: forget it) and what changed for the outside, if anything."""


def heard(
    presence: Presence | None,
    subject: str,
    zone: str,
    anchor: str,
    rssi_dbm: float,
    now_ms: int,
    rules: PresenceRules,
    heard_ms: int | None = None,
) -> Step:
    """Fold one sighting by `anchor`, heard at `heard_ms` where that is stated. A sighting too weak to matter leaves everything as it was.

    Whether they may enter is for `arbitrate` to say, if other zones hear them too.
    """
    kept = presence.samples if presence is not None else {}
    at_ms = now_ms if heard_ms is None or heard_ms > now_ms else heard_ms
    sample = (at_ms, milliwatts(rssi_dbm + rules.offset_db.get(anchor, 0.0)))
    window = kept.get(anchor, ())
    if heard_ms is not None and sample in window:
        return presence, None  # a copy
    window = _with(window, sample, now_ms)
    level = mean_dbm(window)
    if level < rules.exit_dbm:
        if presence is None:
            return None, None
        return msgspec.structs.replace(presence, samples={**kept, anchor: window}), None
    samples = {**kept, anchor: window}
    if presence is None:
        presence = Presence(subject, zone, at_ms, now_ms + rules.exit_after_ms)
    # Strong samples of before lift the mean for a while; that they are still there is for this one to say.
    is_well = sample[1] >= milliwatts(rules.exit_dbm - HAIR_DB)
    seen_ms = at_ms if is_well and at_ms > presence.seen_ms else presence.seen_ms
    is_clear = is_well and level >= rules.enter_dbm and len(window) >= rules.samples_min
    if presence.entered_ms is None and is_clear and at_ms >= now_ms - WINDOW_MS:
        confidence = certainty(level - rules.exit_dbm, spread_db(len(window)))
        return _enter(subject, zone, seen_ms, now_ms, rules, samples, confidence, presence.heard + 1)
    # The timer in the database is not moved at each sighting: when it rings, `expire` sees how lately they were heard.
    return Presence(
        subject,
        zone,
        seen_ms,
        presence.due_at_ms,
        presence.entered_ms,
        presence.dwelled,
        samples,
        presence.confidence,
        presence.previous_zone,
        presence.heard + 1,
        presence.handoffs,
    ), None


def arbitrate(entering: Step, others: Iterable[Presence], now_ms: int, rules: PresenceRules) -> tuple[Step, list[Presence]]:
    """What becomes of a wish to enter, given the subject's presences in other zones; and the visits that it ends.

    Who is heard by nobody else goes in. A zone that hears them better without having let them in yet is waited for; the zone
    they are in gives way to a clear lead, or at once when it hears nothing any more; calling somebody back takes a lead twice as clear,
    and a clearer one each time, so that two zones that hear somebody about equally well do not toss them to and fro.
    Fixes do not compete: a shop may well lie in a square.
    """
    challenger, transition = entering
    if challenger is None or transition is None:
        return entering, []
    zone = challenger.zone
    mine, count = _loudest(challenger, now_ms)
    losers: list[Presence] = []
    lead_db = math.inf
    for other in others:
        if other.zone in rules.fix_zones or set(other.samples) == {FIX}:
            continue
        theirs, _ = _loudest(other, now_ms)
        if other.entered_ms is not None:
            losers.append(other)
        lead_db = min(lead_db, mine - theirs)
        if mine - theirs < _margin_db(other, zone, rules):
            return (_waiting(challenger, rules), None), []
    confidence = min(transition.confidence, certainty(lead_db, 2**0.5 * spread_db(count)))
    after = msgspec.structs.replace(challenger, confidence=confidence)
    if losers:
        before = losers[0]
        is_soon = before.entered_ms is not None and now_ms - before.entered_ms < HANDOFF_MS
        handoffs = min(HANDOFFS_MAX, before.handoffs + (before.previous_zone == zone)) if is_soon else 0
        after = msgspec.structs.replace(after, previous_zone=before.zone, handoffs=handoffs)
    return (after, msgspec.structs.replace(transition, confidence=confidence)), losers


def fixed(
    presence: Presence | None,
    subject: str,
    zone: str,
    inside: bool,  # noqa: FBT001 - the fix says exactly this
    confidence: float,
    now_ms: int,
    rules: PresenceRules,
    heard_ms: int | None = None,
) -> Step:
    """Fold a position fix, or the phone's word that it crossed a zone's edge: one inside is clear enough, one clearly outside ends a visit.

    A fix older than the latest news changes nothing.
    """
    at_ms = now_ms if heard_ms is None or heard_ms > now_ms else heard_ms
    if presence is not None and at_ms < presence.seen_ms:
        return presence, None
    if inside:
        samples = presence.samples if presence is not None else {}
        if presence is None or presence.entered_ms is None:
            heard_before = 0 if presence is None else presence.heard
            return _enter(subject, zone, at_ms, now_ms, rules, {**samples, FIX: ()}, confidence, heard_before + 1)
        return msgspec.structs.replace(presence, seen_ms=at_ms, heard=presence.heard + 1), None
    if presence is None or presence.entered_ms is None or _is_held_by_radio(presence, now_ms, rules):
        return presence, None  # radio put them here (or nobody knows what did); a coarse fix elsewhere does not outweigh it
    return ended(presence, rules)


def expire(presence: Presence, now_ms: int, rules: PresenceRules) -> Step:
    """Ask what has become of a presence whose `due_at_ms` has come."""
    silent_at_ms = presence.seen_ms + rules.silence_ms(presence.zone)
    if now_ms >= silent_at_ms:
        return ended(presence, rules)
    if presence.entered_ms is None:
        return msgspec.structs.replace(presence, due_at_ms=silent_at_ms), None
    dwelled_at_ms = presence.entered_ms + rules.dwell_ms
    if not presence.dwelled and now_ms >= dwelled_at_ms:
        after = msgspec.structs.replace(presence, dwelled=True, due_at_ms=silent_at_ms)
        return after, _transition(presence, "dwelled", dwelled_at_ms, presence.entered_ms)
    due_at_ms = silent_at_ms if presence.dwelled else min(silent_at_ms, dwelled_at_ms)
    return msgspec.structs.replace(presence, due_at_ms=due_at_ms), None


def ended(presence: Presence, rules: PresenceRules) -> Step:
    """End a presence, whatever the cause; who was only on the way in goes unnoticed."""
    if presence.entered_ms is None:
        return None, None
    heard_ms = max(presence.seen_ms, presence.entered_ms)
    at_ms = max(heard_ms, presence.entered_ms + rules.dwell_ms) if presence.dwelled else heard_ms
    return None, _transition(presence, "left", at_ms, presence.entered_ms)


def restored(presence: Presence, now_ms: int, rules: PresenceRules) -> Presence:
    """A presence read back after the gateway was off: a deaf gateway cannot conclude absence, so they get a full silence more.

    Whoever entered in the future did so before a clock woke up in the past; when it is set, they must not stay until that day.
    """
    due_at_ms = now_ms + min(rules.silence_ms(presence.zone), rules.exit_after_ms)  # then `expire` sees what else is due
    entered_ms = None if presence.entered_ms is None else min(presence.entered_ms, now_ms)
    return msgspec.structs.replace(presence, seen_ms=now_ms, due_at_ms=due_at_ms, entered_ms=entered_ms)


def rebased(presence: Presence, step_ms: int) -> Presence:
    """The presence with all its moments moved, as a set clock moves them."""
    return msgspec.structs.replace(
        presence,
        seen_ms=presence.seen_ms + step_ms,
        due_at_ms=presence.due_at_ms + step_ms,
        entered_ms=None if presence.entered_ms is None else presence.entered_ms + step_ms,
        samples={anchor: tuple([(at_ms + step_ms, power) for at_ms, power in window]) for anchor, window in presence.samples.items()},
    )


def _with(window: tuple[Sample, ...], sample: Sample, now_ms: int) -> tuple[Sample, ...]:
    """The window with one more sample: in the order heard, none too old, not too many."""
    window = (*window, sample)
    if len(window) > 1 and sample[0] < window[-2][0]:
        window = tuple(sorted(window))
    oldest_ms = now_ms - WINDOW_MS
    if window[0][0] < oldest_ms:
        window = tuple([kept for kept in window if kept[0] >= oldest_ms]) or (sample,)
    if len(window) <= SAMPLES_KEPT or (len(window) <= SAMPLES_KEPT_MAX and window[0][0] > window[-1][0] - SAMPLES_MS):
        return window
    latest_ms = window[-1][0] - SAMPLES_MS
    while len(window) > SAMPLES_KEPT and (window[0][0] <= latest_ms or len(window) > SAMPLES_KEPT_MAX):
        window = window[1:]
    return window


def _loudest(presence: Presence, now_ms: int) -> tuple[float, int]:
    """The level at the anchor that hears them best, and of how many samples; minus infinity where all samples are old."""
    best, count = float("-inf"), 1
    for window in presence.samples.values():
        fresh = [sample for sample in window if sample[0] >= now_ms - WINDOW_MS]
        if fresh and (level := mean_dbm(fresh)) > best:
            best, count = level, len(fresh)
    return best, count


def _enter(
    subject: str,
    zone: str,
    seen_ms: int,
    now_ms: int,
    rules: PresenceRules,
    samples: Mapping[str, tuple[Sample, ...]],
    confidence: float,
    heard_so_far: int,
) -> Step:
    due_at_ms = min(seen_ms + rules.silence_ms(zone), now_ms + rules.dwell_ms)
    inside = Presence(subject, zone, seen_ms, due_at_ms, now_ms, samples=samples, confidence=confidence, heard=heard_so_far)
    return inside, _transition(inside, "entered", now_ms, now_ms)


def _transition(presence: Presence, kind: TransitionKind, at_ms: int, entered_ms: int) -> Transition:
    return Transition(presence.subject, presence.zone, kind, at_ms, entered_ms, presence.confidence, presence.heard)


def _margin_db(other: Presence, zone: str, rules: PresenceRules) -> float:
    """By how much `zone` must be heard better than another to be entered."""
    if other.entered_ms is None:
        return 0.0
    return rules.margin_db * (2.0 + 0.5 * other.handoffs if other.previous_zone == zone else 1.0)


def _waiting(challenger: Presence, rules: PresenceRules) -> Presence:
    due_at_ms = challenger.seen_ms + rules.exit_after_ms
    return msgspec.structs.replace(challenger, entered_ms=None, due_at_ms=due_at_ms)


def _is_held_by_radio(presence: Presence, now_ms: int, rules: PresenceRules) -> bool:
    """Whether an anchor hears them well enough, or, after a restart, nobody knows any more what began the visit."""
    return not presence.samples or _loudest(presence, now_ms)[0] >= rules.exit_dbm
