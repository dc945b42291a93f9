"""A fleet against a broker: the clockwork follows the wall clock (or does not), and everything is measured.

Lag is how much later than due a message is handed to its connection, on the wall; behind it stand the broker's pace and
our own. Sent per second and processor time count from the moment when all devices are switched on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from firmware_sim.event_loop import EventLoop
from firmware_sim.fleet.procstat import Meter
from firmware_sim.message import Message
from firmware_sim.wire.pace import Pace
from firmware_sim.wire.sender import Sender

STEP_MS = 5  # at the utmost pace, so much is computed between two looks at the connections
TICK_S = 0.004  # what is due within a tick leaves together: a system call for each message would cost more than making it
WAIT_S_MAX = 0.1
PERCENTILES = (50, 95, 99)

Progress = Callable[[float, int], None]
"""Told now and then how many seconds have passed and how many messages have been sent."""


class Simulation(Protocol):
    """Whatever a clockwork moves."""

    loop: EventLoop

    def run_until(self, end_ms: int) -> None:
        """Let everything happen that is due before then."""


class Lags:
    """How late messages were, in whole milliseconds: counts, so that an hour costs no more than a minute."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def note(self, late_ms: float) -> None:
        """One message."""
        self._counts[int(late_ms)] += 1

    def percentiles(self) -> dict[str, int]:
        """The least lag that so many per cent do not exceed, and the greatest."""
        total, below, found = self._counts.total(), 0, dict[str, int]()
        for late_ms in sorted(self._counts):
            below += self._counts[late_ms]
            for percent in PERCENTILES:
                if below * 100 >= percent * total:
                    found.setdefault(f"p{percent}", late_ms)
        return {**found, "max": max(self._counts)} if total else {}


class Run:
    """One run: give it to a fleet as `say`, then `go`."""

    def __init__(self, sender: Sender, faster: float | None, broker_pid: int | None = None) -> None:
        self.sent = 0
        self._sender, self._faster = sender, faster
        self._lags = Lags()
        self._pace = Pace(faster)
        self._own = Meter()
        self._broker = None if broker_pid is None else Meter(broker_pid)
        self._stopped = False
        self._simulation: Simulation | None = None
        self._steady = (0.0, 0)  # when all were switched on, and how many messages had been sent by then

    def stop(self) -> None:
        """End soon and cleanly."""
        self._stopped = True

    def send(self, device: str, message: Message) -> None:
        """One message leaves."""
        if self._simulation is not None and self._faster is not None:
            self._lags.note(self._pace.late_ms(self._simulation.loop.now_ms))
        self._sender.send(device, message)
        self.sent += 1

    def go(self, simulation: Simulation, seconds: float, ramp_s: float, progress: Progress) -> dict[str, object]:
        """Until `seconds` of published time have passed, `stop()` was called or nothing is planned; returns the figures."""
        self._simulation, end_ms, ramp_ms = simulation, round(seconds * 1000), round(min(ramp_s, seconds) * 1000)
        self._pace = Pace(self._faster)
        now_ms = 0
        while now_ms < end_ms and not self._stopped and simulation.loop.due_ms() is not None:
            now_ms = min(end_ms, self._pace.now_ms(now_ms + STEP_MS))
            simulation.run_until(now_ms)
            if now_ms >= ramp_ms and not self._steady[0]:
                self._begin_steady()
            self._sender.breathe(self._rest_s(simulation.loop.due_ms()))
            progress(now_ms / 1000, self.sent)
        return self._figures()

    def _rest_s(self, due_ms: int | None) -> float:
        """How long there is nothing to do."""
        if due_ms is None or self._faster is None:
            return 0.0
        wait_s = self._pace.wait_s(due_ms)
        return min(WAIT_S_MAX, max(TICK_S, wait_s)) if wait_s > 0 else 0.0

    def _begin_steady(self) -> None:
        self._steady = (self._pace.elapsed_s(), self.sent)
        self._own.restart()
        if self._broker is not None:
            self._broker.restart()

    def _figures(self) -> dict[str, object]:
        elapsed_s = self._pace.elapsed_s()
        own, broker = self._own.cost(), None if self._broker is None else self._broker.cost()
        self._sender.close()
        since_s, before = self._steady
        steady_s = elapsed_s - since_s
        figures: dict[str, object] = {
            "seconds": round(elapsed_s, 2),
            "sent": self.sent,
            "sent_per_s": round((self.sent - before) / steady_s, 1) if steady_s > 0 else 0.0,
            "megabytes": round(self._sender.sent_bytes / 1e6, 2),
            "lag_ms": self._lags.percentiles(),
            "connections": self._sender.connections,
            "cpu_pct": own.cpu_pct,
            "rss_mb": own.rss_mb,
            "unacknowledged": self._sender.unacknowledged(),
        }
        if broker is not None:
            figures |= {"broker_cpu_pct": broker.cpu_pct, "broker_rss_mb": broker.rss_mb}
        return figures
