"""`wayside calibrate`: measures the site's path loss and each anchor's offset on a short walk with a tape measure.

A person with a tag stands still for some seconds at marks, which are known distances from known anchors, while sightings are recorded.
One line for the site (level at one metre, loss per tenfold distance) and one offset per anchor are fitted by least squares to the mean
power at each mark; presence uses the same mean.
"""

from __future__ import annotations

import asyncio
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import numpy as np
import typer

from gateway.build import build_router
from gateway.commands.broker import connect
from gateway.commands.decode import wire_payload
from gateway.commands.options import CONFIG_FILE, ConfigOption, command_app, load
from gateway.core.radio import Sample, mean_dbm, milliwatts
from gateway.core.refusal import Refusal, WrongUse
from gateway.core.types import Message, Sighting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from gateway.runtime.router import Router

SAMPLES_MIN = 5  # per mark: the mean of fewer sightings depends more on fading than on distance
MARKS_MIN = 3
DISTANCE_M_MIN = 0.3
DISTANCE_M_MAX = 100.0


command = command_app()


@command.command()
def calibrate(
    tag: Annotated[str, typer.Option(help="id of the carried tag (as in sightings), or of a phone that receives beacons")],
    config: ConfigOption = CONFIG_FILE,
    walk: Annotated[Path | None, typer.Option(help="file of a recorded measurement: messages with at_ms, and marks, as JSON lines")] = None,
    broker: Annotated[str | None, typer.Option(help="measure now instead, with messages of the broker mqtt://host:port")] = None,
    mark: Annotated[list[str] | None, typer.Option(help="a position as anchor=metres; repeat it for several distances")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="seconds to listen at each mark")] = 20.0,
) -> None:
    """Measure path loss and each anchor's offset with a tag at known distances, and print them as TOML for the config.

    Example: `wayside calibrate --config wayside.toml --broker mqtt://127.0.0.1:1883 --tag e375cf000001 --mark plaza=1 --mark plaza=4`
    """
    settings = load(config)
    if (walk is None) == (broker is None) or bool(broker) != bool(mark):
        raise WrongUse("no recording, or two", "give either --walk FILE, or --broker URL with a --mark for each position")
    router = build_router(settings)
    if walk is not None:
        recordings = read_walk(walk, router)
    else:
        recordings = asyncio.run(listen(broker or "", router, [parse_mark(text) for text in mark or ()], seconds, _ask))
    typer.echo(fit_walk(recordings, tag, settings.anchors()).config(), nl=False)


async def _ask(mark: Mark) -> None:
    """Return when Enter is pressed; the connection stays alive meanwhile. Raises typer.Abort at the end of the input."""
    typer.echo(f"Stand {mark.distance_m:g} m from {mark.anchor}, stay there, and press Enter: ", nl=False, err=True)
    await _readable()
    if not sys.stdin.readline():
        raise typer.Abort


