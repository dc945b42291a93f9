"""`wayside calibrate`: from a short walk with a tape measure to the site's path loss and each anchor's offset.

Somebody stands still for some seconds at known distances from known anchors while the radio is recorded. What is fitted is one
line for the site (level at a metre, loss per tenfold distance) and one offset for each anchor, by least squares over the mean
power heard at each mark: the same mean that presence decides by.
"""

from __future__ import annotations

import math
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import numpy as np
import typer

from gateway.build import build_router
from gateway.commands.broker import BrokerError, connect
from gateway.commands.decode import wire_payload
from gateway.commands.options import CONFIG_FILE, ConfigOption, command_app, fail, guarded, load
from gateway.core.radio import Sample, mean_dbm, milliwatts
from gateway.core.types import Message, Sighting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gateway.runtime.router import Router

SAMPLES_MIN = 5  # at a mark: fewer say more of luck than of distance
MARKS_MIN = 3
DISTANCE_M_MIN = 0.3
DISTANCE_M_MAX = 100.0


command = command_app()


@command.command()
def calibrate(
    tag: Annotated[str, typer.Option(help="canonical id of the tag that the walker carries, or of a phone that hears beacons")],
    config: ConfigOption = CONFIG_FILE,
    walk: Annotated[Path | None, typer.Option(help="a recorded walk: messages with at_ms, and marks, as JSON lines")] = None,
    broker: Annotated[str | None, typer.Option(help="instead: walk now, and listen to mqtt://host:port")] = None,
    mark: Annotated[list[str] | None, typer.Option(help="where to stand, as anchor=metres; several, at several distances")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="how long to listen at each mark")] = 20.0,
) -> None:
    """Measure the site's path loss and each anchor's offset on a short walk, and print them as config text.

    Example: `wayside calibrate --config wayside.toml --broker mqtt://127.0.0.1:1883 --tag e375cf000001 --mark plaza=1 --mark plaza=4`
    """
    settings = load(config)
    if (walk is None) == (broker is None) or bool(broker) != bool(mark):
        fail("name either --walk FILE, or --broker URL with a --mark for each place to stand", 2)
    router = guarded(lambda: build_router(settings))
    try:
        if walk is not None:
            stood = read_walk(walk, router)
        else:
            stood = listen(broker or "", router, [parse_mark(text) for text in mark or ()], seconds, _ask)
        typer.echo(fit_walk(stood, tag, settings.anchors()).config(), nl=False)
    except (CalibrationError, BrokerError, OSError) as error:
        fail(str(error))


def _ask(mark: Mark) -> None:
    typer.prompt(f"Stand {mark.distance_m:g} m from {mark.anchor}, stay there, and press Enter", default="", show_default=False, err=True)


class CalibrationError(ValueError):
    """The walk cannot be used; the text says what to walk instead."""


class Mark(NamedTuple):
    """Stood so far from an anchor; in a recorded walk, from one moment (ms) to another."""

    anchor: str
    distance_m: float
    from_ms: int = 0
    until_ms: int = 0


class Stand(NamedTuple):
    """What was heard at a mark."""

    anchor: str
    distance_m: float
    level_dbm: float
    samples: int


class Calibration(NamedTuple):
    """What goes into the config, and how well it fits."""

    reference_dbm: float
    exponent: float
    offset_db: dict[str, float]
    residual_db: float
    stands: int

    def config(self) -> str:
        """The settings as TOML."""
        lines = [
            f"# From {self.stands} marks; they lie {self.residual_db:.1f} dB around the line (2 to 4 dB is what rooms do).",
            "[presence]",
            f"reference_dbm = {self.reference_dbm:.1f}",
            f"exponent = {self.exponent:.2f}",
            "",
            "[presence.offset_db]",
            *(f"{msgspec.json.encode(anchor).decode()} = {offset:.1f}" for anchor, offset in sorted(self.offset_db.items())),
        ]
        return "\n".join(lines) + "\n"


def fit_walk(stood: Sequence[tuple[Mark, Sequence[Sighting]]], tag: str, anchors: Sequence[str]) -> Calibration:
    """One line for the site and an offset for each anchor, from what was heard at each mark. Raises CalibrationError."""
    for mark, _ in stood:
        if mark.anchor not in anchors:
            raise CalibrationError(f"{mark.anchor!r} is no anchor of any zone; known are: {', '.join(anchors)}")
    return fit([found for mark, heard in stood if (found := stand(mark, heard, tag))])


