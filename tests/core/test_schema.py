"""A schema is read whole or refused with every fault: path, cause, and the nearest known name."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.adapters.toml_files import TomlFileError, load_schema
from gateway.core import limits
from gateway.core.attributes.schema import SOURCES, Attribute, SchemaError, parse, schema_bytes
from tests.kit.attributes import COLUMNS, SCHEMA


def attribute(**changes: Any) -> dict[str, Any]:
    """A sound attribute with `changes`; None removes a key."""
    sound = {"name": "tea", "about": "person", "dtype": "number", "unit": "{purchases}", "purposes": ["offers"]}
    history = {"of": "purchases", "fold": "count", "categories": ["tea"], "within_days": 30}
    return {key: value for key, value in ({**sound, "history": history} | changes).items() if value is not None}


def told(name: str, **changes: Any) -> dict[str, Any]:
    """A stated number."""
    return attribute(name=name, history=None, told={}, **changes)


def schema(*attributes: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A schema with these attributes."""
    return {"categories": ["tea", "cake"], "zone_kinds": ["shop"], "currency": "EUR", "attributes": list(attributes), **changes}


def history(**changes: Any) -> dict[str, Any]:
    """`attribute` with another history."""
    base: dict[str, Any] = copy.deepcopy(attribute()["history"])
    return attribute(history={key: value for key, value in (base | changes).items() if value is not None})


