"""Visits from sightings and position fixes: a state machine per subject and zone, and arbitration between zones.

A subject enters a zone when the level at one of its anchors (mean power of the last samples, see radio.py) reaches `enter_dbm`, stays
while a level is at least `exit_dbm` (hysteresis), and has left after `exit_after_ms` without such a sighting at any anchor. No message
arrives when a subject leaves, so each presence states the time `due_at_ms` at which `expire` must be called. Only time in which the gateway
could hear counts as silence: an outage of the broker or a restart neither ends a visit nor lengthens it. Zones compete for a subject
(`arbitrate`): there is one visit by radio at a time, in the zone with the highest level, and another zone takes over only with a margin.
A sighting counts at the time at which it was received by radio, so late, repeated and reordered ones change nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Literal

import msgspec

from gateway.core.radio import ROUNDING_DB, Sample, mean_dbm, mean_sd_db, milliwatts, normal_cdf

TransitionKind = Literal["entered", "dwelled", "left"]

SAMPLES_KEPT = 5  # the best filter on real traces that reacts within two samples: see tests/presence/boards.py
SAMPLES_MS, SAMPLES_KEPT_MAX = 2_000, 16  # at higher rates: samples within this time, at most so many
WINDOW_MS = 15_000  # older samples show a past position
FIX = "fix"  # the key in `samples` of a presence that a position fix or a region crossing began
CHECK_IN = "check_in"  # the same of one that a scanned code began: nothing is heard of such a phone afterwards
UNKNOWN_CONFIDENCE = 0.5  # of a visit restored after a restart
CLOSE, FAR = 1.0 + 1e-9, 1.0 - 1e-9  # ratios of powers that are farther apart than the rounding of levels
HANDOFF_MS = 300_000  # a hand-off back within this time suggests a position between two zones
HANDOFFS_MAX = 2  # the margin grows no further: a person who really changes zones has a level some 19 dB higher in the new one


class PresenceRules(msgspec.Struct, frozen=True, dict=True):
    """Thresholds in dBm and times in milliseconds; `samples_min` samples are needed to enter.

    A zone takes over a subject from another one if its level is `margin_db` higher; twice that (three times after repeated hand-offs)
    to return to the previous zone. `offset_db` is added to the levels at an anchor, or of an anchor. `fix_zones` have no anchors; a visit
    there ends after `fix_exit_after_ms`, because a phone that does not move sends no position; so does a visit by check-in.
    `reference_dbm` and `exponent` turn levels into distances; for an offer the person's own device must have sent a message within
    `app_within_ms`, if that is set.
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
    reference_dbm: float = -58.5
    exponent: float = 2.0
    app_within_ms: int | None = None

    @cached_property
    def exit_mw(self) -> float:
        """Power in milliwatts of `exit_dbm`."""
        return milliwatts(self.exit_dbm)

    @cached_property
    def in_range_mw(self) -> float:
        """Power in milliwatts from which a sample extends a visit."""
        return milliwatts(self.exit_dbm - ROUNDING_DB)

    def silence_ms(self, zone: str) -> int:
        """The time without an observation after which a visit to `zone` ends."""
        return self.fix_exit_after_ms if zone in self.fix_zones else self.exit_after_ms