def fit(stands: Sequence[Stand]) -> Calibration:
    """The line and the offsets that leave least. Raises CalibrationError."""
    if len(stands) < MARKS_MIN or len({stand.distance_m for stand in stands}) < MARKS_MIN:
        raise CalibrationError(
            f"{len(stands)} usable marks (heard {SAMPLES_MIN} times or more): stand at {MARKS_MIN} distances, such as 1, 3 and 6 m"
        )
    anchors = sorted({stand.anchor for stand in stands})
    design = np.array([[*(float(stand.anchor == anchor) for anchor in anchors), _slope(stand.distance_m)] for stand in stands])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise CalibrationError("no anchor was heard at two distances, so nothing tells what distance costs: add marks at one of them")
    levels = np.array([stand.level_dbm for stand in stands])
    *references, exponent = np.linalg.lstsq(design, levels, rcond=None)[0]
    if exponent <= 0:
        raise CalibrationError("what is further away was heard better: check the distances and the anchors of the marks")
    reference = float(np.mean(references))
    residual = float(np.sqrt(np.mean((levels - design @ np.array([*references, exponent])) ** 2)))
    offsets = {anchor: reference - float(own) for anchor, own in zip(anchors, references, strict=True)}
    return Calibration(reference, float(exponent), offsets, residual, len(stands))


def stand(mark: Mark, heard: Iterable[Sighting], tag: str) -> Stand | None:
    """What was heard at a mark of the walker's tag, or by the walker's phone; None where it was too little."""
    levels = [one.rssi_dbm for one in heard if (mark.anchor, tag) in ((one.hearer, one.heard), (one.heard, one.hearer))]
    if len(levels) < SAMPLES_MIN:
        return None
    samples: list[Sample] = [(0, milliwatts(level)) for level in levels]
    return Stand(mark.anchor, mark.distance_m, mean_dbm(samples), len(samples))


def read_walk(path: Path, router: Router) -> list[tuple[Mark, list[Sighting]]]:
    """The marks of a recorded walk, each with what was heard meanwhile. Raises CalibrationError, OSError.

    JSON lines: a message as `wayside replay` reads it, with `at_ms`; a mark as `{"anchor", "distance_m", "from_ms", "until_ms"}`.
    """
    marks: list[Mark] = []
    heard: list[tuple[int, Sighting]] = []
    for number, text in enumerate(path.read_bytes().splitlines(), 1):
        if text.strip():
            try:
                line = msgspec.json.decode(text, type=dict[str, Any])
                if "distance_m" in line:
                    marks.append(msgspec.convert([line[name] for name in Mark._fields], Mark))
                else:
                    message = Message(line["topic"], wire_payload(line), int(line["at_ms"]))
                    heard += [(message.received_at_ms, one) for one in _sightings(router, message)]
            except (KeyError, TypeError, ValueError) as error:
                raise CalibrationError(f"{path}:{number}: neither a message with at_ms nor a mark ({error})") from None
    return [(mark, [one for at_ms, one in heard if mark.from_ms <= at_ms < mark.until_ms]) for mark in marks]


def listen(
    broker: str, router: Router, marks: Iterable[Mark], seconds: float, ask: Callable[[Mark], object]
) -> list[tuple[Mark, list[Sighting]]]:
    """Listen for so long at each mark, once `ask` has returned: the walker stands there. Raises BrokerError."""
    connection, arrived = connect(broker), SimpleQueue[Message]()
    connection.on_message = lambda _connection, _userdata, message: arrived.put(Message(message.topic, bytes(message.payload), 0))
    connection.subscribe("#", 0)
    found = []
    try:
        for mark in marks:
            ask(mark)
            list(_drain(arrived, router))  # what came while they walked is nobody's distance
            threading.Event().wait(seconds)
            found.append((mark, list(_drain(arrived, router))))
    finally:
        connection.disconnect()
        connection.loop_stop()
    return found


def parse_mark(text: str) -> Mark:
    """`anchor=metres`, as it is typed. Raises CalibrationError."""
    anchor, equals, metres = text.rpartition("=")
    try:
        distance_m = float(metres)
    except ValueError:
        distance_m = 0.0
    if not equals or not anchor or not 0.0 < distance_m <= DISTANCE_M_MAX:
        raise CalibrationError(f"--mark {text}: write anchor=metres, such as plaza=3")
    return Mark(anchor, distance_m)


def _drain(arrived: SimpleQueue[Message], router: Router) -> Iterable[Sighting]:
    while not arrived.empty():
        yield from _sightings(router, arrived.get())


def _sightings(router: Router, message: Message) -> list[Sighting]:
    return [one for one in router.decode(message) if isinstance(one, Sighting)]


def _slope(distance_m: float) -> float:
    return -10.0 * math.log10(max(distance_m, DISTANCE_M_MIN))
