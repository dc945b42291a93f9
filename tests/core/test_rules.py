"""Rules of offers: what the subset allows, and the same answers from both implementations of CEL."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import pytest
from cel_expr_python import cel as checker

from gateway.adapters import rules
from gateway.adapters.rules import CompiledRules, rule_faults
from gateway.core import limits
from gateway.core.attributes.schema import Schema, parse
from gateway.core.campaign.rules import RuleError, parsed
from gateway.core.offers import Campaign
from models.rule_types import type_faults
from tests.kit.testbed import offer

SCHEMA: Schema = parse(
    {
        "categories": ["tea"],
        "currency": "EUR",
        "attributes": [
            {"name": "visits", "about": "person", "dtype": "number", "unit": "1", "purposes": ["offers"], "told": {}},
            {"name": "member", "about": "person", "dtype": "flag", "purposes": ["offers"], "told": {}},
            {"name": "temperature", "about": "place", "dtype": "number", "unit": "Cel", "reading": {"quantity": "temperature"}},
            {"name": "weather", "about": "place", "dtype": "category", "reading": {"quantity": "weather"}},
            {"name": "price", "about": "offer", "dtype": "number", "unit": "1", "offer": {"field": "price"}},
        ],
    }
)
VALUES: dict[str, tuple[Any, ...]] = {
    "visits": (0.0, 1.0, 3.0, 3.5, -2.0, 1e9),
    "member": (0.0, 1.0),
    "temperature": (-5.0, 20.0, 20.5),
    "weather": ("sunny", "rainy", "snowy"),
}


def answer(text: str, **values: float | str) -> bool:
    return CompiledRules([text], SCHEMA).holds(text, values)


@pytest.mark.parametrize(
    ("text", "values", "due"),
    [
        ("visits > 3", {"visits": 3.5}, True),
        ("visits > 3", {"visits": 3.0}, False),
        ("visits >= 3 && !member", {"visits": 3.0, "member": 0.0}, True),
        ("visits >= 3 && !member", {"visits": 3.0, "member": 1.0}, False),
        ("weather in ['sunny', \"snowy\"]", {"weather": "snowy"}, True),
        ("weather == 'sunny' ? temperature > 20 : temperature > 25", {"weather": "sunny", "temperature": 20.5}, True),
        ("(temperature - 32) * 5 < 0 || member", {"temperature": 20.0, "member": 0.0}, True),
        ("1e3 < visits", {"visits": 1e9}, True),
        ("-2 == visits", {"visits": -2.0}, True),
    ],
)
def test_known_answers(text: str, values: dict[str, float | str], *, due: bool) -> None:
    assert answer(text, **values) is due


@pytest.mark.parametrize(
    ("text", "at", "why"),
    [
        ("visit > 3", 1, "no attribute of the schema; did you mean 'visits'?"),
        ("member && price < 3", 11, "differs by offer"),
        ("weather == 'suny'", 12, "no value of a category in this rule; did you mean 'sunny'?"),
        ("size(weather) > 3", 1, "a function call"),
        ("[visits].exists(x, x > 1)", 9, "'.' is not part of a rule"),
        ("visits > 1u", 10, "'1' is not part of a rule"),
        ("visits / 2 > 1", 8, "'/' is not part of a rule"),
        ("visits > 0x1F", 10, "'0' is not part of a rule"),
        ("weather == r'sunny'", 12, "no attribute of the schema"),
        ("{'a': visits}", 1, "'{' is not part of a rule"),
        ("1 < 2", 1, "uses no attribute"),
        ("", 1, "uses no attribute"),
        ("visits > 3 && " + "(" * 600, 501, "at most 500 characters"),
        ("visits >", 9, "not a valid expression"),
        ("visits>3 && && member", 13, "not a valid expression"),
        ("(" * 400 + "visits", 97, "nested too deeply"),
        ("visits > 3 &&  !(member && weather>2)", 28, "types do not fit"),
        ("visits>3&&(member||visits)", 20, "must be true or false"),
        ("member ? visits > 3 : weather > 2", 1, "types do not fit"),
        ("visits", 1, "must be true or false"),
        ("visits > 'sunny' || weather == 'sunny'", 1, "types do not fit"),
        ("weather + 'sunny'", 1, "must be true or false"),
        ("member > 1", 1, "types do not fit"),
    ],
)
def test_a_wrong_rule_is_refused_with_position_and_cause(text: str, at: int, why: str) -> None:
    with pytest.raises(RuleError, match=rf"^at character {at}: ") as refused:
        CompiledRules([text], SCHEMA)
    assert why in str(refused.value)


def test_needs_are_the_attributes_of_a_rule() -> None:
    assert parsed("weather == 'sunny' && visits > 2 && visits < 9", SCHEMA).needs == ("weather", "visits")


def test_both_implementations_give_the_same_answers() -> None:
    """400 rules from a seed, each with every combination of the values of its attributes."""
    draws = random.Random(20_261_128)  # noqa: S311
    environment = checker.NewEnv(
        variables={
            "visits": checker.Type.DOUBLE,
            "member": checker.Type.BOOL,
            "temperature": checker.Type.DOUBLE,
            "weather": checker.Type.STRING,
        }
    )
    answers = {True: 0, False: 0}
    for _ in range(400):
        text = _condition(draws, 3)
        if len(text) > limits.RULE_CHARS_MAX or not any(name in text for name in VALUES):
            continue
        rules, other = CompiledRules([text], SCHEMA), environment.compile(parsed(text, SCHEMA).cel)
        needs = rules.needs(text)
        for combination in product(*(VALUES[name] for name in needs)):
            values = dict(zip(needs, combination, strict=True))
            typed = {name: value > 0 if name == "member" else value for name, value in values.items()}
            ours = rules.holds(text, values)
            assert ours is other.eval(data=typed).value(), (text, values)
            answers[ours] += 1
    assert min(answers.values()) > 1_000, "nearly all rules had the same answer"


def _condition(draws: random.Random, depth: int) -> str:
    if depth and draws.random() < 0.7:
        left, right = _condition(draws, depth - 1), _condition(draws, depth - 1)
        return draws.choice((f"({left} && {right})", f"({left} || {right})", f"!({left})", f"({left} ? {right} : {left})"))
    return draws.choice(
        (
            "member",
            f"weather {draws.choice(('==', '!='))} '{draws.choice(VALUES['weather'])}'",
            f"weather in ['sunny', '{draws.choice(VALUES['weather'])}']",
            f"{_number(draws, 2)} {draws.choice(('<', '<=', '>', '>=', '==', '!='))} {_number(draws, 1)}",
        )
    )


def _number(draws: random.Random, depth: int) -> str:
    if depth and draws.random() < 0.4:
        return f"({_number(draws, depth - 1)} {draws.choice('+-*')} {_number(draws, depth - 1)})"
    return draws.choice(("visits", "temperature", "0", "3", "20.5", "-2"))


def test_every_fault_of_a_campaign_has_its_path() -> None:
    campaign = Campaign((offer(eligible="visit > 1"), offer("second", applicable="temperature > 1", suitable="member >")))
    assert [str(fault).partition(": at")[0] for fault in rule_faults(campaign, SCHEMA)] == ["offers[0].eligible", "offers[1].suitable"]


def test_types_are_also_checked_in_branches_that_no_trial_reaches() -> None:
    hidden = "visits > 1e8 && visits < 1e7 && (weather > 3)"
    assert not rule_faults(Campaign((offer(eligible=hidden),)), SCHEMA), "the trial has no value that reaches the comparison"
    (fault,) = type_faults(Campaign((offer(eligible=hidden),)), SCHEMA)
    assert fault.startswith("offers[0].eligible: found no matching overload")
    assert not list(type_faults(Campaign((offer(eligible="visits > 3"),)), SCHEMA))


def test_equal_rules_of_many_offers_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand offers with the rules of a few templates load in the time of these."""
    compiled: list[str] = []
    monkeypatch.setattr(rules, "compiled", lambda rule, _schema: compiled.append(rule.cel))
    offers = [offer(f"o{at}", eligible="member" if at % 2 else "", suitable="visits > 3.0") for at in range(100)]
    assert rule_faults(Campaign(tuple(offers)), SCHEMA) == []
    assert len(compiled) == 2
