"""A simulated site in real time against a broker: each message is published at its time on the wall clock, and offers are answered.

Everything runs in one asyncio event loop. The simulation advances in steps of at most `STEP_S_MAX` and waits while a
connection's queue is full: with a slow broker messages are late, not lost.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from firmware_sim.devices import espresense, minew, owntracks, ruuvi, theengs, wayside_v1
from firmware_sim.devices.wayside_v1 import phone_filters
from firmware_sim.faults.rules import Rule
from firmware_sim.message import Message
from firmware_sim.people.truth import TruthRecorder
from firmware_sim.scenario import Scenario
from firmware_sim.street.street import Street
from firmware_sim.wire.broker import Broker, BrokerError
from firmware_sim.wire.connection import Connection
from firmware_sim.wire.pace import Pace

STEP_S_MAX = 0.05
STEP_S_MIN = 0.001
DRAIN_S_MAX = 5.0
RADIO = {espresense.FORMAT, minew.FORMAT, ruuvi.FORMAT, theengs.FORMAT}
APPS = {owntracks.FORMAT, wayside_v1.FORMAT}

Progress = Callable[[float, Street], None]
"""Callback after each step, with the published seconds so far."""


class Live:
    """One run of a scenario against a broker. All messages of a device take the same connection, which keeps their order."""

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
        stay_s: float | None = None,
    ) -> None:
        """`stay_s` as in `Street`."""
        if truth is not None:
            truth.mkdir(parents=True, exist_ok=True)  # a folder that cannot be made is an error before the run, not after it
        self._radio = Connection(broker, "radio")
        self._things = Connection(broker, "things")
        self._apps = Connection(broker, "apps", phone_filters(scenario.site), self._receive)
        self._connections = (self._radio, self._things, self._apps)
        self._truth, self._faster = truth, faster
        self._pace: Pace | None = None
        self._now_ms, self._end_ms = 0, math.inf
        self._wake = asyncio.Event()
        self._is_stopped = False
        start_ms, recorder = time.time_ns() // 1_000_000, TruthRecorder(keep=truth is not None)
        self._street = Street(
            scenario,
            seed=seed,
            start_ms=start_ms,
            publish=self._publish,
            speed=speed,
            walkers=walkers,
            recorder=recorder,
            faults=faults,
            is_answered=True,
            stay_s=stay_s,
        )

    def stop(self) -> None:
        """End the run after the current step; queued messages are still sent."""
        self._is_stopped = True
        self._wake.set()

    async def run(self, seconds: float | None, progress: Progress) -> dict[str, object]:
        """Publish until `seconds` of published time have passed or `stop` is called; returns the summary.

        Raises BrokerError if a connection is refused at the start. A connection that ends later is made again.
        """
        self._end_ms = math.inf if seconds is None else seconds * 1000
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(connection.run()) for connection in self._connections]
                for connection in self._connections:
                    await connection.ready.wait()
                await self._live(progress)
                await self._drain()
                for task in running:
                    task.cancel()
        except ExceptionGroup as group:
            refused = next((error for error in group.exceptions if isinstance(error, BrokerError)), None)
            if refused is None:
                raise
            raise refused from None
        if self._truth is not None:
            self._street.truth().write(self._truth)
        return self._summary()

    async def _live(self, progress: Progress) -> None:
        self._pace = Pace(self._faster)
        while self._now_ms < self._end_ms and not self._is_stopped:
            progress(self._now_ms / 1000, self._street)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s(self._pace)):
                    await self._wake.wait()
            self._wake.clear()
            if not any(connection.is_full for connection in self._connections):
                self._advance(self._pace)

    def _pause_s(self, pace: Pace) -> float:
        """Seconds until the next message is due, within the limits of a step."""
        due_ms = self._street.loop.due_ms()
        return STEP_S_MAX if due_ms is None else max(STEP_S_MIN, min(pace.wait_s(due_ms), STEP_S_MAX))

    def _advance(self, pace: Pace) -> None:
        """Simulate up to now, at most one step and never beyond the end."""
        step_ms = math.ceil(STEP_S_MAX * 1000 * self._faster)
        self._now_ms = math.ceil(min(pace.now_ms(self._now_ms), self._now_ms + step_ms, self._end_ms))
        self._street.run_until(self._now_ms)

    def _receive(self, topic: str, payload: bytes) -> None:
        """Deliver an offer to its phone, which may plan answers."""
        if self._pace is not None:
            self._advance(self._pace)
        self._street.receive(topic, payload)
        self._wake.set()

    async def _drain(self) -> None:
        """Wait until the broker has taken all queued messages, at most `DRAIN_S_MAX`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S_MAX):
                for connection in self._connections:
                    await connection.drained.wait()

    def _summary(self) -> dict[str, object]:
        return {
            "seconds": round(self._now_ms / 1000, 3),
            "mqtt": self._apps.protocol,
            "unacknowledged": sum(connection.unacknowledged() for connection in self._connections),
            "lost": sum(connection.lost for connection in self._connections),
            **self._street.summary(),
        }

    def _publish(self, message: Message) -> None:
        connection = self._radio if message.format in RADIO else self._apps if message.format in APPS else self._things
        connection.publish(message)
