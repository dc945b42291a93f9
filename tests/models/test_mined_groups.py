"""The mining commands write definitions that a gateway accepts: planted groups are found, small and useless ones are not written."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from gateway.core.attributes.derive import estimate, neighbour_rates, segment_of
from gateway.core.attributes.group_checks import check_groups, parse_groups
from gateway.core.attributes.groups import Groups
from gateway.core.attributes.read import used_attributes
from gateway.core.attributes.schema import Schema, parse
from models.groups import GroupError, save_groups
from models.history.fact_log import log_of
from models.history.person_values import past_and_later, person_values
from models.history.reading import open_history
from models.patterns.cohorts import Cohort, cohort_definitions
from models.planning.segments import behavioural_definition, cluster_definition
from models.planning.sheets import PlanningError
from models.propensity.items import define_basket
from models.propensity.per_parameter import PerParameter, sure_things
from models.propensity.similar import define_neighbours, held_out
from models.propensity.sure_thing import define_sure_thing
from tests.models.history import tables
from tests.models.history.tables import DAY_MS, START_MS, happened, line, run

SCHEMA = """
categories = ["tea", "cake", "soup"]
zone_kinds = ["shop", "hall"]
currency = "EUR"
"""
PERSON = """
[[attributes]]
name = "{name}"
about = "person"
dtype = "{dtype}"
{unit}purposes = ["offers"]
{source}
"""
SOURCES = {
    "buy_days": 'history = { of = "purchases", fold = "days", empty = 0.0 }',
    "since": 'history = { of = "purchases", fold = "recency" }',
    "known": 'history = { of = "purchases", fold = "tenure" }',
    "amount": 'history = { of = "purchases", fold = "mean" }',
    "tea_count": 'history = { of = "purchases", fold = "count", categories = ["tea"], half_life_days = 60.0, empty = 0.0 }',
    "cake_count": 'history = { of = "purchases", fold = "count", categories = ["cake"], half_life_days = 60.0, empty = 0.0 }',
    "soup_count": 'history = { of = "purchases", fold = "count", categories = ["soup"], half_life_days = 60.0, empty = 0.0 }',
    "worth": 'score = { name = "value" }',
    "worth_low": 'score = { name = "value", bound = "low" }',
    "habit": 'score = { name = "intensity" }',
    "soup_month": 'tier_min = 2\nhistory = { of = "purchases", fold = "count", categories = ["soup"], within_days = 30, empty = 0.0 }',
}
BETWEEN = """
[[attributes]]
name = "{name}"
about = "offer"
dtype = "number"
unit = "1"
between = {{ field = "group", group = "{name}" }}
"""


def schema_text(*names: str, between: tuple[str, ...] = ("together", "similar")) -> str:
    listed = names or tuple(SOURCES)
    people = [PERSON.format(name=name, dtype="number", unit='unit = "1"\n', source=SOURCES[name]) for name in listed]
    return SCHEMA + "".join(people) + "".join(BETWEEN.format(name=name) for name in between)


def drawn_lines(seed: int = 2, people: int = 240) -> list[dict[str, object]]:
    """Two kinds of people over 240 days: half buy tea often, and cake from some day on; the others soup, now and then."""
    draws = np.random.default_rng(seed)
    rows = []
    for number in range(people):
        often = number % 2 == 0
        day, until, cake_from = int(draws.integers(0, 30)), int(draws.integers(60, 240)), int(draws.integers(20, 200))
        while day < until:
            items = (["tea", "cake"] if day >= cake_from else ["tea"]) if often else ["soup"]
            amount = int(draws.gamma(6.0, 60.0 if often else 30.0)) + 1
            rows += [line(f"s{number:03}", day, item, amount) for item in items]
            day += 1 + int(draws.exponential(8.0 if often else 30.0))
    return rows


@pytest.fixture(scope="module")
def baskets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tables.baskets(tmp_path_factory.mktemp("mined") / "baskets.csv", drawn_lines())


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    path = tmp_path / "schema.toml"
    path.write_text(schema_text(), "utf-8")
    return path


def accepted(groups: Path, schema: Path, *, leave_out: tuple[str, ...] = ()) -> tuple[Groups, Schema]:
    """The groups at a path, after a gateway's own checks for a model of all columns but some."""
    from gateway.adapters.toml_files import load_schema  # noqa: PLC0415

    found, declared = parse_groups(groups.read_bytes()), load_schema(schema)
    columns = tuple(column for column in declared.columns if column not in leave_out)
    check_groups(found, declared, columns, used_attributes(declared, columns, groups=found))
    return found, declared


# --- all commands into one file -----------------------------------------------------------------------------


