"""Wear of the card: bytes written for 1,000 sightings and for 1,000 facts, and how long 1 GB lasts at the demonstration's rate.

`python -m tests.rigs.wear` runs the demonstration's street with both gateways in simulated time, on a recorded disk. A batch is 200 ms
of messages. Bytes are those that SQLite writes to the databases and their logs; a message counts once, although both gateways receive it.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from gateway.core.types import Message
from models import screen
from tests.kit.testbed import Gateway, purchase
from tests.rigs.disk import Recorder
from tests.worlds.run import running

GB = 1_000_000_000
HOUR_S = 3_600
OVERHEAD_BYTES = 60  # of a message that waits at the broker, besides topic and payload
FACTS = 1_000


def measured(folder: Path, seconds: float, seed: int = 1) -> dict[str, float]:
    """The figures of `seconds` of message time, by their meaning."""
    recorder, sums = Recorder(folder / "none.db"), Counter[str]()
    with recorder.recording():
        with running(folder / "street", "street", seed) as run:
            for place, served in enumerate(run.gateways):
                served.turn = _metered(served.turn, recorder, sums, is_first=not place)  # type: ignore[method-assign,assignment]
            stores = [served.gateway.store for served in run.gateways]
            recorder.operations.clear()
            before = sum(int(store._db.pragma("page_count")) for store in stores)
            run.run(seconds)
            pages = sum(int(store._db.pragma("page_count")) for store in stores) - before
            growth = pages * int(stores[0]._db.pragma("page_size")) / len(stores)
            outbox = sum(int(store.people.one("SELECT coalesce(sum(length(body)), 0) FROM outbox")) for store in stores) / len(stores)
        single = _single_facts(folder, recorder)
    hours = seconds / HOUR_S
    return {
        "sightings and readings of the run": sums["sightings"],
        "facts of the run": sums["facts"],
        "bytes written for 1,000 sightings and readings": 1_000 * sums["quiet_bytes"] / sums["quiet"],
        "bytes written for 1,000 facts, with what arrived beside them": 1_000 * sums["fact_batch_bytes"] / sums["facts"],
        "bytes written for 1,000 purchases, one a commit": single,
        "hours in 1 GB of database, retention aside": GB / growth * hours,
        "hours in 1 GB of outbox, while the cloud is away": GB / outbox * hours,
        "hours in 1 GB of facts at the broker, while the gateway is away": GB / sums["queue_bytes"] * hours,
    }


def _metered(
    turn: Callable[[list[Message]], None], recorder: Recorder, sums: Counter[str], *, is_first: bool
) -> Callable[[list[Message]], None]:
    """`turn`, with its written bytes and its messages added to `sums`; messages only where `is_first`."""

    def metered(messages: list[Message]) -> None:
        turn(messages)
        written = sum(len(one.data) for one in recorder.operations)
        recorder.operations.clear()
        facts = [one for one in messages if one.qos]
        sums["fact_batch_bytes" if facts else "quiet_bytes"] += written
        if is_first:
            sums["facts"] += len(facts)
            sums["sightings"] += len(messages) - len(facts)
            sums["quiet"] += 0 if facts else len(messages)
            sums["queue_bytes"] += sum(len(one.topic) + len(one.payload) + OVERHEAD_BYTES for one in facts)

    return metered


def _single_facts(folder: Path, recorder: Recorder) -> int:
    """Bytes written for FACTS purchases, each in a commit of its own."""
    (folder / "single").mkdir()
    with closing(Gateway(folder / "single", synced=False)) as gateway:
        recorder.operations.clear()
        for number in range(FACTS):
            gateway.apply(purchase("till-cafe", number))
    return sum(len(one.data) for one in recorder.operations)


def main(
    *,
    seconds: Annotated[float, typer.Option(min=10, help="message time")] = 300.0,
    seed: Annotated[int, typer.Option(min=0, help="random seed of the people")] = 1,
    json_: Annotated[bool, typer.Option("--json", help="one line of JSON")] = False,
) -> None:
    """Run the demonstration's street on a recorded disk and print what it writes."""
    with tempfile.TemporaryDirectory(prefix="wayside-wear-") as folder, screen.working("the demonstration's street"):
        figures = measured(Path(folder), seconds, seed)
    if json_:
        screen.print_json(figures)
    else:
        screen.show(f"{seconds:g} s of the demonstration, seed {seed}", ("figure", "value"), figures.items())


if __name__ == "__main__":
    typer.run(main)
