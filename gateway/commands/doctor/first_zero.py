"""The first zero of the funnel from messages to offers, and its cause."""

from __future__ import annotations

import difflib
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from gateway.commands.doctor.finding import Evidence, Finding
from gateway.commands.running import SENT, funnel
from gateway.core.discards import Discard
from gateway.core.nearest import nearest
from gateway.core.policy.gates import REASONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gateway.runtime.report import Report

UNMAPPED = (Discard.UNMAPPED_ANCHOR, Discard.UNMAPPED_DEVICE)
DROPS = (Discard.RETAINED, Discard.OTHER_SPEAKER, Discard.NOT_ITS_KIND, Discard.LATE, Discard.IMPLAUSIBLE)
FAULTY_REASONS = frozenset({"no_model", "clock_untrusted", "not_here", "not_live", "missing", "no_consent", "not_now"})
CONSENTS = "wayside_v1:"  # refusals of the format in which phones consent
LISTED_MAX = 3


def first_zero(evidence: Evidence, report: Report) -> list[Finding]:
    """The findings about the first step of the funnel that counts nothing; empty if offers were sent."""
    zero = next((step.name for step in funnel(report) if not step.number), "")
    return list(_CAUSES[zero](evidence, report)) if zero in _CAUSES else []


def _no_messages(evidence: Evidence, report: Report) -> Iterator[Finding]:
    unmatched = list(_unmatched(evidence, report))
    yield from unmatched
    if unmatched:
        return
    seconds = f" in {evidence.heard.seconds:g} s" if evidence.heard is not None else ""
    filters = ", ".join(repr(one.topic) for one in report.sources[:LISTED_MAX])
    yield Finding(
        "fault",
        "no_messages",
        f"no message has arrived on {filters}, and a listener with the gateway's login heard none{seconds}",
        "check that the devices run and publish to this broker, and that its access list lets this gateway read them (wayside acl)",
    )


def _unmatched(evidence: Evidence, report: Report) -> Iterator[Finding]:
    """Topics at the broker that no source matches, while a source has no messages."""
    silent = [one.topic for one in report.sources if not one.messages]
    topics = evidence.heard.topics if evidence.heard is not None else {}
    if not silent or not topics:
        return
    topic, count = max(topics.items(), key=lambda one: one[1])
    close = difflib.get_close_matches(topic, silent, n=1, cutoff=0.0)[0]
    text = f"no source has the topic {topic!r}, which has {count} messages at the broker; nearest: {close!r}, which has none"
    yield Finding("fault", "topics_unmatched", text, "correct sources[].topic, or add a source (wayside discover proposes one)")


def _nothing_read(_: Evidence, report: Report) -> Iterator[Finding]:
    refused = list(_refused(report))
    yield from refused or [Finding("fault", "no_observations", "messages arrive, and hold nothing that is understood")]


def _refused(report: Report, decoder: str = "") -> Iterator[Finding]:
    """The most frequent refusal, of one decoder or of all."""
    refused = [(key, count) for key, count in report.status.refused.items() if key.startswith(decoder)]
    for key, count in sorted(refused, key=lambda one: -one[1])[:1]:
        name, _, reason = key.partition(":")
        topics = ", ".join(repr(one.topic) for one in report.sources if one.decoder == name)
        example = report.examples.get(key, reason)
        check = next((one.check for one in Discard if one == reason), "the source's decoder")
        yield Finding("fault", "refused", f"{count} messages of {topics} are no {name} ({reason}); the newest: {example}", f"check {check}")


def _lost(evidence: Evidence, report: Report) -> Iterator[Finding]:
    """Observations that were dropped that may concern people with consent: unmapped, else refused, else by another reason."""
    dropped = report.status.discarded
    placed = dropped.get(Discard.NOT_CONSENTED, 0) if not report.people else 0
    if not placed and any(dropped.get(one) for one in UNMAPPED) and report.unnamed:
        yield from _unnamed(evidence, report)
    if not placed:
        yield from _refused(report)
    worst = max(DROPS, key=lambda one: dropped.get(one, 0))
    if dropped.get(worst) and not placed:
        yield Finding("fault", str(worst), f"{dropped[worst]} observations are dropped ({worst}): {worst.meaning}", f"check {worst.check}")


def _unnamed(evidence: Evidence, report: Report) -> Iterator[Finding]:
    """The ids that no zone and no device of the config names, with the nearest configured one."""
    config = evidence.config
    assert config is not None
    known = [*config.anchors(), *config.devices]
    for name, count in list(report.unnamed.items())[:LISTED_MAX]:
        close = difflib.get_close_matches(name, known, n=1)
        near = f"; nearest: {close[0]!r}" if close else nearest(name, known)
        text = f"{count} observations from {name!r}, which no zone and no device names{near}"
        yield Finding("fault", "unmapped", text, "write it into zones[].anchors (a scanner or beacon) or [devices] (a sensor or till)")


