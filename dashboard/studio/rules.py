"""Rules of offers in the editor: the attributes that a rule may name, and the fault of a rule with its position."""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.adapters.rules import CompiledRules
from gateway.core.attributes.schema import Schema
from gateway.core.campaign.rules import RuleError


class RuleFault(NamedTuple):
    """The cause, and the position of its place in the rule, from 0."""

    text: str
    position: int


class Word(NamedTuple):
    """An attribute of a rule, or a value of one: the text to insert, and its meaning."""

    text: str
    meaning: str


def rule_fault(text: str, schema: Schema) -> RuleFault | None:
    """The first fault of a rule; None for a right one."""
    try:
        CompiledRules([text], schema)
    except RuleError as error:
        place = re.match(r"at character (\d+): ", str(error))
        return RuleFault(str(error), int(place[1]) - 1 if place else 0)
    return None


def vocabulary(schema: Schema) -> list[Word]:
    """The attributes that rules may name, and the values of categories."""
    found: list[Word] = []
    for one in schema.attributes:
        if one.offer is not None or one.between is not None:
            continue
        unit = f", in {one.unit}" if one.unit and one.dtype == "number" else ""
        found.append(Word(one.name, f"{one.title or one.name.replace('_', ' ')} ({one.dtype}{unit})"))
        found += [Word(f'{one.name} == "{value}"', f"{one.title or one.name.replace('_', ' ')} is {value}") for value in one.values]
    return found