async def _readable() -> None:
    """Return when standard input has a line or has ended; at once where it is a file, which never blocks."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(sys.stdin, ready.set)
    except (OSError, ValueError):
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sys.stdin)


class CalibrationError(Refusal):
    """The walk cannot be used; the text names the cause and the way out."""


class Mark(NamedTuple):
    """A position at a known distance from an anchor; in a recorded walk with the time span (ms) of standing there."""

    anchor: str
    distance_m: float
    from_ms: int = 0
    until_ms: int = 0


class MarkLevel(NamedTuple):
    """Mean level of the sightings at a mark."""

    anchor: str
    distance_m: float
    level_dbm: float
    samples: int


class Calibration(NamedTuple):
    """The fitted settings, the residual of the fit, and the number of marks used."""

    reference_dbm: float
    exponent: float
    offset_db: dict[str, float]
    residual_db: float
    marks: int

    def config(self) -> str:
        """The settings as TOML."""
        lines = [
            f"# From {self.marks} marks, with a residual of {self.residual_db:.1f} dB (2 to 4 dB are usual in rooms).",
            "[presence]",
            f"reference_dbm = {self.reference_dbm:.1f}",
            f"exponent = {self.exponent:.2f}",
            "",
            "[presence.offset_db]",
            *(f"{msgspec.json.encode(anchor).decode()} = {offset:.1f}" for anchor, offset in sorted(self.offset_db.items())),
        ]
        return "\n".join(lines) + "\n"


def fit_walk(recordings: Sequence[tuple[Mark, Sequence[Sighting]]], tag: str, anchors: Sequence[str]) -> Calibration:
    """The path loss of the site and the offset of each anchor, from the sightings at each mark. Raises CalibrationError."""
    for mark, _ in recordings:
        if mark.anchor not in anchors:
            raise CalibrationError(f"{mark.anchor!r} is not an anchor of any zone; known: {', '.join(anchors)}")
    return fit([found for mark, sightings in recordings if (found := level_at(mark, sightings, tag))])


def fit(marks: Sequence[MarkLevel]) -> Calibration:
    """Least-squares fit of path loss and offsets to the levels at the marks. Raises CalibrationError if they do not determine it."""
    if len(marks) < MARKS_MIN or len({mark.distance_m for mark in marks}) < MARKS_MIN:
        raise CalibrationError(
            f"only {len(marks)} usable marks (with {SAMPLES_MIN} sightings or more): use {MARKS_MIN} distances, such as 1, 3 and 6 m"
        )
    anchors = sorted({mark.anchor for mark in marks})
    design = np.array([[*(float(mark.anchor == anchor) for anchor in anchors), _slope(mark.distance_m)] for mark in marks])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise CalibrationError(
            "no anchor has marks at two distances, so the path loss is unknown: add a mark at another distance from one of them"
        )
    levels = np.array([mark.level_dbm for mark in marks])
    *references, exponent = np.linalg.lstsq(design, levels, rcond=None)[0]
    if exponent <= 0:
        raise CalibrationError("the level rises with the distance: check the distances and the anchors of the marks")
    reference = float(np.mean(references))
    residual = float(np.sqrt(np.mean((levels - design @ np.array([*references, exponent])) ** 2)))
    offsets = {anchor: reference - float(own) for anchor, own in zip(anchors, references, strict=True)}
    return Calibration(reference, float(exponent), offsets, residual, len(marks))


def level_at(mark: Mark, sightings: Iterable[Sighting], tag: str) -> MarkLevel | None:
    """Mean level between the mark's anchor and the tag (or phone); None with fewer than SAMPLES_MIN sightings."""
    levels = [one.rssi_dbm for one in sightings if (mark.anchor, tag) in ((one.hearer, one.heard), (one.heard, one.hearer))]
    if len(levels) < SAMPLES_MIN:
        return None
    samples: list[Sample] = [(0, milliwatts(level)) for level in levels]
    return MarkLevel(mark.anchor, mark.distance_m, mean_dbm(samples), len(samples))


def read_walk(path: Path, router: Router) -> list[tuple[Mark, list[Sighting]]]:
    """The marks of a recorded walk, each with the sightings during its time span. Raises CalibrationError, OSError.

    JSON lines: a message as `wayside replay` reads it, with `at_ms`; a mark as `{"anchor", "distance_m", "from_ms", "until_ms"}`.
    """
    marks: list[Mark] = []
    sightings: list[tuple[int, Sighting]] = []
    for number, text in enumerate(path.read_bytes().splitlines(), 1):
        if text.strip():
            try:
                line = msgspec.json.decode(text, type=dict[str, Any])
                if "distance_m" in line:
                    marks.append(msgspec.convert([line[name] for name in Mark._fields], Mark))
                else:
                    message = Message(line["topic"], wire_payload(line), int(line["at_ms"]))
                    sightings += [(message.received_at_ms, one) for one in _sightings(router, message)]
            except (KeyError, TypeError, ValueError) as error:
                raise CalibrationError(f"{path}:{number}: neither a message with at_ms nor a mark ({error})") from None
    return [(mark, [one for at_ms, one in sightings if mark.from_ms <= at_ms < mark.until_ms]) for mark in marks]


async def listen(
    broker: str, router: Router, marks: Iterable[Mark], seconds: float, ask: Callable[[Mark], Awaitable[None]]
) -> list[tuple[Mark, list[Sighting]]]:
    """Record sightings for `seconds` at each mark, after `ask` has returned. Raises BrokerError."""
    sightings: list[Sighting] = []
    found = []
    async with connect(broker, lambda message: sightings.extend(_sightings(router, message))) as connection:
        await connection.subscribe("#")
        for mark in marks:
            await ask(mark)
            sightings.clear()  # those of the way to the mark
            await connection.wait(seconds)
            found.append((mark, sightings.copy()))
    return found


def parse_mark(text: str) -> Mark:
    """The mark of a text `anchor=metres`. Raises CalibrationError."""
    anchor, equals, metres = text.rpartition("=")
    try:
        distance_m = float(metres)
    except ValueError:
        distance_m = 0.0
    if not equals or not anchor or not 0.0 < distance_m <= DISTANCE_M_MAX:
        raise CalibrationError(f"--mark {text}: write anchor=metres, such as plaza=3")
    return Mark(anchor, distance_m)


def _sightings(router: Router, message: Message) -> list[Sighting]:
    return [one for one in router.decode(message) if isinstance(one, Sighting)]


def _slope(distance_m: float) -> float:
    return -10.0 * math.log10(max(distance_m, DISTANCE_M_MIN))
