"""Writes the past of many people: a gateway's history in one folder, the shops' records in another.

`gateway/` holds `interactions.csv` and `facts.jsonl` in the format of `wayside history export`, without scored columns, and with the
sensor values of each proposal instead. `shops/baskets.csv` holds every purchase with the loyalty card, with articles, in the
site's own time.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from firmware_sim.past.past import Past, Proposal
from firmware_sim.scenario import Scenario
from firmware_sim.score.probability import area, popularity
from firmware_sim.world.world import World

COLUMNS = (
    *("subject", "at_ms", "what", "zone", "kind", "offer", "decision", "amount_minor", "dwell_s", "occasion", "p_select", "facts"),
    *("temperature", "humidity", "precipitation"),
)


class Counts(NamedTuple):
    """Content of a past.

    `auc_of_the_truth` is the AUC of the true probabilities, a ceiling for every model; `auc_of_popularity` that of each offer's
    share of acceptance by other people.
    """

    people: int
    visits: int
    offers: int
    accepted: int
    card_purchases: int
    auc_of_the_truth: float | None
    auc_of_popularity: float | None


def write(scenario: Scenario, folder: Path, *, seed: int, people: int, offers: int, dwell_s: float, progress: Callable[[], None]) -> Counts:
    """Write the past of `people` people with at most `offers` offers each to `folder`; `progress` is called after each. Raises OSError."""
    world = World(scenario, seed, scenario.start_ms, scenario.speed)
    counts: Counter[str] = Counter()
    proposals: dict[str, list[Proposal]] = {}
    for room in ("gateway", "shops"):
        (folder / room).mkdir(parents=True, exist_ok=True)
    with (
        (folder / "gateway" / "interactions.csv").open("w", encoding="utf-8", newline="") as table,
        (folder / "gateway" / "facts.jsonl").open("w", encoding="utf-8") as log,
        (folder / "shops" / "baskets.csv").open("w", encoding="utf-8", newline="") as sales,
    ):
        rows = csv.DictWriter(table, COLUMNS, lineterminator="\n")
        rows.writeheader()
        baskets = csv.writer(sales, lineterminator="\n")
        baskets.writerow(("subject", "at_ms", "basket", "item", "quantity", "amount_minor"))
        for number in range(1, people + 1):
            past = Past(world, number, offers, round(dwell_s * 1000))
            if past.remembered:
                counts.update(_person(past, rows, log))
                counts["card_purchases"] += _baskets(past, world, baskets)
                proposals[past.subject] = past.proposals
            progress()
    truth, popularity = _areas(proposals)
    return Counts(len(proposals), counts["visit"], counts["proposed"], counts["accepted"], counts["card_purchases"], truth, popularity)


def _person(past: Past, rows: csv.DictWriter[str], log: TextIO) -> Counter[str]:
    """Write the events of one person; returns the number of rows by type."""
    number, counts = 0, Counter[str]()
    for event in past.events():
        if event.row is not None:
            rows.writerow({"subject": past.subject, "at_ms": event.at_ms, "facts": number, **event.row})
            counts[event.row["what"]] += 1
        if event.body is not None:
            number += 1
            logged = {"subject": past.subject, "number": number, "at_ms": event.at_ms, "body": event.body}
            log.write(json.dumps(logged) + "\n")
    return counts


def _baskets(past: Past, world: World, sales: Any) -> int:
    """Write all purchases with the loyalty card of one person, oldest first; returns the number."""
    bought = [(purchase.at_s, purchase.kind, purchase.basket) for purchase in past.walker.loyalty.past()]
    bought += [(at_s, kind, basket) for at_s, kind, _, basket in past.bought]
    for number, (at_s, kind, basket) in enumerate(sorted(bought, key=lambda one: one[0]), 1):
        head = (past.subject, world.start_ms + round(1000 * at_s), f"{past.subject}-{number}")
        lines: Sequence[tuple[str, int, int]] = basket.lines or [(kind, 1, basket.amount_minor)]
        sales.writerows((*head, code, quantity, amount) for code, quantity, amount in lines)
    return len(bought)


def _areas(proposals: dict[str, list[Proposal]]) -> tuple[float | None, float | None]:
    """AUC of the true probability and of popularity over all proposals."""
    listed = [(person, proposal) for person, made in proposals.items() for proposal in made]
    accepted = np.array([proposal.accepted for _, proposal in listed], dtype=bool)
    popular = popularity((person, proposal.offer, proposal.accepted) for person, proposal in listed)
    return area(np.array([proposal.acceptance for _, proposal in listed]), accepted), area(np.array(popular), accepted)
