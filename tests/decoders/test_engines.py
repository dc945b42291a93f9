"""The engine of makers' codecs ends hostile scripts; a script that ends by itself shows that the probe can tell the difference."""

from __future__ import annotations

import pytest

from tests.decoders.engines import ENGINES, HOSTILE, call_cost, ends

MAKE = ENGINES[0].make


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_script_ends_within_the_bounds(what: str) -> None:
    assert ends(MAKE, HOSTILE[what])


def test_a_script_that_ends_by_itself_is_no_success() -> None:
    assert not ends(MAKE, "1")


def test_the_codec_gives_the_stated_object() -> None:
    assert call_cost(MAKE)["us"] > 0
