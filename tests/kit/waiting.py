"""Waiting for another thread or process: polls a condition until a deadline.

A sleep of fixed length is too short on a slower machine. `until` returns as soon as the condition holds; only a failing test waits until
the deadline.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

WAIT_S = 180.0  # long, because the machine may be busy
POLL_S = 0.01
POLL_S_MAX = 0.1


def until(condition: Callable[[], T], seconds: float = WAIT_S, *, describe: Callable[[], object] = lambda: "") -> T:
    """The first true value of `condition`; fails the test with the text of `describe` if there is none within `seconds`.

    The interval grows from 10 ms to 100 ms, so that a long wait takes little processor time.
    """
    pause = threading.Event()
    poll_s = POLL_S
    give_up = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > give_up:
            pytest.fail(f"not within {seconds:g} s {describe()}")
        pause.wait(poll_s)
        poll_s = min(POLL_S_MAX, 1.2 * poll_s)
    return found
