"""The largest costs of the street mix in this process, by function, as a profiler counts them.

The profiler adds about a microsecond to each call, so the order holds and the figures are too high.
"""

from __future__ import annotations

import cProfile
import pstats
import tempfile
from itertools import islice
from pathlib import Path

from gateway.commands.bench import street
from gateway.commands.bench.road import Road, packets

MESSAGES = 20_000
LARGEST = 10


def largest(config: Path) -> dict[str, list[float]]:
    """Function -> µs of a message in the function itself, the LARGEST of them and the sum of all, one figure each."""
    with tempfile.TemporaryDirectory() as folder:
        road = Road(config, Path(folder), people=street.PEOPLE)
        mix = street.sightings(road.where, "profile")
        road.pass_on(packets(islice(mix, MESSAGES)))  # people are there
        measured = packets(islice(mix, MESSAGES))
        profiler = cProfile.Profile()
        profiler.runcall(road.pass_on, measured)
        road.close()
    own = {place: own for place, (_, _, own, _, _) in pstats.Stats(profiler).stats.items()}  # type: ignore[attr-defined]  # not in the stubs
    costs = {_name(*place): [seconds / MESSAGES * 1e6] for place, seconds in sorted(own.items(), key=lambda one: -one[1])[:LARGEST]}
    return costs | {"all": [sum(own.values()) / MESSAGES * 1e6]}


def _name(file: str, _: int, function: str) -> str:
    return function if file == "~" else f"{Path(file).stem}.{function}"
