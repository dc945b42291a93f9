"""Fault rules: errors name the nearest valid field, and a file and a command line give the same rules."""

from __future__ import annotations

import re

import pytest

from firmware_sim.faults import rules
from firmware_sim.faults.rules import FaultError, Rule, parse_option


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("los:share=0.1", "no fault 'los'; did you mean 'loss'?"),
        ("loss:shore=0.1", "loss has no field 'shore'; did you mean 'share'?"),
        ("loss", "missing required field `share`"),
        ("loss:share=2", "<= 1.0"),
        ("loss:share", "'share' has no value"),
        ("delay:ms=soon", "ms"),
        ("corrupt:share=0.1,how=burn", "Invalid enum value 'burn'"),
        ("clone:beacon=mine", "beacon"),
        ("loss:share=0.1,from_s=5,until_s=5", "until_s must be later than from_s"),
    ],
)
def test_an_error_names_the_nearest_field(option: str, told: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse_option(option)
    assert told in str(caught.value)


def test_knobs_of_a_scenario_and_of_a_command_line_are_the_same() -> None:
    tables = [{"kind": "loss", "share": 0.1, "devices": ["a", "b*"]}, {"kind": "flood", "per_s": 20.0, "per_hour": 2.0}]
    assert rules.parse_faults(tables, "x") == rules.parse_options(["loss:share=0.1,devices=a|b*", "flood:per_s=20,per_hour=2"])
    for faulty, told in (([{"share": 1.0}], "is missing"), ("loss", "[[faults]]"), ([{"kind": "loss", "share": "1"}], "share")):
        with pytest.raises(FaultError, match=re.escape(told)):
            rules.parse_faults(faulty, "x.toml")


def test_every_kind_has_a_rule_and_a_docstring() -> None:
    assert len(rules.KINDS) == 14
    assert all(kind.__doc__ not in {None, Rule.__doc__} for kind in rules.KINDS.values())