def about(about: str, dtype: str, **source: Any) -> dict[str, Any]:
    """An attribute that is not about a person."""
    unit = "1" if dtype == "number" else None
    return attribute(about=about, dtype=dtype, unit=unit, purposes=None, history=None, **source)


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    (schema(attribute(), currencies="EUR"), "currencies", "unknown key; did you mean 'currency'?"),
    (schema(attribute(), currency="euro"), "currency", "regex"),
    ({"categories": ["tea"], "currency": "EUR"}, "attributes", "expected a list of tables"),
    (schema(attribute(), categories=["tea", "tea"]), "categories", "listed twice"),
    (schema(attribute(), zone_kinds=["Shop!"]), "zone_kinds", "regex"),
    (schema(attribute(purpose=["offers"])), "attributes[0].purpose", "did you mean 'purposes'?"),
    (schema(attribute(name="Tea")), "attributes[0].name", "regex"),
    (schema(attribute(), attribute()), "attributes[1].name", "declared twice"),
    (schema(attribute(about="persons")), "attributes[0].about", "did you mean 'person'?"),
    (schema(attribute(dtype="numbr")), "attributes[0].dtype", "did you mean 'number'?"),
    (schema(attribute(unit=None)), "attributes[0].unit", "needs a unit"),
    (schema(attribute(low=2.0, high=1.0)), "attributes[0].low", "must be below"),
    (schema(attribute(purposes=["ofers"])), "attributes[0].purposes", "did you mean 'offers'?"),
    (schema(attribute(purposes=[])), "attributes[0].purposes", "name the purposes"),
    (schema(about("place", "number", reading={"quantity": "noise"}) | {"purposes": ["offers"]}), "attributes[0].purposes", "belong to"),
    (schema(attribute(name="age_group")), "attributes[0].sensitive", "'age' is sensitive"),
    (schema(attribute(name="age_group", sensitive=True)), "attributes[0].reason", "needs a reason"),
    (schema(attribute(history=None)), "attributes[0]", "exactly one source"),
    (schema(attribute(told={})), "attributes[0]", "it has told and history"),
    (schema(attribute(history=None, score={"model": "churn"})), "attributes[0].score.model", "unknown key"),
    (schema(attribute(history=None, score={"name": "churn"}, dtype="flag", unit=None)), "attributes[0].score", "is a number, not a flag"),
    (schema(attribute(history=None, segment={"name": "four"})), "attributes[0].segment", "is a category, not a number"),
    (schema(attribute(history=None, cohort={"name": "walk"})), "attributes[0].cohort", "is a flag, not a number"),
    (schema(about("offer", "number", between={"field": "group"})), "attributes[0].between.group", "needs the name"),
    (
        schema(about("offer", "number", pattern={"by_item": {"tea": "tee"}})),
        "attributes[0].pattern.by_item.tea",
        "is no number from the history",
    ),
    (
        schema(about("offer", "number", offer={"field": "value"}) | {"tier_min": 1}),
        "attributes[0].tier_min",
        "belongs to attributes from history",
    ),
    (schema(history(fold="days")), "attributes[0].history.fold", "looks at the whole time"),
    (schema(attribute(about="place", purposes=None)), "attributes[0].about", "is about person"),
    (schema(history(fold="cuont")), "attributes[0].history.fold", "did you mean 'count'?"),
    (schema(history(of="purchase")), "attributes[0].history.of", "did you mean 'purchases'?"),
    (schema(history(categories=["tee"])), "attributes[0].history.categories", "did you mean 'tea'?"),
    (schema(history(zone_kinds=["shops"])), "attributes[0].history.zone_kinds", "did you mean 'shop'?"),
    (schema(history(half_life_days=3.0)), "attributes[0].history.half_life_days", "exclude each other"),
    (schema(history(within_days=limits.WITHIN_DAYS_MAX + 1)), "attributes[0].history.within_days", "<= 400"),
    (schema(history(within_day=3)), "attributes[0].history.within_day", "did you mean 'within_days'?"),
    (schema(history(fold="recency")), "attributes[0].history.fold", "looks at the whole time"),
    (schema(history(fold="distinct")), "attributes[0].history.field", "counts the values of a field"),
    (schema(history(fold="sum", of="visits")), "attributes[0].history.of", "takes the amount of purchases"),
    (schema(history(per="contacts")), "attributes[0].history.per", "belongs to share"),
    (schema(history(fold="last", field="category", within_days=None)), "attributes[0].history.fold", "does not give a number"),
    (schema(history(prior="habit")), "attributes[0].history.prior", "is not a told attribute"),
    (schema(history(prior="habbit"), told("habit")), "attributes[0].history.prior", "did you mean 'habit'?"),
    (schema(history(prior="habit"), told("habit")), "attributes[0].history.prior", "only a count with half_life_days"),
    (
        schema(history(prior="habit"), told("habit", purposes=["learning"])),
        "attributes[0].purposes",
        "needs its purposes as well: learning",
    ),
    (schema(history(of="visits")), "attributes[0].history.categories", "visits have no category"),
    (schema(history(occasions=["entered"])), "attributes[0].history.occasions", "purchases have no occasion"),
    (schema(history(answers=["accepted"])), "attributes[0].history.answers", "purchases have no answer"),
    (
        schema(history(fold="share", of="contacts", per="answers", occasions=["entered"])),
        "attributes[0].history.occasions",
        "answers have no occasion, so the share would be of nothing",
    ),
    (schema(history(of="visits", categories=None, fold="last", within_days=None)), "attributes[0].history.field", "visits have no amount"),
    (schema(history(fold="distinct", field="occasion")), "attributes[0].history.field", "purchases have no occasion; known: amount"),
    (schema(history(empty=0.0) | {"low": 1.0}), "attributes[0].history.empty", "empty 0 is outside low and high"),
    (schema(history(empty=math.nan)), "attributes[0].history.empty", "nan is not a finite number"),
    (schema(attribute(high=math.inf)), "attributes[0].high", "inf is not a finite number"),
    (
        schema(
            attribute(
                dtype="category", unit=None, values=["tea"], history={"of": "purchases", "fold": "last", "field": "category", "empty": 0.0}
            )
        ),
        "attributes[0].history.empty",
        "empty is a number",
    ),
    (schema(told("tea", dtype="category", unit=None)), "attributes[0].values", "closed list"),
    (schema(told("tea", values=["a"])), "attributes[0].values", "belong to categories"),
    (schema(told("tea", dtype="category", unit=None, values=["a", "a"])), "attributes[0].values", "listed twice"),
    (schema(told("tea", dtype="category", unit=None, values=["x"] * 65)), "attributes[0].values", "64"),
    (
        schema(told("a", dtype="category", unit=None, values=["b_c"]), told("a_b", dtype="category", unit=None, values=["c"])),
        "attributes[1].name",
        "also a column of 'a'",
    ),
    (schema(about("place", "number", reading={"quantity": "temprature"})), "attributes[0].reading.quantity", "did you mean 'temperature'?"),
    (schema(about("place", "number", reading={"quantity": "weather"})), "attributes[0].reading.quantity", "category of sunny"),
    (schema(about("place", "number", reading={"quantity": "noise", "max_age_min": 0})), "attributes[0].reading.max_age_min", "> 0"),
    (schema(about("moment", "number", clock={"field": "hours"})), "attributes[0].clock.field", "did you mean 'hour'?"),
    (schema(about("moment", "number", clock={"field": "season"})), "attributes[0].clock.field", "season is a category"),
    (schema(about("offer", "number", offer={"field": "tag", "tag": "vegan"})), "attributes[0].offer.field", "tag is a flag"),
    (schema(about("offer", "flag", offer={"field": "tag"})), "attributes[0].offer.tag", "needs the tag"),
    (
        schema(about("offer", "number", between={"field": "walk_min", "by_category": {"tea": "tea"}})),
        "attributes[0].between.by_category",
        "only that field",
    ),
    (
        schema(about("offer", "number", between={"field": "by_category", "by_category": {"tee": "habit"}}), told("habit")),
        "attributes[0].between.by_category.tee",
        "did you mean 'tea'?",
    ),
    (
        schema(about("offer", "number", between={"field": "by_category", "by_category": {"tea": "habbit"}}), told("habit")),
        "attributes[0].between.by_category.tea",
        "did you mean 'habit'?",
    ),
    (schema(about("occasion", "number", occasion={"field": "kind"})), "attributes[0].occasion.field", "kind is a category"),
    (
        schema(about("occasion", "category", occasion={"field": "kind"}, values=["entered", "asked"])),
        "attributes[0].occasion.field",
        "state some of entered, dwelled, left, purchased, scheduled, reading, event, requested, or leave values out",
    ),
]


