"""Run of a fleet or a recording against a broker, with measurements.

The lag is the time between the due time of a message and its handover to a connection, on the wall clock; it includes delays of
the broker and of the simulator. Rates and CPU use are measured from the moment when all devices are switched on.
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

STEP_MS = 5  # at maximum pace, simulated time between two checks of the connections
TICK_S = 0.004  # messages due within a tick are sent together: a system call each would cost more than creating them
WAIT_S_MAX = 0.1
PERCENTILES = (50, 95, 99)

Progress = Callable[[float, int], None]
"""Callback with the elapsed seconds and the number of messages sent."""


class Simulation(Protocol):
    """A simulation on an event loop."""

    loop: EventLoop

    def run_until(self, end_ms: int) -> None:
        """Run all actions due before `end_ms`."""


class Lags:
    """Histogram of lags in whole milliseconds: constant memory, however long the run."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def note(self, late_ms: float) -> None:
        """Add one message."""
        self._counts[int(late_ms)] += 1

    def percentiles(self) -> dict[str, int]:
        """Percentiles (nearest rank) and the maximum in milliseconds; empty without messages."""
        total, below, found = self._counts.total(), 0, dict[str, int]()
        for late_ms in sorted(self._counts):
            below += self._counts[late_ms]
            for percent in PERCENTILES:
                if below * 100 >= percent * total:
                    found.setdefault(f"p{percent}", late_ms)
        return {**found, "max": max(self._counts)} if total else {}


class Run:
    """One run: pass `send` to the simulation, then call `go`."""

    def __init__(self, sender: Sender, faster: float | None, broker_pid: int | None = None) -> None:
        self.sent = 0
        self._sender, self._faster = sender, faster
        self._lags = Lags()
        self._pace = Pace(faster)
        self._own = Meter()
        self._broker = None if broker_pid is None else Meter(broker_pid)
        self._stopped = False
        self._simulation: Simulation | None = None
        self._steady = (0.0, 0)  # elapsed seconds and messages sent when all devices were on

    def stop(self) -> None:
        """End the run after the current step; safe to call from a signal handler."""
        self._stopped = True

    def send(self, device: str, message: Message) -> None:
        """Send one message and record its lag."""
        if self._simulation is not None and self._faster is not None:
            self._lags.note(self._pace.late_ms(self._simulation.loop.now_ms))
        self._sender.send(device, message)
        self.sent += 1

    def go(self, simulation: Simulation, seconds: float, ramp_s: float, progress: Progress) -> dict[str, object]:
        """Run until `seconds` of published time have passed, `stop()` is called or nothing is scheduled; returns the figures."""
        self._simulation, end_ms, ramp_ms = simulation, round(seconds * 1000), round(min(ramp_s, seconds) * 1000)
        self._pace = Pace(self._faster)
        now_ms = 0
        while now_ms < end_ms and not self._stopped and simulation.loop.due_ms() is not None:
            now_ms = min(end_ms, self._pace.now_ms(now_ms + STEP_MS))
            simulation.run_until(now_ms)
            if now_ms >= ramp_ms and not self._steady[0]:
                self._begin_steady()
            self._sender.exchange(self._rest_s(simulation.loop.due_ms()))
            progress(now_ms / 1000, self.sent)
        return self._figures()

    def _rest_s(self, due_ms: int | None) -> float:
        """Seconds until the next action, at least TICK_S and at most WAIT_S_MAX; 0 at maximum pace."""
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
