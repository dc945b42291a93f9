"""The diagnosis: findings in the order of causes, so that the first one is the cause of all that follows.

Pure: everything it knows is in the evidence. The order is config, clock, disk, certificates, files, process, broker, then the funnel from
messages to offers with its first zero, then the cloud, and warnings at the end.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.commands.doctor.finding import Certificate, Evidence, Finding
from gateway.commands.doctor.first_zero import first_zero
from gateway.core import limits
from gateway.runtime.echo import DOUBLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.runtime.report import Report
    from gateway.runtime.reserves import Reserves

DISK_FULL_BYTES = 16 * 1024 * 1024  # as much as the database's log takes before it is written back
DISK_LOW_SHARE, DISK_LOW_BYTES = 0.05, 500_000_000
CERTIFICATE_DAYS, BUNDLE_DAYS = 30, 14
DAY_MS = 86_400_000
ECHO_LOST_MS = 10_000  # two echoes are out
CONNECTS_MIN, CONNECT_SPAN_S = 3, 120  # so many connections, each shorter than this on average, are being cut off


def diagnose(evidence: Evidence) -> list[Finding]:
    """The findings, the cause first; empty if offers flow and nothing is to be done soon."""
    if evidence.config_error:
        return [Finding("fault", "config", line) for line in evidence.config_error.splitlines()]
    found = [*_machine(evidence), *_files(evidence), *_process(evidence)]
    if evidence.report is not None:
        broker = list(_broker(evidence, evidence.report))
        found += broker or first_zero(evidence, evidence.report)
        found += _cloud(evidence.report)
    order = {"fault": 0, "hold": 1, "warning": 2}
    return sorted([*found, *_soon(evidence)], key=lambda one: order[one.level])


def _machine(evidence: Evidence) -> Iterator[Finding]:
    """Clock and disk."""
    if evidence.now_ms < limits.CLOCK_FLOOR_MS:
        now = _day(evidence.now_ms)
        yield Finding(
            "fault", "clock", f"this machine's clock is not set: it shows {now}", "set it (timedatectl), and let it follow a time server"
        )
    report = evidence.report
    trouble = report.status.trouble if report is not None else ""
    if report is not None and report.status.state == "holding":
        yield Finding("fault", "disk_full", f"the gateway cannot store: {trouble}", "free some space; the gateway goes on by itself")
    elif evidence.free_bytes is not None and evidence.free_bytes < DISK_FULL_BYTES:
        yield Finding("fault", "disk_full", f"the disk of the database has {evidence.free_bytes // 1024} KiB left", "free some space")


def _files(evidence: Evidence) -> Iterator[Finding]:
    """Certificates that do not hold now, and settings that cannot work."""
    for one in evidence.certificates:
        if one.fault:
            yield Finding("fault", "certificate", f"{one.setting}: {one.path}: {one.fault}", "name a PEM file with a certificate")
        elif one.ends_ms <= evidence.now_ms:
            yield Finding("fault", "certificate_expired", f"{one.setting}: {one.path} has ended on {_day(one.ends_ms)}", _renewal(one))
        elif one.starts_ms > evidence.now_ms:
            text = f"{one.setting}: {one.path} begins on {_day(one.starts_ms)}, and this machine's clock shows {_day(evidence.now_ms)}"
            yield Finding("fault", "certificate_early", text, "set the clock")
    for code, text in evidence.setup:
        yield Finding("fault", code, text)


def _process(evidence: Evidence) -> Iterator[Finding]:
    """No report: the broker's fault first, because a gateway ends without a broker."""
    if evidence.report is not None:
        return
    heard = evidence.heard
    if heard is not None and heard.fault:
        yield Finding("fault", heard.code, heard.fault)
    cause, _, way_out = evidence.absence.partition(": ")
    yield Finding("fault", "no_answer" if evidence.is_running else "not_running", cause, way_out)