class Presence(msgspec.Struct, frozen=True):
    """A subject in a zone, or on the way into it (`entered_ms` is None).

    `samples` are the newest ones by anchor, oldest first. `previous_zone` is the zone of the visit that ended when this one began, and
    `handoffs` the number of hand-offs in a row back to the previous zone within HANDOFF_MS. `observations` is the number of sightings
    and fixes behind the presence.
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
    observations: int = 0
    handoffs: int = 0


class Transition(msgspec.Struct, frozen=True):
    """The start, dwell or end of a visit. `at_ms` of an end is the time of the last observation, but not before a recorded dwell.

    `confidence` is the probability (0 to 1) that the subject was in range of this zone and of no nearer one when the visit began.
    `observations` is the number of sightings and fixes so far.
    """

    subject: str
    zone: str
    kind: TransitionKind
    at_ms: int
    entered_ms: int
    confidence: float = UNKNOWN_CONFIDENCE
    observations: int = 0


Step = tuple[Presence | None, Transition | None]
"""The next presence (None: delete it) and the transition, if there is one."""


def fold_sighting(
    presence: Presence | None,
    subject: str,
    zone: str,
    anchor: str,
    rssi_dbm: float,
    now_ms: int,
    rules: PresenceRules,
    observed_ms: int | None = None,
) -> Step:
    """Fold one sighting at `anchor`, received at `observed_ms` (None: now). A sighting below `exit_dbm` starts and extends nothing.

    If the step enters the zone, `arbitrate` decides against the other zones.
    """
    kept = presence.samples if presence is not None else {}
    at_ms = now_ms if observed_ms is None or observed_ms > now_ms else observed_ms
    power = milliwatts(rssi_dbm + rules.offset_db.get(anchor, 0.0))
    sample = (at_ms, power)
    window = kept.get(anchor, ())
    if observed_ms is not None and sample in window:
        return presence, None  # a repetition
    window = _add_sample(window, sample, now_ms)
    samples = {anchor: window} if not kept or (len(kept) == 1 and anchor in kept) else {**kept, anchor: window}
    if _is_below(window, rules):
        if presence is None:
            return None, None
        return msgspec.structs.replace(presence, samples=samples), None
    if presence is None:
        presence = Presence(subject, zone, at_ms, now_ms + rules.exit_after_ms)
    # Earlier strong samples keep the mean up for a while, so the sample itself must reach the threshold to extend the visit.
    is_in_range = power >= rules.in_range_mw
    seen_ms = at_ms if is_in_range and at_ms > presence.seen_ms else presence.seen_ms
    if presence.entered_ms is None and is_in_range and len(window) >= rules.samples_min and at_ms >= now_ms - WINDOW_MS:
        level = mean_dbm(window)
        if level >= rules.enter_dbm:
            confidence = normal_cdf(level - rules.exit_dbm, mean_sd_db(len(window)))
            return _enter(subject, zone, seen_ms, now_ms, rules, samples, confidence, presence.observations + 1)
    # `due_at_ms` stays as it is, to avoid a write for each sighting: `expire` looks at `seen_ms`.
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
        presence.observations + 1,
        presence.handoffs,
    ), None


def arbitrate(entering: Step, others: Iterable[Presence], now_ms: int, rules: PresenceRules) -> tuple[Step, list[Presence]]:
    """Decide whether a subject may enter a zone, given its presences in other zones; returns the step, and the visits that it ends.

    The subject enters if no other zone has a fresh sample. It waits while a zone that it has not entered either has a higher level. It
    leaves the zone that it is in if the new level leads by the margin, or if that zone has no fresh sample. Returning to the previous
    zone needs twice the margin and more after each hand-off, so that a subject between two zones is not handed to and fro. Visits by
    position fix do not compete: a shop may lie within a square.
    """
    challenger, transition = entering
    if challenger is None or transition is None:
        return entering, []
    zone = challenger.zone
    level, count, _ = strongest(challenger, now_ms)
    losers: list[Presence] = []
    lead_db = math.inf
    for other in others:
        if other.zone in rules.fix_zones or (other.samples and other.samples.keys() <= {FIX, CHECK_IN}):
            continue
        other_level, *_ = strongest(other, now_ms)
        if other.entered_ms is not None:
            losers.append(other)
        lead_db = min(lead_db, level - other_level)
        if level - other_level < _margin_db(other, zone, rules):
            return (_waiting(challenger, rules), None), []
    confidence = min(transition.confidence, normal_cdf(lead_db, 2**0.5 * mean_sd_db(count)))
    after = msgspec.structs.replace(challenger, confidence=confidence)
    if losers:
        before = losers[0]
        is_soon = before.entered_ms is not None and now_ms - before.entered_ms < HANDOFF_MS
        handoffs = min(HANDOFFS_MAX, before.handoffs + (before.previous_zone == zone)) if is_soon else 0
        after = msgspec.structs.replace(after, previous_zone=before.zone, handoffs=handoffs)
    return (after, msgspec.structs.replace(transition, confidence=confidence)), losers


def fold_fix(
    presence: Presence | None,
    subject: str,
    zone: str,
    inside: bool,  # noqa: FBT001 - passed on from `fix_in` by position
    confidence: float,
    now_ms: int,
    rules: PresenceRules,
    observed_ms: int | None = None,
    source: str = FIX,
) -> Step:
    """Fold a position fix, a region crossing or a check-in: one inside enters the zone, one outside ends the visit.

    A fix older than the newest observation of the presence changes nothing.
    """
    at_ms = now_ms if observed_ms is None or observed_ms > now_ms else observed_ms
    if presence is not None and at_ms < presence.seen_ms:
        return presence, None
    if inside:
        samples = presence.samples if presence is not None else {}
        if presence is None or presence.entered_ms is None:
            before = 0 if presence is None else presence.observations
            return _enter(subject, zone, at_ms, now_ms, rules, {**samples, source: ()}, confidence, before + 1)
        return msgspec.structs.replace(presence, seen_ms=at_ms, observations=presence.observations + 1), None
    if presence is None or presence.entered_ms is None or _may_be_in_radio_range(presence, now_ms, rules):
        return presence, None  # a fix is coarser than radio
    return end(presence, rules)


def expire(presence: Presence, now_ms: int, rules: PresenceRules, hears_from_ms: int | None = None) -> Step:
    """The step of a presence whose `due_at_ms` has passed: left, dwelled, or a new due time.

    `hears_from_ms` is the time since which the gateway has been able to hear (None: longer than any silence). A dwell needs an observation
    within one silence before it, so that an outage is not taken for a stay.
    """
    silence_ms = rules.fix_exit_after_ms if CHECK_IN in presence.samples else rules.silence_ms(presence.zone)
    silent_at_ms = max(presence.seen_ms, hears_from_ms or 0) + silence_ms
    if now_ms >= silent_at_ms:
        return end(presence, rules)
    if presence.entered_ms is None:
        return msgspec.structs.replace(presence, due_at_ms=silent_at_ms), None
    dwelled_at_ms = presence.entered_ms + rules.dwell_ms
    may_dwell = not presence.dwelled and presence.seen_ms + silence_ms >= dwelled_at_ms
    if may_dwell and now_ms >= dwelled_at_ms:
        after = msgspec.structs.replace(presence, dwelled=True, due_at_ms=silent_at_ms)
        return after, _transition(presence, "dwelled", dwelled_at_ms, presence.entered_ms)
    due_at_ms = min(silent_at_ms, dwelled_at_ms) if may_dwell else silent_at_ms
    return msgspec.structs.replace(presence, due_at_ms=due_at_ms), None


def end(presence: Presence, rules: PresenceRules) -> Step:
    """End a presence; without a transition if the subject had not entered."""
    if presence.entered_ms is None:
        return None, None
    last_ms = max(presence.seen_ms, presence.entered_ms)
    at_ms = max(last_ms, presence.entered_ms + rules.dwell_ms) if presence.dwelled else last_ms
    return None, _transition(presence, "left", at_ms, presence.entered_ms)


def restored(presence: Presence, now_ms: int, rules: PresenceRules) -> Presence:
    """A presence read from the store after a start; it is due after one silence, because the gateway received nothing while off.

    Times in the future were stored before the clock went back; they are moved to now, so that the visit cannot last until then.
    """
    due_at_ms = now_ms + min(rules.silence_ms(presence.zone), rules.exit_after_ms)  # `expire` then computes the next due time
    entered_ms = None if presence.entered_ms is None else min(presence.entered_ms, now_ms)
    return msgspec.structs.replace(presence, seen_ms=min(presence.seen_ms, now_ms), due_at_ms=due_at_ms, entered_ms=entered_ms)


def rebased(presence: Presence, step_ms: int) -> Presence:
    """The presence with all its times moved by `step_ms`, after the clock was set."""
    return msgspec.structs.replace(
        presence,
        seen_ms=presence.seen_ms + step_ms,
        due_at_ms=presence.due_at_ms + step_ms,
        entered_ms=None if presence.entered_ms is None else presence.entered_ms + step_ms,
        samples={anchor: tuple([(at_ms + step_ms, power) for at_ms, power in window]) for anchor, window in presence.samples.items()},
    )


def _is_below(window: tuple[Sample, ...], rules: PresenceRules) -> bool:
    """Whether the level of a window is below `exit_dbm`. The powers are compared; a logarithm is taken only close to the threshold."""
    bound = rules.exit_mw * len(window)
    if window[-1][1] >= bound * CLOSE:  # the newest sample alone is enough, as it nearly always is
        return False
    total = 0.0
    for _, power in window:
        total += power
    return total < bound * CLOSE and (total < bound * FAR or mean_dbm(window) < rules.exit_dbm)


def _add_sample(window: tuple[Sample, ...], sample: Sample, now_ms: int) -> tuple[Sample, ...]:
    """The window with one more sample: oldest first, without samples that are too old or too many."""
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


def strongest(presence: Presence, now_ms: int) -> tuple[float, int, int]:
    """The highest level of an anchor in dBm, its number of samples, and the time of the newest; minus infinity without fresh samples."""
    best, count, at_ms = float("-inf"), 1, now_ms
    for window in presence.samples.values():
        fresh = [sample for sample in window if sample[0] >= now_ms - WINDOW_MS]
        if fresh and (level := mean_dbm(fresh)) > best:
            best, count, at_ms = level, len(fresh), fresh[-1][0]
    return best, count, at_ms


def _enter(
    subject: str,
    zone: str,
    seen_ms: int,
    now_ms: int,
    rules: PresenceRules,
    samples: Mapping[str, tuple[Sample, ...]],
    confidence: float,
    observations: int,
) -> Step:
    due_at_ms = min(seen_ms + rules.silence_ms(zone), now_ms + rules.dwell_ms)
    inside = Presence(subject, zone, seen_ms, due_at_ms, now_ms, samples=samples, confidence=confidence, observations=observations)
    return inside, _transition(inside, "entered", now_ms, now_ms)


def _transition(presence: Presence, kind: TransitionKind, at_ms: int, entered_ms: int) -> Transition:
    return Transition(presence.subject, presence.zone, kind, at_ms, entered_ms, presence.confidence, presence.observations)


def _margin_db(other: Presence, zone: str, rules: PresenceRules) -> float:
    """The lead over the level in `other` that is needed to enter `zone`."""
    if other.entered_ms is None:
        return 0.0
    return rules.margin_db * (2.0 + 0.5 * other.handoffs if other.previous_zone == zone else 1.0)


def _waiting(challenger: Presence, rules: PresenceRules) -> Presence:
    """The challenger as not entered yet."""
    due_at_ms = challenger.seen_ms + rules.exit_after_ms
    return msgspec.structs.replace(challenger, entered_ms=None, due_at_ms=due_at_ms)


def _may_be_in_radio_range(presence: Presence, now_ms: int, rules: PresenceRules) -> bool:
    """Whether the level at an anchor is at least `exit_dbm`, or samples were lost at a restart, so that radio may have begun the visit."""
    return not presence.samples or strongest(presence, now_ms)[0] >= rules.exit_dbm
