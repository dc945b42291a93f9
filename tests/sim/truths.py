"""A street with offers and known truth, and histories made from it, correct or wrong on purpose."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from firmware_sim.draws import generator
from firmware_sim.people.truth import LoadedTruth, TruthRecorder, read
from firmware_sim.people.walker import Walker
from firmware_sim.scenario import Scenario
from firmware_sim.street.street import Street

COLUMNS = ("subject", "at_ms", "what", "zone", "offer", "decision", "dwell_s", "propensity")
SHOPS = {"cafe": "flat-white", "bistro": "bistro-lunch", "noodle-bar": "noodle-bowl", "pub": "first-pint", "market": "market-dinner"}


class Offering:
    """A run with offers: `pick` chooses walker and shop from the consenting walkers present."""

    def __init__(self, plan: Scenario, *, seed: int = 3, speed: float | None = None) -> None:
        self.recorder = TruthRecorder()
        self.street = Street(plan, seed=seed, start_ms=plan.start_ms, publish=lambda _: None, recorder=self.recorder, speed=speed)
        self.plan, self.sent = plan, 0
        self.chance = generator(seed, "test offers")

    def send(self, walker: Walker, shop: str, *, offer: str | None = None, zone: str = "plaza") -> None:
        self.sent += 1
        body = {"decision": f"d{self.sent}", "offer": offer or SHOPS[shop], "zone": zone, "shop": shop, "expires_at_ms": 2**52}
        self.street.receive(f"wayside/v1/{self.plan.site}/down/phone-{walker.number:04d}/offer", json.dumps(body).encode())

    def there(self) -> list[Walker]:
        """Walkers with consent that are present now."""
        world = self.street.truth().world
        street_s = world.street_s(self.street.loop.now_ms)
        return [w for w in self.street.walkers if w.consents_at(street_s) and w.place(street_s) is not None]

    def at_random(self, *, until_ms: int, every_ms: int, each: int) -> None:
        """Offers to random people."""
        for now_ms in range(5_000, until_ms, every_ms):
            self.street.run_until(now_ms)
            for walker in self.chance.sample(self.there(), each):
                self.send(walker, self.chance.choice(sorted(SHOPS)))

    def known(self, folder: Path) -> LoadedTruth:
        self.street.truth().write(folder)
        return read(folder)


def learning(known: LoadedTruth) -> dict[str, str]:
    """Pseudonyms of people that a gateway may report: consent to learning, never withdrawn."""
    gone = {row["person"] for row in known.tables["consents"] if row["what"] == "withdrawn"}
    people = sorted(row["person"] for row in known.tables["people"] if "learning" in row["purposes"].split() and row["person"] not in gone)
    chance = generator(7, "pseudonyms")
    return {person: f"s{chance.getrandbits(40):010x}" for person in people}


def visit(subject: str, zone: str, at_ms: int, until_ms: int) -> dict[str, Any]:
    return {"subject": subject, "at_ms": at_ms, "what": "visit", "zone": zone, "dwell_s": (until_ms - at_ms) / 1000}


def write_history(folder: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """An export's `interactions.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "interactions.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, restval="")
        table.writeheader()
        table.writerows(rows)
    return folder
