"""The texts of a diagnosis and of a report, line by line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.commands.running import funnel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.commands.doctor.finding import Evidence, Finding
    from gateway.runtime.report import Report
    from gateway.runtime.reserves import Reserves

DAY_S = 86_400
NAMES = {"fault": "FAULT", "hold": "HOLD", "warning": "WARNING"}


def lines(evidence: Evidence, findings: Sequence[Finding]) -> Iterator[str]:
    """The findings, then the state of the gateway."""
    if not findings:
        yield "No fault: offers flow from the broker to phones."
    for finding in findings:
        yield f"{NAMES[finding.level]} {finding.text}"
        if finding.way_out:
            yield f"  next: {finding.way_out}"
    yield ""
    if evidence.report is not None:
        yield from report_lines(evidence.report, evidence.now_ms)
    yield from _machine(evidence)


def report_lines(report: Report, now_ms: int) -> Iterator[str]:
    """The funnel and each source of a running gateway."""
    status = report.status
    yield f"{status.gateway} of {report.site}: {status.state} for {_span(status.uptime_s)}, {status.protocol or 'not connected'}"
    for step in funnel(report):
        yield f"  {step.name:<13}{step.number:>9,}  {step.meaning}"
    yield "sources"
    for one in report.sources:
        newest = f"newest {_span((now_ms - one.newest_ms) // 1000)} ago" if one.newest_ms is not None else "no message yet"
        yield f"  {one.topic:<34}{one.messages:>9,}  {newest}"
    for title, counts in (
        ("refused", status.refused),
        ("dropped", status.discarded),
        ("unnamed", report.unnamed),
        ("decided", status.decisions),
    ):
        if counts:
            ordered = sorted(counts.items(), key=lambda one: -one[1])
            yield f"{title:<9}{', '.join(f'{name} {count:,}' for name, count in ordered[:8])}"
    yield f"model    {status.model or 'none: no offer is sent'}"
    yield f"cloud    {_cloud(report, now_ms)}"
    if report.reserves is not None:
        yield f"wear     {_wear(report.reserves)}"
        yield f"buffer   {_buffer(report.reserves)}"


def _cloud(report: Report, now_ms: int) -> str:
    status = report.status
    if report.cloud_trouble:
        return report.cloud_trouble
    taken = f", newest taken {_span((now_ms - status.record_taken_at_ms) // 1000)} ago" if status.record_taken_at_ms is not None else ""
    return f"{status.records_waiting:,} records wait, {status.records_taken:,} taken{taken}"


def _wear(reserves: Reserves) -> str:
    budget = f"{reserves.written_day_bytes_max / 1e6:,.0f} MB a day in the budget"
    if reserves.written_day_bytes is None:
        return f"{budget}; the rate is known after an hour"
    return f"{reserves.written_day_bytes / 1e6:,.0f} MB written a day at the rate since the start, {budget}"


def _buffer(reserves: Reserves) -> str:
    room = f"database {reserves.store_bytes / 1e6:.1f} MB, {reserves.free_bytes / 1e9:.1f} GB free"
    hours = (
        f"{reserves.buffer_hours:,.0f} hours left without the cloud" if reserves.buffer_hours is not None else "no end at the present rate"
    )
    return f"{hours}; {room}"


def _machine(evidence: Evidence) -> Iterator[str]:
    """Clock, disk, wear, certificates, bundle and privacy."""
    config = evidence.config
    if config is None:
        return
    yield f"clock    {_moment(evidence.now_ms)}"
    if evidence.free_bytes is not None and evidence.store_bytes is not None:
        yield f"disk     {evidence.free_bytes / 1e9:.1f} GB free, database {evidence.store_bytes / 1e6:.1f} MB"
    for one in evidence.certificates:
        if not one.fault:
            yield f"until    {_moment(one.ends_ms)}  {one.setting}"
    if evidence.bundle is not None:
        manifest = evidence.bundle.manifest
        yield f"until    {_moment(manifest.expires_at_ms)}  bundle {manifest.name} {manifest.version}"
    privacy = config.privacy
    mode = ", demonstration" if privacy.demonstration else ""
    yield f"privacy  epsilon {privacy.epsilon_day:g} a day, counts every {privacy.window_s} s{mode}"


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _span(seconds: int) -> str:
    """A time span with its largest unit."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
