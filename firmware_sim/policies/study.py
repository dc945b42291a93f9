"""All policies over all seeds: one city for each seed, which all policies share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from firmware_sim.nearest import nearest
from firmware_sim.policies import baselines, learned, oracle
from firmware_sim.policies.city import City
from firmware_sim.policies.figures import Summary, summary
from firmware_sim.policies.run import Policy, run
from firmware_sim.policies.site import Shop, open_shop
from firmware_sim.scenario import Scenario
from firmware_sim.wire.broker import UsageError
from gateway.adapters.onnx_scorer import ScorerError
from gateway.core.learning.types import Settings

MAKERS: Mapping[str, Callable[[Scenario], Policy]] = {
    "silence": lambda _: baselines.Silence(),
    "random": lambda _: baselines.Random(),
    "popular": lambda _: baselines.Popular(),
    "rules": lambda _: baselines.Rules(),
    "propensity": lambda _: baselines.Propensity(),
    "shipped": lambda _: baselines.Shipped(),
    "thompson": lambda _: baselines.Thompson(),
    "learned": lambda scenario: learned.Learned(
        Settings(horizon_ms=round(scenario.choices.anyway_s * 1000), buys=scenario.people.buying_share)
    ),
    "oracle": lambda _: oracle.Oracle(),
}
NAMES = tuple(MAKERS)


class StudyError(UsageError):
    """The comparison cannot run; the text names the cause and the way out."""


class Task(NamedTuple):
    """The input of a comparison. `contact_cost_minor` replaces the campaign's cost of a contact."""

    scenario: Scenario
    bundle: Path
    key: Path
    days: int
    people: int
    policies: tuple[str, ...]
    contact_cost_minor: float | None = None

    def shop(self) -> Shop:
        """Site and model. Raises BundleError, ScorerError, ValueError or OSError for a bundle that cannot be used."""
        return open_shop(self.scenario, self.bundle, self.key, self.days, self.contact_cost_minor)


def run_all(task: Task, seeds: Iterable[int], jobs: int, done: Callable[[], None]) -> dict[str, list[Summary]]:
    """Summaries by policy, in the order of the seeds; `done` is called after each seed.

    Raises StudyError for an unknown policy, an offer that the scenario does not have, or a bundle that cannot be used.
    """
    for name in task.policies:
        if name not in MAKERS:
            raise StudyError(f"no policy {name!r}; {nearest(name, NAMES)}")
    _check(task)
    found: dict[str, list[Summary]] = {name: [] for name in task.policies}
    with ProcessPoolExecutor(jobs) as pool:  # starts no process before it has work
        for one in (pool.map if jobs > 1 else map)(partial(run_seed, task), seeds):
            for name, result in one.items():
                found[name].append(result)
            done()
    return found


def _check(task: Task) -> None:
    try:
        shop = task.shop()
    except (OSError, ValueError, ScorerError) as error:
        raise StudyError(f"{task.bundle}: {error}") from error
    known = [offer.id for offer in task.scenario.offers]
    for offer in shop.site.campaign.offers:
        if offer.id not in known:
            raise StudyError(f"the offer {offer.id!r} has no true attributes in the scenario; {nearest(offer.id, known)}")


def run_seed(task: Task, seed: int) -> dict[str, Summary]:
    """One seed: summaries by policy."""
    shop = task.shop()
    dwelled_s = shop.site.presence.dwell_ms / 1000
    city = City(task.scenario, seed=seed, days=task.days, people=task.people, dwelled_s=dwelled_s)
    found = {}
    for name in task.policies:
        begin = time.process_time()
        sent = run(city, shop, MAKERS[name](task.scenario))
        seconds = time.process_time() - begin
        offers = [offer.id for offer in shop.site.campaign.offers]
        found[name] = summary(sent, people=len(city.walkers), offers=offers, days=task.days, seconds=seconds)
    return found