def test_value_and_items_write_what_the_schema_uses(
    baskets: Path, schema: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = tmp_path / "groups.json"
    options = ("--baskets", baskets, "--schema", schema, "--groups", groups, "--json")
    assert run(monkeypatch, "value", *options) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["table"]["rank_correlation"] > 0.9
    assert run(monkeypatch, "items", *options) == 0
    similar = json.loads(capsys.readouterr().out)["similar"]
    assert similar["difference"]["low"] > 0, "planted: who bought tea buys tea again"
    found, declared = accepted(groups, schema)
    assert [one.name for one in found.definitions()] == ["value", "strength", "intensity", "together", "similar"]
    assert found.variety is not None
    assert found.velocity is not None
    assert set(found.baskets[0].weights) == {"tea", "cake"}, "soup is bought with nothing"
    with open_history(baskets=baskets) as history:
        values = person_values(history, declared, [of.attribute for of in found.tables[0].inputs])
    worth = [estimate(found.tables[0], dict(zip(values.columns, row, strict=True))) for row in values.to_numpy()]
    assert all(of is not None and of.low <= of.high for of in worth)
    assert b"s000" not in groups.read_bytes(), "no row of a person"


def test_a_second_run_replaces_its_own_definitions_only(
    baskets: Path, schema: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = tmp_path / "groups.json"
    options = ("--baskets", baskets, "--schema", schema, "--groups", groups, "--json")
    assert [run(monkeypatch, "items", *options), run(monkeypatch, "value", *options)] == [0, 0]
    first = groups.read_bytes()
    assert run(monkeypatch, "items", *options) == 0
    assert parse_groups(groups.read_bytes()) == parse_groups(first)


@pytest.mark.parametrize(
    ("names", "between", "command", "told"),
    [
        (("since", "known", "amount", "worth"), (), "value", 'history = { of = "purchases", fold = "days" }'),
        (("buy_days", "since", "known", "amount"), (), "value", "no attribute uses the value"),
        (("tea_count", "cake_count"), (), "items", "one with between"),
        (("buy_days",), ("together",), "items", "attributes of the purchases of two categories"),
    ],
)
def test_what_the_schema_lacks_is_stated_as_it_is_written(
    baskets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    names: tuple[str, ...],
    between: tuple[str, ...],
    command: str,
    told: str,
) -> None:
    path = tmp_path / "schema.toml"
    path.write_text(schema_text(*names, between=between), "utf-8")
    assert run(monkeypatch, command, "--baskets", baskets, "--schema", path, "--groups", tmp_path / "g.json") == 1
    assert told in capsys.readouterr().err
    assert not (tmp_path / "g.json").exists()
    assert run(monkeypatch, command, "--baskets", baskets, "--groups", tmp_path / "g.json") == 1
    assert "--groups needs --schema" in capsys.readouterr().err


# --- segments and journeys ----------------------------------------------------------------------------------


def street(tmp_path: Path) -> Path:
    """120 walkers from shop to hall on many days and 60 from the square to the cafe, as an export."""
    rows = []
    for number in range(180):
        for day in range(number % 5, 112, 7 if number < 120 else 28):
            walk = ("shop", "hall") if number < 120 else ("square", "cafe")
            start = day * 1440
            rows += [
                happened(f"s{number:03}", start + 60 * step, "visit", zone=zone, kind=zone, dwell_s=300) for step, zone in enumerate(walk)
            ]
    columns = (*tables.INTERACTION_COLUMNS[:8], "dwell_s")
    tables.write(tmp_path / "interactions.csv", columns, rows)
    return tmp_path


VISITS = {
    "visits_month": 'history = { of = "visits", fold = "count", within_days = 28, empty = 0.0 }',
    "shop_share": 'history = { of = "visits", fold = "share", zone_kinds = ["shop"] }',
}


def test_planted_clusters_become_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder, groups, schema = street(tmp_path), tmp_path / "groups.json", tmp_path / "schema.toml"
    people = [PERSON.format(name=name, dtype="number", unit='unit = "1"\n', source=source) for name, source in VISITS.items()]
    schema.write_text(SCHEMA + "".join(people), "utf-8")
    options = ("--history", folder, "--groups", groups, "--schema", schema)
    assert run(monkeypatch, "segments", *options, "--attributes", "visits_month") == 0
    (defined,) = parse_groups(groups.read_bytes()).segmentations
    assert {of.people for of in defined.segments} == {120, 60}
    often, seldom = segment_of(defined, {"visits_month": 8.0}), segment_of(defined, {"visits_month": 2.0})
    assert often is not None
    assert seldom is not None
    assert (often.people, seldom.people) == (120, 60)
    assert "'clusters' with cluster_" in capsys.readouterr().out
    with pytest.raises(PlanningError, match="no cluster structure"):
        cluster_definition(pd.DataFrame(np.random.default_rng(6).normal(size=(300, 2)), columns=["a", "b"]))


def test_the_four_segments_are_defined_from_attributes_of_their_names() -> None:
    """Frequent visitors are loyal and get no discounts, redeemers are economic; a segment of fewer than 20 people is left out."""
    draws = np.random.default_rng(5)
    loyal, thrifty = np.repeat([1.0, 0.0], 60), np.repeat([0.0, 1.0], 60)
    values = pd.DataFrame(
        {
            "visits_month": loyal * 9 + draws.gamma(2.0, 1.0, 120),
            "purchases_month": loyal * 4 + draws.gamma(1.0, 1.0, 120),
            "redeemed_share": np.clip(thrifty * 0.7 + draws.normal(0.1, 0.05, 120), 0, 1),
            "full_price_share": np.clip(loyal * 0.7 + draws.normal(0.1, 0.05, 120), 0, 1),
        }
    )
    defined = behavioural_definition(values)
    assert {of.name: of.discounts for of in defined.segments} == {"communication": False, "economic": True}
    person = {"visits_month": 12.0, "purchases_month": 6.0, "redeemed_share": 0.1, "full_price_share": 0.8}
    found = segment_of(defined, person)
    assert found is not None
    assert found.name == "communication"
    changed = segment_of(defined, person | {"visits_month": 1.0, "purchases_month": 0.2, "redeemed_share": 0.9, "full_price_share": 0.1})
    assert changed is not None
    assert changed.name == "economic", "the same person, who now comes seldom and redeems"
    with pytest.raises(PlanningError, match="fewer than two segments have 20 subjects"):
        behavioural_definition(values.iloc[:30])


def test_journeys_become_cohorts_of_at_least_k(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder, groups = street(tmp_path), tmp_path / "groups.json"
    command = ("journeys", "--dir", folder, "--by", "kind", "--margin-minor", 100, "--groups", groups, "--json")
    assert run(monkeypatch, *command) == 0
    assert json.loads(capsys.readouterr().out)["definitions"] == ["j_shop_then_hall", "j_square_then_cafe"]
    cohort, other = parse_groups(groups.read_bytes()).cohorts
    assert other.people == 60
    assert (cohort.steps, cohort.people, cohort.by, cohort.gap_h) == (("shop", "hall"), 120, "zone_kind", 4.0)
    steps = ("shop", "hall")
    with pytest.raises(GroupError, match="Expected `int` >= 20"):
        save_groups(tmp_path / "small.json", cohort_definitions([Cohort(steps, frozenset(range(19)))], "kind", 4.0, 28))


# --- items, customers, sure things --------------------------------------------------------------------------


def test_similar_items_need_k_common_people() -> None:
    subjects = np.repeat(np.arange(40), 2)
    items = np.tile([0, 1], 40)
    few = np.concatenate([items, np.full(19, 2)]), np.concatenate([subjects, np.arange(19)])
    basket = define_basket(few[1], few[0], ("tea", "cake", "soup"), {"tea": "t", "cake": "c", "soup": "s"})
    assert set(basket.weights) == {"tea", "cake"}
    assert set(basket.weights["tea"]) == {"c"}
    with pytest.raises(GroupError, match="no two categories were bought by 20 people"):
        define_basket(np.arange(19).repeat(2), np.tile([0, 1], 19), ("tea", "cake"), {"tea": "t", "cake": "c"})


def test_similar_customers_beat_all_customers_only_where_customers_differ() -> None:
    draws = np.random.default_rng(3)
    kind = np.repeat([0, 1], 150)
    values = pd.DataFrame({"tea": kind * 4.0 + draws.gamma(2.0, 0.5, 300), "cake": draws.gamma(2.0, 1.0, 300)})
    bought = draws.random((300, 2)) < np.where(kind[:, None] == 1, [0.7, 0.2], [0.1, 0.2])
    assert held_out(values, bought, ("tea", "cake")).difference.low > 0
    assert held_out(values, draws.random((300, 2)) < 0.3, ("tea", "cake")).difference.low < 0, "nothing to learn"
    defined = define_neighbours(values, bought, ("tea", "cake"))
    assert min(group.people for group in defined.groups) >= 20
    near, far = (neighbour_rates(defined, {"tea": of, "cake": 2.0})["tea"] for of in (5.0, 1.0))
    assert near == pytest.approx(0.7, abs=0.15)
    assert far == pytest.approx(0.1, abs=0.1)
    with pytest.raises(GroupError, match="too few for two groups"):
        define_neighbours(values[:79], bought[:79], ("tea", "cake"))


def test_the_table_of_the_sure_thing_equals_the_scorecard() -> None:
    draws = np.random.default_rng(4)
    rows = draws.normal(size=(800, 3)).astype(np.float32)
    taken = (rows[:, 0] + rows[:, 1] + draws.normal(size=800) > 0).astype(np.int64)
    critical = define_sure_thing(rows, taken, ("a", "b", "c"), ("a", "b"))
    expected = sure_things(PerParameter().fit(rows[:, :2], taken).critical_values(rows[:, :2]))
    chances = np.stack(
        [
            np.array(of.chances)[np.searchsorted(np.array(of.edges), rows[:, at].astype(np.float64), side="left")]
            for at, of in enumerate(critical)
        ],
        axis=1,
    )
    assert (sure_things(chances) == expected).all()
    assert 0.05 < expected.mean() < 0.6
    with pytest.raises(GroupError, match="'d' is no column"):
        define_sure_thing(rows, taken, ("a", "b", "c"), ("d",))


# --- values of people ---------------------------------------------------------------------------------------


def test_values_of_people_are_those_of_the_gateways_aggregators(tmp_path: Path) -> None:
    declared = parse(
        {
            "categories": ["tea", "cake"],
            "zone_kinds": ["shop"],
            "currency": "EUR",
            "attributes": [
                {"name": name, "about": "person", "dtype": "number", "unit": "1", "purposes": ["offers"], "history": source}
                for name, source in {
                    "days": {"of": "purchases", "fold": "days", "empty": 0.0},
                    "tenure": {"of": "purchases", "fold": "tenure"},
                    "since": {"of": "purchases", "fold": "recency"},
                    "tea": {"of": "purchases", "fold": "count", "categories": ["tea"], "empty": 0.0},
                    "visits": {"of": "visits", "fold": "count", "empty": 0.0},
                }.items()
            ],
        }
    )
    rows = [line("a", 0), line("a", 0, "cake"), line("a", 3), line("b", 5, "pie")]
    visits = [happened("a", 60, "visit", zone="z", kind="shop", dwell_s=59), happened("a", 90, "visit", zone="z", kind="shop", dwell_s=61)]
    columns = (*tables.INTERACTION_COLUMNS[:8], "dwell_s")
    interactions = tables.write(tmp_path / "i.csv", columns, visits)
    with open_history(interactions=interactions, baskets=tables.baskets(tmp_path / "b.csv", rows)) as history:
        values = person_values(history, declared, ["days", "tenure", "since", "tea", "visits"], START_MS + 10 * DAY_MS)
    assert values.to_numpy()[0].tolist() == [2.0, 240.0, 168.0, 2.0, 1.0], "a visit of 59 s does not count"
    assert values.to_numpy()[1].tolist() == [1.0, 120.0, 120.0, 0.0, 0.0], "an item of no category is a purchase"
    assert msgspec.json.encode(declared)


def test_values_of_an_export_are_replayed_with_what_was_stated(tmp_path: Path) -> None:
    """A consent states five purchases of tea a month; one more is made, ten days before and eight days after the middle of the time."""
    count = {"of": "purchases", "fold": "count", "categories": ["tea"], "half_life_days": 10.0, "prior": "stated", "empty": 0.0}
    person = {"about": "person", "dtype": "number", "unit": "1", "purposes": ["offers"]}
    declared = parse(
        {
            "categories": ["tea", "cake"],
            "currency": "EUR",
            "attributes": [{"name": "stated", "told": {}, **person}, {"name": "tea", "history": count, **person}],
        }
    )
    consent = {"type": "consent", "purposes": ["presence", "offers", "learning"], "told": {"stated": 5.0}}
    bought = [
        {"type": "fact", "fact": {"of": "purchases", "at_ms": START_MS + day * DAY_MS, "category": of}}
        for day, of in ((10, "tea"), (20, "cake"))
    ]
    days = (0, 10, 20)
    lines = [
        {"subject": "a", "number": number, "at_ms": START_MS + day * DAY_MS, "body": body}
        for number, (day, body) in enumerate(zip(days, [consent, *bought], strict=True), start=1)
    ]
    late = {"subject": "late", "number": 7, "at_ms": START_MS, "body": bought[0]}
    (tmp_path / "facts.jsonl").write_text("\n".join(map(json.dumps, [*lines, late])), "utf-8")
    interactions = tables.interactions(tmp_path / "interactions.csv", [happened("a", 10 * 1440, "purchase", kind="tea")])
    log = log_of(tmp_path)
    with open_history(interactions=interactions) as history:
        values = person_values(history, declared, ["tea"], START_MS + 20 * DAY_MS, log)
        assert values["tea"].to_dict() == {"a": 5.0 * 0.25 + 0.5}, "who joined the log later is left out"
        assert person_values(history, declared, ["tea"], START_MS + 20 * DAY_MS)["tea"].to_dict() == {"a": 0.5}, "without the log"
        known, later = past_and_later(history, declared, ["tea"], 0.7, log)
    assert known["tea"].tolist() == pytest.approx([(5.0 * 0.5 + 1.0) * 0.5**0.4]), "at day 14"
    assert later.tolist() == [[False, True]], "the cake of day 20"
