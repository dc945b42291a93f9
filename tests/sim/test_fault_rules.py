"""Fault rules: errors name the nearest valid field, and a file and a command line give the same rules."""

from __future__ import annotations

import pytest

from firmware_sim.faults import rules
from firmware_sim.faults.rules import FaultError, Rule, parse_option
from firmware_sim.scenario import Scenario, parsed


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("los:share=0.1", "kind 'los' is not allowed; did you mean 'loss'?"),
        ("loss:shore=0.1", "shore: unknown key; did you mean 'share'?"),
        ("loss", "share: required, but missing"),
        ("loss:share=2", "share: input should be less than or equal to 1"),
        ("loss:share", "'share' has no value"),
        ("delay:ms=soon", "ms: input should be a valid integer"),
        ("corrupt:share=0.1,how=burn", "how: 'burn' is not allowed; known: cut, flip, noise"),
        ("clone:beacon=mine", "beacon: string should match pattern"),
        ("loss:share=0.1,kind=delay", "kind is stated twice"),
        ("loss:share=0.1,from_s=5,until_s=5", "until_s must be later than from_s"),
    ],
)
def test_an_error_names_the_nearest_field(option: str, told: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse_option(option)
    assert told in str(caught.value)


def test_a_rule_in_a_scenario_equals_the_rule_of_a_command_line(street_plan: Scenario) -> None:
    tables = [{"kind": "loss", "share": 0.1, "devices": ["a", "b*"]}, {"kind": "flood", "per_s": 20.0, "per_hour": 2.0}]
    scenario = parsed({**street_plan.model_dump(mode="json"), "faults": tables}, "x")
    assert scenario.faults == rules.parse_options(["loss:share=0.1,devices=a|b*", "flood:per_s=20,per_hour=2"])


def test_every_kind_has_a_docstring_of_its_own() -> None:
    kinds = Rule.__subclasses__()
    assert len(kinds) == 14
    assert all(kind.__doc__ not in {None, Rule.__doc__} for kind in kinds)
