"""`wayside calibrate --broker`: somebody walks from mark to mark while a scanner reports what it hears of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from gateway.build import build_router
from gateway.commands.broker import connect
from gateway.commands.calibrate import Mark, fit_walk, listen
from gateway.config import load_config
from tests.commands.test_calibrate import DEMO, METRES, TAG, TRUE_EXPONENT
from tests.kit.broker import mosquitto

pytestmark = pytest.mark.broker

REPORT_EVERY_S = 0.02
AT_ONE_METRE_DBM = -60.0
LEVELS_DBM = dict(zip(METRES, (-60.0, -66.6, -73.2, -79.8), strict=True))  # an exponent of 2.2


class Walker:
    """Stands somewhere; a scanner reports them again and again."""

    def __init__(self) -> None:
        self.metres = 40.0

    def ask(self, mark: Mark) -> None:
        """Go and stand there."""
        self.metres = mark.distance_m

    @contextmanager
    def reported(self, url: str) -> Iterator[None]:
        """Report until left."""
        publisher, is_over = connect(url), threading.Event()

        def report() -> None:
            while not is_over.wait(REPORT_EVERY_S):
                level = LEVELS_DBM.get(self.metres, -99.0)
                publisher.publish(f"espresense/devices/{TAG}/plaza", msgspec.json.encode({"id": TAG, "rssi": level}))
                publisher.publish("espresense/devices/other/plaza", msgspec.json.encode({"id": "other", "rssi": -30.0}))
                publisher.publish(f"espresense/devices/{TAG}/plaza", b"no json")

        reporter = threading.Thread(target=report)
        reporter.start()
        try:
            yield
        finally:
            is_over.set()
            reporter.join()
            publisher.disconnect()
            publisher.loop_stop()


def test_a_walk_is_listened_to(tmp_path: Path) -> None:
    walker, router = Walker(), build_router(load_config(DEMO))
    with mosquitto(tmp_path) as broker, walker.reported(broker.url):
        stood = listen(broker.url, router, [Mark("plaza", metres) for metres in METRES], 1.0, walker.ask)
    assert [mark.distance_m for mark, _ in stood] == list(METRES)
    found = fit_walk(stood, TAG, ["plaza"])
    assert found.reference_dbm == pytest.approx(AT_ONE_METRE_DBM, abs=1.0)
    assert found.exponent == pytest.approx(TRUE_EXPONENT, abs=0.15)
