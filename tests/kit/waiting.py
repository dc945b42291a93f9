"""Waiting for what another thread or process will do: by looking often, and never for ever.

A sleep guesses how long something takes, and is wrong on the next machine. `until` returns as soon as the condition
holds; only a test that fails waits for the whole deadline.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

WAIT_S = 20.0
LOOK_S = 0.01


def until(condition: Callable[[], T], seconds: float = WAIT_S, *, tell: Callable[[], object] = lambda: "") -> T:
    """The first true value of `condition`; fails the test with what `tell` says if there is none within `seconds`."""
    pause = threading.Event()
    give_up = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > give_up:
            pytest.fail(f"not within {seconds:g} s {tell()}")
        pause.wait(LOOK_S)
    return found
