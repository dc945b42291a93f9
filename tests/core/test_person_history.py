"""What is kept of a person: only attributes in use, only within the granted purposes, only under their present definition."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from gateway.core.attributes.aggregators import HistoryFact
from gateway.core.attributes.history import HistoryPlan, Stated
from gateway.core.attributes.read import ColumnsError, ReadPlan
from gateway.core.attributes.schema import parse
from gateway.core.types import Purpose
from tests.kit.attributes import COLUMNS, RICH, RICH_COLUMNS, SCHEMA, person, person_values
from tests.kit.testbed import DAY_MS, EVERYTHING, NOON_MS, Gateway, Phone, make_site

VISIT = HistoryFact("visits", NOON_MS, zone="cafe", zone_kind="coffee_house")
CONTACT = HistoryFact("contacts", NOON_MS, "bar", "bar", "bar", "happy-hour", "entered")
WITHOUT_LEARNING: tuple[Purpose, ...] = ("presence", "offers")


def plan_of(*columns: str) -> HistoryPlan:
    return ReadPlan(RICH, columns, (), {}).history


def kept(plan: HistoryPlan, purposes: tuple[Purpose, ...] = EVERYTHING) -> set[str]:
    """Names of the attributes that have a state after a visit and a contact."""
    history = plan.fold(plan.fold({}, purposes, VISIT, NOON_MS), purposes, CONTACT, NOON_MS)
    return {key.partition(":")[0] for key in history}


def test_only_attributes_in_use_are_kept() -> None:
    assert kept(plan_of("hour")) == set()
    assert kept(plan_of("visits_week")) == {"visits_week"}
    assert kept(plan_of("visits_this_kind")) == {"visits_coffee_house"}, "through the attribute by category"
    assert kept(plan_of(*RICH_COLUMNS)) >= {"visits_coffee_house", "visits_week", "contacts_day", "accepted_share"}


def test_stated_values_of_attributes_that_are_not_in_use_are_not_kept() -> None:
    stated = {"visits_month_bar": 4.0, "visits_month_pub": 4.0, "visits_week": 3.0}
    assert plan_of("visits_bar").stated(stated, EVERYTHING) == {"visits_month_bar": 4.0}
    assert plan_of("visits_coffee_house").stated(stated, EVERYTHING) == {}


@pytest.mark.parametrize(
    ("value", "stated"), [(1e9, 120.0), (-3.0, 0.0), (math.nan, None), (math.inf, None), ("often", None), (True, None)]
)
def test_stated_values_are_typed_finite_and_clipped(value: Stated, stated: float | None) -> None:
    expected = {} if stated is None else {"visits_month_bar": stated}
    assert plan_of("visits_bar").stated({"visits_month_bar": value}, EVERYTHING) == expected


def test_an_attribute_whose_purposes_are_not_granted_does_not_exist() -> None:
    plan = plan_of(*RICH_COLUMNS)
    assert "contacts_day" in kept(plan)
    assert "contacts_day" not in kept(plan, WITHOUT_LEARNING)
    history = plan.fold({}, EVERYTHING, CONTACT, NOON_MS)
    assert person_values(plan, history, EVERYTHING, NOON_MS)["contacts_day"] == 1.0
    assert person_values(plan, history, WITHOUT_LEARNING, NOON_MS)["contacts_day"] is None
    assert not any(key.startswith("contacts_day") for key in plan.renewed(history, WITHOUT_LEARNING, {}, NOON_MS)), (
        "dropped with the consent"
    )
    assert plan.renewed(history, (), {}, NOON_MS) == {}


def test_withdrawn_learning_deletes_the_log_and_the_states_that_need_it(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, site=make_site(schema=RICH, columns=RICH_COLUMNS))
    phone = Phone()
    gateway.apply(phone.consent())
    for _ in range(2):
        gateway.apply(phone.near("scan-cafe"))
        gateway.clock.advance(1_000)
    subject = gateway.state.people.identities[phone.device]
    before = gateway.store.context(subject)
    assert before is not None
    assert any(key.startswith("contacts_day") for key in before.history)
    assert len(gateway.rows("history")) == before.facts == 2
    gateway.apply(phone.consent(WITHOUT_LEARNING))
    after = gateway.store.context(subject)
    assert after is not None
    assert not any(key.startswith("contacts_day") for key in after.history)
    assert gateway.rows("history") == []
    gateway.apply(phone.withdrawal())
    assert gateway.store.context(subject) is None
    gateway.close()


def test_a_stated_habit_is_where_the_count_starts() -> None:
    plan = plan_of("visits_bar")
    stated = plan.stated({"visits_month_bar": 6.0}, EVERYTHING)
    seen = plan.fold({}, EVERYTHING, HistoryFact("visits", NOON_MS, zone_kind="bar"), NOON_MS)
    assert person_values(plan, seen, EVERYTHING, NOON_MS)["visits_bar"] == 1.0
    assert person_values(plan, plan.renewed(seen, EVERYTHING, stated, NOON_MS), EVERYTHING, NOON_MS)["visits_bar"] == 6.0
    assert person_values(plan, plan.renewed(seen, EVERYTHING, {}, NOON_MS), EVERYTHING, NOON_MS)["visits_bar"] == 1.0, (
        "nothing was stated anew"
    )


def test_before_the_first_fact_a_value_is_unknown_unless_the_schema_states_it() -> None:
    values = person_values(plan_of("visits_bar", "visits_week"), {}, EVERYTHING, NOON_MS)
    assert values == {"visits_bar": None, "visits_month_bar": None, "visits_week": 0.0}


def test_where_a_window_has_no_fact_a_mean_is_what_the_schema_states() -> None:
    basket = person("basket_mean", of="purchases", fold="mean", within_days=7, empty=4.0)
    schema = parse(msgspec.to_builtins(RICH) | {"attributes": [basket]})
    plan = ReadPlan(schema, ("basket_mean",), (), {}).history
    history = plan.fold({}, EVERYTHING, HistoryFact("purchases", NOON_MS, amount=100), NOON_MS)
    assert person_values(plan, history, EVERYTHING, NOON_MS) == {"basket_mean": 100.0}
    assert person_values(plan, history, EVERYTHING, NOON_MS + 8 * DAY_MS) == {"basket_mean": 4.0}


def test_a_changed_definition_starts_anew() -> None:
    before = plan_of("visits_week")
    history = before.fold({}, EVERYTHING, VISIT, NOON_MS)
    changed = tuple(
        replace(one, history=replace(one.history, within_days=3)) if one.name == "visits_week" and one.history else one
        for one in RICH.attributes
    )
    after = ReadPlan(replace(RICH, attributes=changed), ("visits_week",), (), {}).history
    assert person_values(after, history, EVERYTHING, NOON_MS) == {"visits_week": 0.0}
    assert person_values(before, history, EVERYTHING, NOON_MS) == {"visits_week": 1.0}


def test_a_column_that_the_schema_lacks_is_named() -> None:
    for columns, message in ((("hours",), "'hours' is no column of the schema; did you mean 'hour'?"), (("hour", "hour"), "listed twice")):
        with pytest.raises(ColumnsError, match=message.replace("?", r"\?")):
            ReadPlan(SCHEMA, columns, (), {})


def test_the_digest_of_a_plan_is_that_of_its_columns_and_definitions() -> None:
    plans = [ReadPlan(SCHEMA, columns, (), {}).digest for columns in (COLUMNS, COLUMNS[:-1], (COLUMNS[1], COLUMNS[0], *COLUMNS[2:]))]
    assert len(set(plans)) == 3
    assert ReadPlan(SCHEMA, COLUMNS, (), {}).digest == plans[0]
