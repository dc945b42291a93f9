"""`wayside calibrate --broker`: a walk from mark to mark while a scanner reports the tag."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import typer

from gateway.build import build_router
from gateway.commands.calibrate import Mark, _ask, fit_walk, listen
from gateway.config import load_config
from tests.commands.test_calibrate import DEMO, METRES, TAG, TRUE_EXPONENT
from tests.kit.broker import MosquittoBroker, mosquitto
from tests.kit.subscriber import Subscriber

REPORT_EVERY_S = 0.02
AT_ONE_METRE_DBM = -60.0
LEVELS_DBM = dict(zip(METRES, (-60.0, -66.6, -73.2, -79.8), strict=True))  # an exponent of 2.2


class Walker:
    """A walker at one position; a scanner reports the tag repeatedly."""

    def __init__(self) -> None:
        self.metres = 40.0

    async def ask(self, mark: Mark) -> None:
        """Go and stand there."""
        self.metres = mark.distance_m

    @contextmanager
    def reported(self, broker: MosquittoBroker) -> Iterator[None]:
        """Report until left."""
        is_over = threading.Event()

        def report() -> None:
            with Subscriber(broker.host, broker.port, "none") as scanner:
                while not is_over.wait(REPORT_EVERY_S):
                    level = LEVELS_DBM.get(self.metres, -99.0)
                    scanner.publish(f"espresense/devices/{TAG}/plaza", msgspec.json.encode({"id": TAG, "rssi": level}), qos=0)
                    scanner.publish("espresense/devices/other/plaza", msgspec.json.encode({"id": "other", "rssi": -30.0}), qos=0)
                    scanner.publish(f"espresense/devices/{TAG}/plaza", b"no json", qos=0)

        reporter = threading.Thread(target=report)
        reporter.start()
        try:
            yield
        finally:
            is_over.set()
            reporter.join()


@pytest.mark.broker
def test_a_walk_is_listened_to(tmp_path: Path) -> None:
    walker, router = Walker(), build_router(load_config(DEMO))
    with mosquitto(tmp_path) as broker, walker.reported(broker):
        stood = asyncio.run(listen(broker.url, router, [Mark("plaza", metres) for metres in METRES], 1.0, walker.ask))
    assert [mark.distance_m for mark, _ in stood] == list(METRES)
    found = fit_walk(stood, TAG, ["plaza"])
    assert found.reference_dbm == pytest.approx(AT_ONE_METRE_DBM, abs=1.0)
    assert found.exponent == pytest.approx(TRUE_EXPONENT, abs=0.15)


def test_a_question_waits_for_enter_without_stopping_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def asked() -> None:
        reading, writing = os.pipe()
        with os.fdopen(reading) as terminal:
            monkeypatch.setattr("sys.stdin", terminal)
            question = asyncio.create_task(_ask(Mark("plaza", 3.0)))
            await asyncio.wait([question], timeout=0.05)  # the loop runs on
            assert not question.done()
            os.write(writing, b"\n")
            await question
            os.close(writing)
            with pytest.raises(typer.Abort):
                await _ask(Mark("plaza", 6.0))

    asyncio.run(asked())


def test_a_question_takes_lines_from_what_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    asyncio.run(_ask(Mark("plaza", 3.0)))
    with pytest.raises(typer.Abort):
        asyncio.run(_ask(Mark("plaza", 6.0)))
