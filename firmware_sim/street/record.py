"""Recording of a scenario's open loop as JSON lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from firmware_sim.faults.rules import Rule
from firmware_sim.message import Message
from firmware_sim.people.truth import TruthRecorder
from firmware_sim.scenario import Scenario
from firmware_sim.street.street import Street
from firmware_sim.wire.recording import Writer


def record(
    scenario: Scenario,
    file: Path,
    *,
    seed: int,
    seconds: float,
    speed: float | None = None,
    walkers: int | None = None,
    truth: Path | None = None,
    faults: Sequence[Rule] = (),
) -> dict[str, object]:
    """Write `seconds` of published time to `file`, and with `truth` the ground truth to that folder; returns the summary.

    `firmware_sim.wire.recording` defines the format and the digest. Raises OSError if a file cannot be written.
    """
    recorder = TruthRecorder(keep=truth is not None)
    if truth is not None:
        truth.mkdir(parents=True, exist_ok=True)  # a folder that cannot be written fails before the run
    with file.open("wb") as lines:
        writer = Writer(lines)

        def write(message: Message) -> None:
            writer.write(street.loop.now_ms, message)

        street = Street(
            scenario, seed=seed, start_ms=scenario.start_ms, publish=write, speed=speed, walkers=walkers, recorder=recorder, faults=faults
        )
        street.run_until(round(seconds * 1000))
    if truth is not None:
        street.truth().write(truth)
    return {"digest": writer.digest, **street.summary()}