@pytest.mark.parametrize(("table", "path", "message"), FAULTS)
def test_a_fault_has_its_path_and_the_nearest_name(table: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(SchemaError) as refused:
        parse(table)
    assert [path for fault in refused.value.faults if str(fault).startswith(f"{path}: ") and message in fault.message], str(refused.value)


def test_an_occasion_may_state_further_values() -> None:
    values = ["entered", "purchased", "requested"]
    made = parse(schema(about("occasion", "category", occasion={"field": "kind"}, values=values)))
    assert made.attributes[0].values == tuple(values)
    assert parse(schema(about("occasion", "category", occasion={"field": "kind"}))).attributes[0].values == ("entered", "dwelled")


def test_every_fault_is_reported_at_once() -> None:
    with pytest.raises(SchemaError) as refused:
        parse(schema(attribute(name="Tea", purpose=[]), history(fold="cuont"), attribute(unit=None), attribute(about="place")))
    assert len(refused.value.faults) == 7


def test_the_base_of_the_faults_is_sound() -> None:
    parsed = parse(schema(attribute(), told("habit"), history(fold="last", within_days=None) | {"name": "last_amount"}))
    assert [one.name for one in parsed.attributes] == ["tea", "habit", "last_amount"]


def test_a_fault_in_a_file_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "schema.toml"
    file.write_text('categories = ["tea"]\ncurrency = "EUR"\n\n[[attributes]]\nname = "tea"\nabout = "persn"\ndtype = "number"\n', "utf-8")
    with pytest.raises(TomlFileError) as refused:
        load_schema(file)
    assert f"{file}:6: attributes[0].about: 'persn' is not allowed; did you mean 'person'?" in str(refused.value)
    for content, cause in (("a = ", "not valid TOML"), (None, "cannot be read")):
        file.unlink() if content is None else file.write_text(content, "utf-8")
        with pytest.raises(TomlFileError, match=cause):
            load_schema(file)


def test_a_schema_survives_its_bytes() -> None:
    assert parse(msgspec.json.decode(schema_bytes(SCHEMA))) == SCHEMA
    assert schema_bytes(SCHEMA) == schema_bytes(parse(msgspec.json.decode(schema_bytes(SCHEMA))))


def test_sources_are_the_fields_of_an_attribute() -> None:
    fields = {field.name for field in msgspec.structs.fields(Attribute)}
    assert set(SOURCES) == fields - {
        "name",
        "title",
        "about",
        "dtype",
        "unit",
        "values",
        "low",
        "high",
        "purposes",
        "sensitive",
        "reason",
        "tier_min",
    }


def test_the_digest_changes_with_the_definition() -> None:
    one, *others = SCHEMA.attributes
    assert len({attribute.digest for attribute in SCHEMA.attributes}) == len(others) + 1
    assert msgspec.structs.replace(one, unit="min").digest != one.digest


def test_the_digest_does_not_change_with_purposes_and_reasons() -> None:
    """Otherwise a corrected sentence would delete histories, and make logged rows useless for training."""
    one = SCHEMA.attributes[0]
    assert msgspec.structs.replace(one, purposes=("learning",), sensitive=True, reason="asked for at sign-off").digest == one.digest


def test_a_thousand_attributes_are_allowed_and_one_more_is_not() -> None:
    made = [told(f"a{number}") for number in range(limits.ATTRIBUTES_MAX + 1)]
    assert len(parse(schema(*made[:-1])).attributes) == limits.ATTRIBUTES_MAX
    with pytest.raises(SchemaError, match="1001 attributes, at most 1000"):
        parse(schema(*made))


def test_the_demonstration_has_the_25_columns_of_its_model() -> None:
    assert len(COLUMNS) == len(set(COLUMNS)) == 25
    assert set(COLUMNS) <= set(SCHEMA.columns)
