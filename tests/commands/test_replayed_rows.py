"""One definition, two readers: rows worked out from an exported log equal the rows that the gateway scored, bit for bit."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from gateway.commands.history import Site, write
from gateway.core.attributes.log import FoldedFact, LogRow
from gateway.core.attributes.read import ReadPlan
from gateway.core.attributes.replay import IncompleteLogError, PastDecision, logged_facts, replayed_rows
from tests.kit.attributes import GROUPED, GROUPED_COLUMNS, GROUPED_MINED
from tests.kit.testbed import EVERYTHING, HOUR_MS, OFFERS, Gateway, Phone, TableScorer, campaign, make_site, purchase

PEOPLE, DECISIONS_MIN = 30, 1_000
ANCHORS = ("scan-cafe", "scan-bar", "scan-station")


class Exported(NamedTuple):
    """The plan, and by person the log and the decisions that proposed an offer."""

    plan: ReadPlan
    log: dict[str, list[LogRow]]
    decisions: dict[str, list[PastDecision]]

    def replayed(self, subject: str, log: list[LogRow] | None = None) -> list[NDArray[np.float32]]:
        return list(replayed_rows(self.plan, self.log[subject] if log is None else log, self.decisions[subject]))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A seeded run of several weeks: visits, answers, purchases, renewed consents; then `wayside history export`."""
    folder = tmp_path_factory.mktemp("replay")
    offers = [replace(offer, zones=("cafe", "bar", "station"), per_person_day_max=60) for offer in OFFERS]
    rules = {"gap_s_min": 0, "per_person_day_max": 64, "quiet_from": 0, "quiet_until": 0, "contact_cost_minor": 0.0}
    site = make_site(schema=GROUPED, columns=GROUPED_COLUMNS, mined=GROUPED_MINED, campaign=campaign(*offers, **rules))
    gateway = Gateway(folder, site=site, scorer=TableScorer({"coffee_house": 0.4, "bar": 0.3}), synced=False)
    draws = random.Random(7)  # noqa: S311 - a seeded test
    phones = [Phone(f"phone-{number:04}") for number in range(PEOPLE)]
    for phone in phones:
        gateway.apply(phone.consent(told={"visits_month_bar": draws.uniform(0.0, 9.0)} if draws.random() < 0.5 else {}))
    made = step = 0
    while made < DECISIONS_MIN:
        step += 1
        phone = draws.choice(phones)
        gateway.pass_time(draws.randrange(1, HOUR_MS))
        if step % 40 == 0:
            purposes = EVERYTHING if draws.random() < 0.7 else ("presence", "offers", "learning")
            gateway.apply(phone.consent(purposes, told={"visits_month_coffee_house": draws.uniform(0.0, 9.0)}))
        anchor = draws.choice(ANCHORS)
        gateway.apply(phone.near(anchor))
        gateway.clock.advance(1_000)
        decisions = gateway.apply(phone.near(anchor)).decisions.made
        for _ in range(draws.choice((0, 4))):  # long enough to dwell, or not
            gateway.pass_time(20_000)
            decisions += gateway.apply(phone.near(anchor)).decisions.made
        made += sum(decision.offer is not None for decision in decisions)
        for decision in decisions:
            if decision.offer is not None and draws.random() < 0.5:
                gateway.apply(phone.answer(decision.id, "shown"), phone.answer(decision.id, draws.choice(("accepted", "dismissed"))))
            if decision.offer is not None and draws.random() < 0.2:
                gateway.apply(purchase("till-bar", step, draws.randrange(100, 5_000), decision=decision.id))
    with gateway.reader() as reader:
        write(reader, Site({}, gateway.site.plan, "Europe/Berlin"), folder / "out", gateway.clock.now_ms(), "csv")
    gateway.close()
    return read(folder / "out", gateway.site.plan)


def read(folder: Path, plan: ReadPlan) -> Exported:
    """What a workstation reads."""
    with (folder / "facts.jsonl").open("rb") as file:
        log = logged_facts(file)
    found: dict[str, list[PastDecision]] = {}
    with (folder / "interactions.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["what"] == "proposed":
                values = [float(row[f"f_{name}"] or "nan") for name in plan.columns]
                past = PastDecision(int(row["facts"]), int(row["at_ms"]), row["kind"], np.array(values, dtype=np.float32))
                found.setdefault(row["subject"], []).append(past)
    return Exported(plan, log, {subject: sorted(past, key=lambda one: one.facts) for subject, past in found.items()})


def test_replayed_rows_equal_the_scored_rows_bit_for_bit(exported: Exported) -> None:
    compared = 0
    for subject, past in exported.decisions.items():
        for scored, replayed in zip(past, exported.replayed(subject), strict=True):
            assert scored.row.tobytes() == replayed.tobytes(), (subject, scored.facts)
            compared += 1
    assert compared >= DECISIONS_MIN * 0.9


def test_the_run_exercises_every_history_attribute_and_every_derived_one(exported: Exported) -> None:
    rows = np.stack([past.row for decisions in exported.decisions.values() for past in decisions])
    for column in ("habit", "worth", "group_many", "crawler", "gain", "together", "similar"):
        values = rows[:, exported.plan.columns.index(column)]
        assert len(np.unique(values[~np.isnan(values)])) > 1, column
    tiered = rows[:, exported.plan.columns.index("answers_week")]
    assert 0.1 < np.isnan(tiered).mean() < 0.9, "people of each tier"
    for one in GROUPED.attributes:
        if one.history is not None and one.name not in {f"visits_{kind}" for kind in ("restaurant_cheap", "restaurant_dear", "carry_away")}:
            values = rows[:, exported.plan.columns.index(one.name)]
            assert len(np.unique(values[~np.isnan(values)])) > 1, one.name


def test_a_label_that_leaks_into_the_history_is_noticed(exported: Exported) -> None:
    """The log shifted by one fact: each decision then knows the fact that follows it, often its own answer."""
    differing = compared = 0
    for subject, past in exported.decisions.items():
        shifted = [replace(row, body=later.body) for row, later in zip(exported.log[subject], exported.log[subject][1:], strict=False)]
        kept = [decision for decision in past if 1 < decision.facts <= len(shifted)]
        if not isinstance(exported.log[subject][0].body, FoldedFact):
            shifted[0] = exported.log[subject][0]
        for scored, replayed in zip(kept, replayed_rows(exported.plan, shifted, kept), strict=True):
            differing += scored.row.tobytes() != replayed.tobytes()
            compared += 1
    assert compared > DECISIONS_MIN / 2
    assert differing > compared / 2


def test_a_log_without_its_beginning_is_refused(exported: Exported) -> None:
    subject = next(iter(exported.decisions))
    with pytest.raises(IncompleteLogError, match="fact 2 follows fact 0"):
        exported.replayed(subject, exported.log[subject][1:])
    with pytest.raises(IncompleteLogError, match="the log has 1"):
        exported.replayed(subject, exported.log[subject][:1])


def test_a_line_that_is_no_fact_is_refused() -> None:
    with pytest.raises(ValueError, match="is no fact"):
        logged_facts([b"{}"])
