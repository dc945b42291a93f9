"""The gateway's own state as Prometheus metrics (text format 0.0.4), without numbers that depend on people.

The text is written here, because all numbers are already in one report: the library's registry would hold each a second time, and add
300 kB to the device. Counts of sightings, visits, decisions and offers stay on the gateway: a series of them shows what one person did.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from gateway.core.http import Response, problem
from gateway.core.ports import StoreError
from gateway.runtime.report import make_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gateway.core.http import Handler, Request
    from gateway.runtime.app import App
    from gateway.runtime.report import Report

RESOURCE = "/metrics"
MEDIA_TYPE = "text/plain; version=0.0.4"
WAIT_S = 5.0
HEARD_MS = 3_600_000
ONLINE = "online"


Label = tuple[str, str]


class Metric(NamedTuple):
    """A name without its prefix, its kind and meaning, and its values by label (name, value); a single value has no label."""

    name: str
    kind: str
    meaning: str
    values: Mapping[Label | None, float]


def is_flowing(report: Report, now_ms: int) -> bool:
    """Whether the gateway works from end to end: it is connected, stores, decides with a model, and a source was heard within the hour."""
    is_heard = any(one.newest_ms is not None and now_ms - one.newest_ms < HEARD_MS for one in report.sources)
    return report.connected and report.status.state == ONLINE and bool(report.status.model) and is_heard


def metrics(report: Report, now_ms: int) -> Iterator[Metric]:
    """All metrics of a report."""
    status = report.status
    heard: dict[Label | None, float] = {
        ("topic", one.topic): float(one.newest_ms is not None and now_ms - one.newest_ms < HEARD_MS) for one in report.sources
    }
    yield _one(
        "flowing", "gauge", "1 if it is connected, stores, has a model, and heard a source within the hour", is_flowing(report, now_ms)
    )
    yield _one("connected", "gauge", "1 if it is connected to the broker", report.connected)
    yield _one("connects_total", "counter", "connections to the broker since the start", status.connects)
    yield Metric("source_heard", "gauge", "1 if a message of the source arrived within the hour", heard)
    yield Metric("refused_total", "counter", "messages that no decoder reads, by decoder and reason", _by("reason", status.refused))
    yield _one("messages_shed_total", "counter", "messages dropped because more arrived than can be processed", status.messages_shed)
    yield _one("mailbox_messages", "gauge", "messages that wait to be processed", status.mailbox)
    yield _one("storing", "gauge", "0 if the disk is full or fails", status.state == ONLINE)
    yield _one("cloud_trouble", "gauge", "1 if records do not leave", bool(report.cloud_trouble))
    yield _one("records_waiting", "gauge", "records that wait for the cloud", status.records_waiting)
    yield _one("records_quarantined_total", "counter", "records that the cloud has refused for good", status.records_quarantined)
    yield Metric("model_info", "gauge", "the model in use", {("model", status.model): 1.0} if status.model else {})
    yield _one("memory_bytes", "gauge", "peak resident memory", status.memory_mib * 1024 * 1024)
    if report.written_bytes is not None:
        yield _one("written_bytes_total", "counter", "bytes written to disks since the start", report.written_bytes)
    yield _one("start_time_seconds", "gauge", "start of the process, in seconds since 1970", report.started_ms / 1000)


def text(found: Iterator[Metric]) -> str:
    """Metrics in the text format."""
    return "".join(_lines(one) for one in found)


def exporter(app: App, now_ms: Callable[[], int]) -> Handler:
    """Answers GET of RESOURCE; it never raises."""

    async def handle(request: Request) -> Response:
        if (request.method, request.path) != ("GET", RESOURCE):
            return problem(404, "no_resource", f"GET {RESOURCE} is the only resource")
        try:
            report = await asyncio.wait_for(asyncio.wrap_future(app.mailbox.call(lambda _: make_report(app))), WAIT_S)
        except (TimeoutError, StoreError, asyncio.CancelledError):
            return problem(503, "busy", f"the gateway did not answer within {WAIT_S:g} s: it is starting, stopping, or its disk hangs")
        return Response(200, text(metrics(report, now_ms())).encode(), MEDIA_TYPE)

    return handle


def _one(name: str, kind: str, meaning: str, value: float) -> Metric:
    return Metric(name, kind, meaning, {None: float(value)})


def _by(label: str, counts: Mapping[str, int]) -> dict[Label | None, float]:
    return {(label, name): float(count) for name, count in counts.items()}


def _lines(metric: Metric) -> str:
    head = f"# HELP wayside_{metric.name} {metric.meaning}\n# TYPE wayside_{metric.name} {metric.kind}\n"
    return head + "".join(f"wayside_{metric.name}{_label(label)} {value:.15g}\n" for label, value in metric.values.items())


def _label(label: Label | None) -> str:
    """A label in braces; quotes, backslashes and line ends in its value are escaped."""
    if label is None:
        return ""
    value = label[1].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{{{label[0]}="{value}"}}'
