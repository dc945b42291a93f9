"""The status of a gateway: the lines of `wayside run --json`, the source of the demo's summary, and the retained message.

The full status has totals of the gateway's work and stays on the gateway, because totals of people's doings show what one person did.
The retained message has only the fields that do not depend on people.
"""

from __future__ import annotations

import math
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.core.discards import Discard
from gateway.core.policy.choose import LEARNED, PLAIN
from gateway.runtime.echo import ROUND_TRIP_MS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.core.bus import Link
    from gateway.core.learning.health import Health
    from gateway.core.ports import Counted
    from gateway.runtime.counters import Counters
    from gateway.runtime.router import Router
    from gateway.runtime.trigger_sender import TriggerSender
    from gateway.runtime.uplink import UplinkThread


class LearningStatus(msgspec.Struct, frozen=True):
    """The policy that decides, answers learned from, alarms of drift, and the two policies' log-loss; see `gateway.core.learning.health`.

    `started` is the number of times that learning began anew since the start of the process, because of other predictors.
    """

    policy: str
    answers: int
    alarms: int
    calibration_error: float | None
    log_loss: float
    log_loss_plain: float
    started: int


class RetainedStatus(msgspec.Struct, frozen=True):
    """The fields of the status that leave the gateway, in the retained message."""

    v: int
    gateway: str
    state: str
    at_ms: int
    uptime_s: int
    protocol: str
    connects: int
    records_waiting: int
    records_quarantined: int
    record_taken_at_ms: int | None
    demonstration: bool
    model: str
    trouble: str


class GatewayStatus(msgspec.Struct, frozen=True):
    """See the fields; times in milliseconds, memory in MiB (the process's peak resident set).

    `trigger_ms` run from the arrival at the broker to the publication of the trigger; `round_trip_ms` is the newest way of a message to the
    broker and back to the writer, or the age of one that is still out (None: not known yet).
    """

    v: int
    gateway: str
    state: str
    at_ms: int
    uptime_s: int
    protocol: str
    connects: int
    queues_lost: int
    messages: int
    messages_shed: int
    messages_by_decoder: dict[str, int]
    observations_by_decoder: dict[str, int]
    refused: dict[str, int]
    kept: int
    discarded: dict[Discard, int]
    visits: dict[str, int]
    facts: int
    decisions: dict[str, int]
    triggers: int
    triggers_sent: int
    triggers_expired: int
    triggers_silenced: int
    answers: dict[str, int]
    outcomes: dict[str, int]
    learning: LearningStatus | None
    coupons_clashed: int
    screens: dict[str, int]
    contacts_dropped: int
    contacts_elsewhere: int
    records_made: int
    records_taken: int
    records_waiting: int
    records_quarantined: int
    record_taken_at_ms: int | None
    observed_at_ms: int | None
    trigger_ms_p50: float | None
    trigger_ms_p99: float | None
    round_trip_ms: int | None
    demonstration: bool
    mailbox: int
    model: str
    memory_mib: float
    trouble: str


def gateway_status(
    state: str,
    now_ms: int,
    counters: Counters,
    *,
    gateway: str,
    link: Link,
    router: Router,
    triggers: TriggerSender,
    uplink: UplinkThread | None,
    records_waiting: int,
    counted: Counted,
    is_demonstration: bool,
    mailbox: int,
    round_trip_ms: int | None,
    model: str,
    health: Health | None,
) -> GatewayStatus:
    """The status at `now_ms`; `mailbox` is the number of messages taken from the broker and not yet processed.

    `health` is that of the learned policy, None if the campaign does not learn.
    """
    counts = counters.counts
    return GatewayStatus(
        v=1,
        gateway=gateway,
        state=state,
        at_ms=now_ms,
        uptime_s=(now_ms - counters.started_ms) // 1000,
        protocol=link.protocol,
        connects=link.connects,
        messages_by_decoder=dict(router.messages),
        observations_by_decoder=dict(router.observations),
        refused=dict(router.refused),
        discarded=dict(counters.discarded + router.discarded),
        triggers_sent=triggers.sent,
        triggers_expired=triggers.expired,
        triggers_silenced=triggers.silenced,
        learning=_learning(health, counts["learning_begun"]) if health is not None else None,
        contacts_dropped=counted.contacts_dropped,
        records_made=counted.records,
        records_taken=uplink.taken if uplink else 0,
        records_waiting=records_waiting,
        records_quarantined=uplink.quarantined if uplink else 0,
        record_taken_at_ms=uplink.taken_at_ms if uplink else None,
        round_trip_ms=round_trip_ms,
        demonstration=is_demonstration,
        mailbox=mailbox,
        model=model,
        memory_mib=peak_memory_mib(),
        trouble=counters.trouble or link.trouble or _late(round_trip_ms) or (uplink.trouble if uplink else ""),
        **_counted(counters),
    )


def _counted(counters: Counters) -> dict[str, Any]:
    """The fields that are counted since the start."""
    counts = counters.counts
    alone = ("queues_lost", "messages", "messages_shed", "kept", "facts", "triggers", "coupons_clashed", "contacts_elsewhere")
    groups = {
        "visits": ("entered", "dwelled", "left"),
        "answers": ("shown", "opened", "accepted", "dismissed", "redeemed"),
        "outcomes": ("outcome_sent", "outcome_held_out", "answers_late", "windows_refused"),
        "screens": ("screen_group", "screen_house", "screen_plays"),
    }
    return {
        **{name: counts[name] for name in alone},
        **{group: {name: counts[name] for name in names} for group, names in groups.items()},
        "decisions": dict(counters.reasons),
        "observed_at_ms": counters.observed_at_ms,
        "trigger_ms_p50": percentile(counters.latencies_ms, 0.50),
        "trigger_ms_p99": percentile(counters.latencies_ms, 0.99),
    }


def _late(round_trip_ms: int | None) -> str:
    """The trouble of a gateway that its messages reach too late; empty if they come in time."""
    if round_trip_ms is None or round_trip_ms <= ROUND_TRIP_MS_MAX:
        return ""
    return (
        f"a message takes {round_trip_ms / 1000:.1f} s from the broker to a decision: more messages come than this machine handles, or the "
        "broker or the network is slow; compare messages and messages_shed, and give scanners a longer interval"
    )


def _learning(health: Health, started: int) -> LearningStatus:
    policy = PLAIN if health.demoted else LEARNED
    return LearningStatus(policy, health.answers, health.alarms, health.calibration_error, health.learned.mean, health.plain.mean, started)


def retained(status: GatewayStatus) -> RetainedStatus:
    """The part of the status that leaves the gateway."""
    return RetainedStatus(*[getattr(status, name) for name in RetainedStatus.__struct_fields__])


def percentile(values: Iterable[float], share: float) -> float | None:
    """The smallest value that is at least as large as `share` of the values; None without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def peak_memory_mib() -> float:
    """Peak resident memory of this process in MiB.

    Linux counts the peak of the process that started this one into `ru_maxrss` (getrusage(2), execve(2)), so VmHWM is read there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return round(int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024), 1)
