"""A street in real time: the clockwork follows the wall clock, messages go out, offers come in.

One thread turns the clockwork; the connections' threads only hand offers to it through a queue. The same
queue carries the wish to end, so that a signal, the last second and an offer are all one kind of waking.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

from firmware_sim.devices import espresense, minew, owntracks, ruuvi, theengs, wayside_v1
from firmware_sim.devices.wayside_v1 import offers_filter
from firmware_sim.faults.rules import Rule
from firmware_sim.message import Message
from firmware_sim.people.truth import TruthRecorder
from firmware_sim.scenario import Scenario
from firmware_sim.street.street import Street
from firmware_sim.wire.broker import Broker, Wire
from firmware_sim.wire.pace import Pace

TICK_S_MAX = 0.05
DRAIN_S_MAX = 5.0
RADIO = {espresense.FORMAT, minew.FORMAT, ruuvi.FORMAT, theengs.FORMAT}
APPS = {owntracks.FORMAT, wayside_v1.FORMAT}

Progress = Callable[[float, Street], None]
"""Told now and then how many seconds have passed."""


class Live:
    """One run against a broker. A device's messages all take the same connection, so they stay in order."""

    def __init__(
        self,
        scenario: Scenario,
        broker: Broker,
        *,
        seed: int,
        speed: float | None = None,
        walkers: int | None = None,
        truth: Path | None = None,
        faults: Sequence[Rule] = (),
        faster: float = 1.0,
    ) -> None:
        if truth is not None:
            truth.mkdir(parents=True, exist_ok=True)  # what cannot be written is better known before the run
        self._inbox: SimpleQueue[tuple[str, bytes] | None] = SimpleQueue()
        self._radio = Wire(broker, "radio")
        self._things = Wire(broker, "things")
        self._apps = Wire(broker, "apps", offers_filter(scenario.site), lambda topic, payload: self._inbox.put((topic, payload)))
        self._wires = (self._radio, self._things, self._apps)
        self._truth, self._pace = truth, Pace(faster)
        start_ms, recorder = time.time_ns() // 1_000_000, TruthRecorder(keep=truth is not None)
        self._street = Street(
            scenario, seed=seed, start_ms=start_ms, publish=self._publish, speed=speed, walkers=walkers, recorder=recorder, faults=faults
        )

    def stop(self) -> None:
        """End soon and cleanly; safe to call from a signal handler."""
        self._inbox.put(None)

    def run(self, seconds: float | None, progress: Progress) -> dict[str, object]:
        """Publish until `seconds` of published time have passed or `stop()` was called; returns the summary."""
        self._pace = Pace(self._pace.faster)
        now_ms = 0
        while seconds is None or now_ms < seconds * 1000:
            self._street.run_until(now_ms)
            progress(now_ms / 1000, self._street)
            if not self._wait():
                break
            now_ms = self._pace.now_ms(now_ms)
        return self._end(now_ms / 1000)

    def _wait(self) -> bool:
        """Sleep until something is due or an offer comes; False when it is time to end."""
        due_ms = self._street.loop.due_ms()
        due_s = TICK_S_MAX if due_ms is None else self._pace.wait_s(due_ms)
        try:
            received = self._inbox.get(timeout=max(0.001, min(due_s, TICK_S_MAX)))
        except Empty:
            return True
        if received is None:
            return False
        self._street.run_until(self._pace.now_ms(self._street.loop.now_ms))
        self._street.receive(*received)
        return True

    def _end(self, elapsed: float) -> dict[str, object]:
        """Nothing new any more; let the broker acknowledge what it has been given, and part."""
        give_up = time.monotonic() + DRAIN_S_MAX
        while any(wire.unacknowledged() for wire in self._wires) and time.monotonic() < give_up:
            time.sleep(0.01)
        for wire in self._wires:
            wire.close()
        if self._truth is not None:
            self._street.truth().write(self._truth)
        return {
            "seconds": round(elapsed, 3),
            "mqtt": self._apps.protocol,
            "unacknowledged": sum(wire.unacknowledged() for wire in self._wires),
            "lost": sum(wire.lost for wire in self._wires),
            **self._street.summary(),
        }

    def _publish(self, message: Message) -> None:
        wire = self._radio if message.format in RADIO else self._apps if message.format in APPS else self._things
        wire.publish(message.topic, message.payload, message.qos, retain=message.retain)
