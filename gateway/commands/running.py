"""The report of the running gateway, over its local socket, and the numbers from broker to offer that follow from it."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from gateway.adapters.desk_client import get
from gateway.build_services import report_socket
from gateway.core.policy.gates import CHOSEN, SERVICE
from gateway.core.refusal import Refusal
from gateway.runtime.report import RESOURCE, Report

if TYPE_CHECKING:
    from gateway.config import Config

WAIT_S = 8.0
SENT = (CHOSEN.reason, SERVICE.reason)


class AbsentError(Refusal):
    """No gateway answers: `is_running` is whether one listens; the text names the cause and the way out."""

    def __init__(self, text: str, *, is_running: bool) -> None:
        super().__init__(text)
        self.is_running = is_running


class Step(NamedTuple):
    """One number of the funnel, with its meaning."""

    name: str
    number: int
    meaning: str


def fetch(settings: Config) -> Report:
    """The report of the gateway of this config. Raises AbsentError."""
    path = report_socket(settings)
    try:
        is_there = stat.S_ISSOCK(path.stat().st_mode)
        status, body = get(path, RESOURCE, WAIT_S)
    except TimeoutError:
        raise AbsentError(f"the gateway did not answer within {WAIT_S:g} s: look into its log, and restart it", is_running=True) from None
    except PermissionError:
        text = f"{path} belongs to another user: run this command as the user of the gateway, or with sudo"
        raise AbsentError(text, is_running=True) from None
    except OSError:
        raise AbsentError("the gateway is not running: start it with `wayside run`, or its service", is_running=False) from None
    if not is_there or status != 200:
        raise AbsentError(f"the gateway is busy (status {status}): repeat the command, and look into its log", is_running=True)
    try:
        return msgspec.json.decode(body, type=Report)
    except msgspec.DecodeError:
        raise AbsentError("the running gateway is of another version: restart it", is_running=True) from None


def funnel(report: Report) -> list[Step]:
    """The steps from broker to offer since the start of the gateway, in order."""
    status = report.status
    return [
        Step("connected", int(report.connected), "connection to the broker"),
        Step("messages", sum(one.messages for one in report.sources), "messages of the configured sources"),
        Step("observations", sum(status.observations_by_decoder.values()), "observations that the decoders read in them"),
        Step("people", report.people, "devices and tags with consent"),
        Step("visits", status.visits["entered"] + report.present, "visits and approaches of them to zones"),
        Step("decisions", sum(status.decisions.values()), "decisions, on entering and other occasions"),
        Step("offers", sum(status.decisions.get(reason, 0) for reason in SENT), "decisions for an offer"),
        Step("sent", status.triggers_sent, "offers that the broker acknowledged"),
    ]