def _no_people(evidence: Evidence, report: Report) -> Iterator[Finding]:
    yield from _lost(evidence, report)
    yield from _refused(report, CONSENTS)
    strangers = report.status.discarded.get(Discard.NOT_CONSENTED, 0)
    seen = f"; {strangers} observations of people without consent were dropped" if strangers else ""
    yield Finding(
        "hold",
        "no_people",
        f"no consent was given yet{seen}",
        "enrol a phone: the page's QR code (wayside page), or a consent of the app on wayside/v1/SITE/up/DEVICE/consent",
    )


def _no_visits(evidence: Evidence, report: Report) -> Iterator[Finding]:
    yield from _lost(evidence, report)
    yield from _unmatched(evidence, report)
    heard = report.status.discarded.get(Discard.UNMAPPED_ANCHOR, 0)
    if heard and not report.unnamed and evidence.config is not None:
        known = list(evidence.config.anchors())
        named = ", ".join(repr(one) for one in known[:LISTED_MAX]) + (" …" if len(known) > LISTED_MAX else "")
        text = f"phones hear beacons that no zone names ({heard} observations), and none of those that zones name: {named}"
        yield Finding("fault", "unmapped", text, "compare zones[].anchors with the id that the phone states")
    yield Finding(
        "hold",
        "no_visits",
        f"{report.people} devices and tags have consent, and none of them was received in a zone",
        "carry one of them to a scanner; check that its tag is the one in the consent",
    )


def _no_decisions(evidence: Evidence, report: Report) -> Iterator[Finding]:
    yield from _lost(evidence, report)
    yield Finding(
        "hold",
        "no_entry",
        f"{report.present} people are near a zone, and none has entered: levels are too low, or too few sightings arrive",
        "compare presence.enter_dbm and samples_min with the levels of your scanners (wayside calibrate)",
    )


def _silent(evidence: Evidence, report: Report) -> Iterator[Finding]:
    """The most frequent reason for which no offer was chosen."""
    reasons = sorted(((one, count) for one, count in report.status.decisions.items() if one not in SENT), key=lambda one: -one[1])
    reason, count = reasons[0]
    total = sum(report.status.decisions.values())
    meaning = next((text for known, text in REASONS.items() if known == reason), reason)
    text = f"{count} of {total} decisions were silent ({reason}): {meaning}{_numbers(reason, evidence)}"
    yield Finding("fault" if reason in FAULTY_REASONS else "hold", f"silent_{reason}", text, "wayside why shows the newest decisions")


def _numbers(reason: str, evidence: Evidence) -> str:
    """The campaign's own numbers behind a reason."""
    bundle, config = evidence.bundle, evidence.config
    if bundle is None or config is None:
        return ""
    policy = bundle.campaign.policy
    now = datetime.fromtimestamp(evidence.now_ms / 1000, ZoneInfo(config.timezone))
    zones = sorted({zone for offer in bundle.campaign.offers for zone in offer.zones})
    numbers = {
        "quiet_hours": f"{_time(policy.quiet_from)} to {_time(policy.quiet_until)}, and it is {now:%H:%M} in {config.timezone}",
        "cap_person_day": f"{policy.per_person_day_max}",
        "cool_down": f"{policy.gap_s_min} s",
        "held_out": f"{policy.holdout:.0%} of people",
        "not_here": f"the campaign has offers for {', '.join(zones[:LISTED_MAX])}",
    }
    return f": {numbers[reason]}" if reason in numbers else ""


def _time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _unsent(_: Evidence, report: Report) -> Iterator[Finding]:
    status = report.status
    if status.triggers_silenced:
        text = f"{status.triggers_silenced} offers were held back, because an incident silences the zone"
        yield Finding("hold", "incident", text, "wayside incident declares its end")
        return
    text = f"{status.triggers} offers were chosen, and the broker has acknowledged none ({status.triggers_expired} have expired)"
    yield Finding("fault", "unsent", text, "check that the broker's access list lets this gateway publish (wayside acl)")


_CAUSES: Mapping[str, Callable[[Evidence, Report], Iterator[Finding]]] = {
    "messages": _no_messages,
    "observations": _nothing_read,
    "people": _no_people,
    "visits": _no_visits,
    "decisions": _no_decisions,
    "offers": _silent,
    "sent": _unsent,
}
"""By step of the funnel: the findings if it is the first without a count."""
