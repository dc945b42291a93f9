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

WAIT_S = 60.0  # a machine busy with other work is no fault of the code
LOOK_S = 0.01
LOOK_S_MAX = 0.1


def until(condition: Callable[[], T], seconds: float = WAIT_S, *, tell: Callable[[], object] = lambda: "") -> T:
    """The first true value of `condition`; fails the test with the text of `tell` if there is none within `seconds`.

    Looks become rarer, from every 10 ms to every 100 ms, so that a long wait takes little of the processor.
    """
    pause = threading.Event()
    look_s = LOOK_S
    give_up = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > give_up:
            pytest.fail(f"not within {seconds:g} s {tell()}")
        pause.wait(look_s)
        look_s = min(LOOK_S_MAX, 1.2 * look_s)
    return found
