"""The gateway's own state as Prometheus metrics (text format 0.0.4), without numbers of what people do.

The text is written here, because all numbers are already in one report: the library's registry would hold each a second time, and add
300 kB to the device. Counts of sightings, visits, decisions and offers stay on the gateway: a series of them shows what one
person did. Sources that place people are left out as well. Memory and bytes written rise with traffic, so keep the address on the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway.core.http import Response
from gateway.runtime.report import reporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gateway.core.http import Handler
    from gateway.runtime.app import App
    from gateway.runtime.report import Report, SourceReport

RESOURCE = "/metrics"
MEDIA_TYPE = "text/plain; version=0.0.4"
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
    """Whether the gateway works from end to end: it is connected, stores, decides with a model, and hears its sensors, if it has any."""
    sensors = [one for one in report.sources if one.is_of_sensors]
    is_heard = any(_is_heard(one, now_ms) for one in sensors) or not sensors
    return report.connected and report.status.state == ONLINE and bool(report.status.model) and is_heard


def _is_heard(source: SourceReport, now_ms: int) -> bool:
    return source.newest_ms is not None and now_ms - source.newest_ms < HEARD_MS


def metrics(report: Report, now_ms: int) -> Iterator[Metric]:
    """All metrics of a report."""
    status = report.status
    heard: dict[Label | None, float] = {("topic", one.topic): float(_is_heard(one, now_ms)) for one in report.sources if one.is_of_sensors}
    yield _one(
        "flowing", "gauge", "1 if it is connected, stores, has a model, and heard a sensor within the hour", is_flowing(report, now_ms)
    )
    yield _one("connected", "gauge", "1 if it is connected to the broker", report.connected)
    yield _one("connects_total", "counter", "connections to the broker since the start", status.connects)
    yield Metric("source_heard", "gauge", "1 if a message of the source of sensors arrived within the hour", heard)
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
    if report.reserves is not None:
        yield _one("written_bytes_day_max", "gauge", "budget of bytes written a day", report.reserves.written_day_bytes_max)
        yield _one("wear_alarm", "gauge", "1 if more is written than the budget", report.reserves.is_worn)
        if report.reserves.buffer_hours is not None:
            yield _one(
                "buffer_hours", "gauge", "hours until the outbox or the disk is full without the cloud", report.reserves.buffer_hours
            )
    yield _one("start_time_seconds", "gauge", "start of the process, in seconds since 1970", report.started_ms / 1000)


def text(found: Iterator[Metric]) -> str:
    """Metrics in the text format."""
    return "".join(_lines(one) for one in found)


def exporter(app: App, now_ms: Callable[[], int]) -> Handler:
    """Answers GET of RESOURCE; it never raises."""
    return reporter(app, RESOURCE, lambda report: Response(200, text(metrics(report, now_ms())).encode(), MEDIA_TYPE))


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
