"""Cost of a decision by the number of attributes and offers, memory per person, time to load: `python -m tests.core.attribute_cost`.

One thread, processor time, so that other load on the machine counts little. A decision is `decide`: gates, values of attributes, matrix,
ranking; the model is a constant, because its own time depends on the model (`wayside-models speed`). A third of the attributes are history
of the person, each with a window or half-life of its own; a third readings of the place, of all quantities that there are; a third fields
of the offer. All offers are open in the zone. Each figure is from REPEATS decisions after a warm-up. With `learn` the learned
policy decides, after an answer to each offer that it weighs and past the ramp of a cold start.
"""

from __future__ import annotations

import json
import sys
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.adapters.bundle import open_bundle, read_public_keys
from gateway.core import limits
from gateway.core.attributes.aggregators import HistoryFact
from gateway.core.attributes.schema import Schema, parse
from gateway.core.context import SubjectContext, ZoneContext
from gateway.core.learning.state import LearnedState, PersonState
from gateway.core.learning.types import Outcome
from gateway.core.policy.choose import decide
from gateway.core.policy.learned import Deliberation
from gateway.core.policy.prepared import DecisionRequest
from gateway.core.quantities import QUANTITIES
from gateway.core.site import Site
from tests.kit.bundles import make_bundle
from tests.kit.testbed import DAY_MS, EVERYTHING, NOON_MS, OneOutput, campaign, make_site, offer

ATTRIBUTES = (10, 100, 1_000)
OFFERS = (1, 50, 500, 2_500, 10_000)
REPEATS = 200
LEARNING = ((10, 1), (10, 8), (10, 50), (10, 2_500), (100, 50))
SECONDS_MAX = 4.0
LOADS = 5
MEASURED = tuple(QUANTITIES)
FOLDS = ("count", "sum", "mean", "recency", "share")


class Cost(NamedTuple):
    """Processor time of one decision in microseconds; `times_plain` is the median over that without `learn`, in the same run."""

    attributes: int
    offers: int
    p50_us: float
    p99_us: float
    learn: bool = False
    times_plain: float | None = None


class Memory(NamedTuple):
    """Of one person after a year of daily visits and purchases: bytes as stored, and bytes in memory."""

    attributes: int
    stored_bytes: int
    memory_bytes: int


class Load(NamedTuple):
    """Processor time of opening a bundle of OFFERS_MAX offers and of compiling its site, in milliseconds, and the bundle's size."""

    attributes: int
    bundle_bytes: int
    open_ms: float
    compile_ms: float