def _broker(evidence: Evidence, report: Report) -> Iterator[Finding]:
    """Faults of the connection to the broker."""
    heard, status = evidence.heard, report.status
    if status.trouble.startswith(DOUBLE):
        cause, _, way_out = status.trouble.partition(": ")
        yield Finding("fault", "gateway_double", cause, way_out)
        return
    is_cut_off = status.connects >= CONNECTS_MIN and status.uptime_s < CONNECT_SPAN_S * status.connects
    if is_cut_off or "client id" in report.link_trouble:
        text = f"the connection to the broker was made {status.connects} times in {status.uptime_s} s"
        way = f"look for a second gateway with the name {status.gateway!r} at this broker, else into the broker's log"
        yield Finding("fault", "connection_cut_off", text, way)
    elif not report.connected:
        code = heard.code if heard is not None and heard.fault else "broker"
        yield Finding("fault", code, heard.fault if heard is not None and heard.fault else report.link_trouble)
    elif (status.round_trip_ms or 0) >= ECHO_LOST_MS and not any(one.messages for one in report.sources):
        site = evidence.config.site if evidence.config is not None else ""
        lacks = f"its access list lacks gateway {status.gateway!r} of site {site!r}"
        way = "correct site and gateway in the config, or make the list again (wayside acl CONFIG) and reload the broker"
        yield Finding("fault", "broker_denies", f"the broker delivers nothing to this gateway, not even its own echo: {lacks}", way)
    elif report.link_trouble.startswith("the broker refuses the subscription"):
        cause, _, way_out = report.link_trouble.partition(": ")
        yield Finding("fault", "broker_denies", cause, way_out)


def _cloud(report: Report) -> Iterator[Finding]:
    if report.cloud_trouble:
        text = f"records do not leave ({report.status.records_waiting} wait): {report.cloud_trouble}"
        yield Finding("fault", "cloud", text, "they are kept meanwhile; correct [cloud], or the dashboard")
    if report.status.records_quarantined:
        text = f"the cloud refused {report.status.records_quarantined} records for good"
        yield Finding("fault", "cloud_quarantine", text, "update the dashboard and the gateway to versions that fit")


def _soon(evidence: Evidence) -> Iterator[Finding]:
    """Warnings of a coming end."""
    now_ms, free, whole = evidence.now_ms, evidence.free_bytes, evidence.disk_bytes
    for one in evidence.certificates:
        if now_ms < one.ends_ms <= now_ms + CERTIFICATE_DAYS * DAY_MS:
            yield Finding("warning", "certificate_ends", f"{one.setting}: {one.path} ends on {_day(one.ends_ms)}", _renewal(one))
    if evidence.bundle is not None and evidence.bundle.manifest.expires_at_ms <= now_ms + BUNDLE_DAYS * DAY_MS:
        ends = _day(evidence.bundle.manifest.expires_at_ms)
        yield Finding(
            "warning", "bundle_ends", f"the bundle ends on {ends}; then no offers are sent", "install a newer one (wayside bundle install)"
        )
    if free is not None and whole and DISK_FULL_BYTES <= free < min(DISK_LOW_BYTES, DISK_LOW_SHARE * whole):
        yield Finding("warning", "disk_low", f"the disk of the database has {free // 1_000_000} MB left", "free some space")
    if evidence.report is not None and evidence.report.reserves is not None:
        yield from _reserves(evidence.report.reserves)
    config = evidence.config
    if config is not None and config.privacy.demonstration:
        text = "privacy.demonstration is true: counts leave with less protection than people need"
        yield Finding("warning", "demonstration", text, "remove it before real people take part")


def _reserves(reserves: Reserves) -> Iterator[Finding]:
    """Wear above the budget, and a buffer that ends soon."""
    if reserves.is_worn and reserves.written_day_bytes is not None:
        written, budget = reserves.written_day_bytes // 1_000_000, reserves.written_day_bytes_max // 1_000_000
        text = f"{written} MB are written a day, {budget} are in the budget"
        way = "look which source sends most (sources above), or raise store.written_mb_day_max for a larger disk"
        yield Finding("warning", "wear", text, way)
    if reserves.is_short:
        text = f"without the cloud the outbox or the disk is full in {reserves.buffer_hours:g} hours"
        yield Finding("warning", "buffer_short", text, "free some space, and let records leave (cloud)")


def _renewal(one: Certificate) -> str:
    return (
        "renew it (wayside pki issue NAME); the gateway reads it at the next connection" if one.setting.startswith("mqtt.") else "renew it"
    )


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")
