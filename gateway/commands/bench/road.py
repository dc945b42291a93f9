"""Times the road of a sighting in this process: bytes of the broker, packets, decoding, folding; without sockets and threads.

A stranger's sighting is dropped by its topic, and must cost the same whether a thousand or a million radios pass by.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.build import build, claim_secret
from gateway.commands.bench import street
from gateway.config import load_config
from gateway.core.bus import Deliver, Link, Publication
from gateway.core.mqtt import encoder
from gateway.core.mqtt.session import Session

if TYPE_CHECKING:
    from gateway.core.types import Message

READ_BYTES = 65_536  # of one read of the socket
COUNT = 20_000
RUNS = 3
PEOPLE = 200
STRANGERS = (1_000, 10_000, 100_000, 1_000_000)


class _Bus:
    """A bus that takes everything and brings nothing."""

    def start(self, deliver: Deliver) -> None:
        """Nothing to start."""

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Nothing waits for it."""

    def publish(self, publication: Publication) -> bool:  # noqa: ARG002 - of the port
        """Taken."""
        return True

    def taken(self) -> list[str]:
        """None."""
        return []

    def link(self) -> Link:
        """Connected."""
        return Link(connected=True, protocol="MQTT 5", connects=1, fresh=1)

    def close(self) -> None:
        """Nothing to close."""


class Road:
    """A gateway with a store in a folder; `pass_on` sends messages through it."""

    def __init__(self, config: Path, folder: Path, people: int = PEOPLE) -> None:
        """Build it, with consents of `people`."""
        files = (f"store.path={folder / 'road.db'}", f"store.key_file={folder / 'road.key'}")
        settings = load_config(config, [*street.SETTINGS, *files])
        self.where = street.places(settings)
        self._app = build(settings)
        self._app.bus = _Bus()
        self._session = Session(5, 1)
        self.pass_on(packets(street.consents(self.where, claim_secret(settings), "road", people)))

    def pass_on(self, data: bytes) -> float:
        """Processor time in seconds of these packets."""
        app, started = self._app, time.process_time()
        for at in range(0, len(data), READ_BYTES):
            app.mailbox.deliver(self._session.feed(data[at : at + READ_BYTES], app.clock.now_ms()).messages)
            while len(app.mailbox):
                app.turn(0.0)
        return time.process_time() - started

    def close(self) -> None:
        """Close the store."""
        self._app.store.close()


def packets(sent: Iterable[street.Sent]) -> bytes:
    """Messages as packets of QoS 0."""
    return b"".join(encoder.publish(5, Publication(one.topic, one.payload), 0) for one in sent)


def costs(config: Path) -> dict[str, list[float]]:
    """µs of a sighting: of a tag that stays, and of a stranger among so many radios; one figure for each of RUNS runs."""
    with tempfile.TemporaryDirectory() as folder:
        road = Road(config, Path(folder))
        stays = packets(_stay(road.where))
        road.pass_on(stays)  # all enter
        kinds = {"person": stays, **{f"stranger of {ids:,}": packets(_pass_by(road.where, ids)) for ids in STRANGERS}}
        found: dict[str, list[float]] = {name: [] for name in kinds}
        gc.collect()
        for _ in range(RUNS):
            for name, data in kinds.items():
                found[name].append(road.pass_on(data) / COUNT * 1e6)
        road.close()
        return found


def _stay(where: street.Places) -> Iterator[street.Sent]:
    """Sightings of all tags by one scanner, in turn."""
    for number in range(COUNT):
        yield street.by_scanner(where.scanners[0], street.tag(number % PEOPLE), -60.0)


def _pass_by(where: street.Places, ids: int) -> Iterator[street.Sent]:
    """Sightings of `ids` strangers in turn, or of COUNT spread over all."""
    step = max(1, ids // COUNT)
    for number in range(COUNT):
        yield street.by_scanner(where.scanners[number % len(where.scanners)], f"{number * step % ids:012x}", -60.0)