class ConstantScorer(OneOutput):
    """The same propensity for every row."""

    version = "constant-1"

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `gateway.core.policy.choose.Scorer`."""
        return np.full(len(rows), 0.5, dtype=np.float32)


def schema(attributes: int) -> Schema:
    """A schema with that many number attributes: history, readings and offer fields by turns."""
    made = [_attribute(number) for number in range(attributes)]
    return parse({"categories": ["coffee_house", "bar"], "zone_kinds": ["coffee_house", "bar"], "currency": "EUR", "attributes": made})


def _attribute(number: int) -> dict[str, Any]:
    base = {"name": f"a{number}", "dtype": "number", "unit": "1"}
    if number % 3 == 0:
        fold = FOLDS[number // 3 % len(FOLDS)]
        source: dict[str, Any] = {"of": "purchases", "fold": fold}
        if fold != "recency":
            source |= {"within_days": 10 + number % 41} if number % 2 else {"half_life_days": 14.0 + number}
        return base | {"about": "person", "purposes": ["offers"], "history": source}
    if number % 3 == 1:
        return base | {"about": "place", "reading": {"quantity": MEASURED[number // 3 % len(MEASURED)]}}
    return base | {"about": "offer", "offer": {"field": ("value", "expiry_hours", "hours_left")[number // 3 % 3]}}


def site(attributes: int, offers: int, *, learn: bool = False) -> Site:
    """A site with that many offers, all of them open in one zone."""
    made = [offer(f"o{number}", zones=("cafe",), value_minor=100 + number % 400) for number in range(offers)]
    declared = schema(attributes)
    return make_site(
        schema=declared, columns=declared.columns, campaign=campaign(*made, per_person_day_max=64, learn=learn), positives=1_000.0
    )


def person(here: Site, days: int = 365) -> SubjectContext:
    """Somebody after a year, or some days, of daily visits and purchases."""
    history: Any = {}
    for day in range(days, 0, -1):
        at_ms = NOON_MS - day * DAY_MS
        for fact in (HistoryFact("visits", at_ms, zone="cafe"), HistoryFact("purchases", at_ms, "bar", amount=day)):
            history = here.plan.history.fold(history, EVERYTHING, fact, at_ms)
    return SubjectContext("s", "d", EVERYTHING, "b", 1, history=history)


def cost(attributes: int, offers: int, *, learn: bool = False) -> Cost:
    """The cost of one decision."""
    here = site(attributes, offers, learn=learn)
    subject, state = person(here), LearnedState()
    place, scorer = ZoneContext(dict.fromkeys(MEASURED, (12.0, NOON_MS))), ConstantScorer()

    def made_with(seed: int) -> Deliberation | None:
        thought = Deliberation(here.learner, state, PersonState(), demoted=False) if here.learner is not None else None
        decide(DecisionRequest(subject, "cafe", "entered", NOON_MS, here, seed=seed), place, scorer, "d", thought)
        return thought

    warm = made_with(0)
    if warm is not None and warm.moment is not None and warm.weighed is not None:
        for number, at in enumerate(warm.moment.positions.tolist()):
            outcome = Outcome(warm.learner.offers[at], warm.weighed.known(number), "accepted", NOON_MS, learning=True)
            state = state.plus(warm.learner.after(state, PersonState(), outcome)[0])
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < REPEATS and time.perf_counter() - started < SECONDS_MAX:
        before = time.thread_time_ns()
        made_with(len(times))
        times.append((time.thread_time_ns() - before) / 1_000)
    return Cost(attributes, offers, round(float(np.percentile(times, 50)), 1), round(float(np.percentile(times, 99)), 1), learn)


def memory(attributes: int) -> Memory:
    """Memory of one person."""
    here = site(attributes, 1)
    stored = msgspec.msgpack.encode(person(here))
    tracemalloc.start()
    people = [msgspec.msgpack.decode(stored, type=SubjectContext) for _ in range(20)]
    held = tracemalloc.get_traced_memory()[0] // len(people)
    tracemalloc.stop()
    return Memory(attributes, len(stored), held)


def load(attributes: int) -> Load:
    """The cost of loading a bundle; the median of LOADS."""
    made = site(attributes, limits.OFFERS_MAX)
    with TemporaryDirectory() as folder:
        files = make_bundle(Path(folder), made.campaign, schema=made.schema, columns=made.columns, split="a2")
        keys, times = read_public_keys(files.keys), []
        for _ in range(LOADS):
            started = time.thread_time_ns()
            bundle = open_bundle(files.bundle, keys, None)
            opened = time.thread_time_ns()
            made = make_site(schema=bundle.schema, columns=bundle.manifest.model.columns, campaign=bundle.campaign)
            assert made.campaign.offer("o0") is not None
            times.append((opened - started, time.thread_time_ns() - opened))
        open_ms, compile_ms = (float(ns) / 1e6 for ns in np.median(times, axis=0))
        return Load(attributes, files.bundle.stat().st_size, round(open_ms, 1), round(compile_ms, 1))


def measured(attributes: Sequence[int] = ATTRIBUTES, offers: Sequence[int] = OFFERS) -> Iterator[Cost]:
    """All combinations."""
    for width in attributes:
        for count in offers:
            yield cost(width, count)
    for width, count in LEARNING:
        plain, learned = cost(width, count), cost(width, count, learn=True)
        yield learned._replace(times_plain=round(learned.p50_us / plain.p50_us, 2))


def main() -> None:
    """Print one JSON object a line: costs, then memory and loading."""
    for one in measured():
        sys.stdout.write(json.dumps(one._asdict()) + "\n")
        sys.stdout.flush()
    for width in ATTRIBUTES:
        sys.stdout.write(json.dumps(memory(width)._asdict()) + "\n")
        sys.stdout.write(json.dumps(load(width)._asdict()) + "\n")


if __name__ == "__main__":
    main()
