"""Rules of offers, compiled and evaluated by the Rust implementation of CEL (common-expression-language).

A rule is tried at load with values of every type that its attributes can have, so a rule that compares a number with a text, or whose
answer is no truth value, is refused before a decision needs it. `models/rule_types.py` checks types statically, before a bundle is signed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from math import gcd, prod
from types import ModuleType

from gateway.core.attributes.convert import Fault
from gateway.core.attributes.schema import Attribute, Schema
from gateway.core.campaign.rules import Rule, RuleError, parsed
from gateway.core.offers import RULE_FIELDS, Campaign

sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))  # the library imports its command line: 0.1 s, and 10 MB of packages
import cel  # noqa: E402

TRIALS = 64
GOLDEN = 0.618  # of all combinations, from one trial to the next: the most even spread


class CompiledRules:
    """The rules of a campaign. A rule is named by its text."""

    def __init__(self, texts: Sequence[str], schema: Schema) -> None:
        """Compile. Raises RuleError for the first rule with a fault."""
        self._flags = {one.name for one in schema.attributes if one.dtype == "flag"}
        self._needs: dict[str, tuple[str, ...]] = {}
        self._programs: dict[str, cel.Program] = {}
        for text in texts:
            if text not in self._programs:
                rule = parsed(text, schema)
                self._needs[text] = rule.needs
                self._programs[text] = compiled(rule, schema)

    @property
    def attributes(self) -> frozenset[str]:
        """The names of the attributes that any rule needs."""
        return frozenset(name for needs in self._needs.values() for name in needs)

    def needs(self, text: str) -> tuple[str, ...]:
        """The names of the attributes that a rule needs."""
        return self._needs[text]

    def holds(self, text: str, values: Mapping[str, float | str]) -> bool:
        """Whether the rule holds. `values` has each attribute that it needs; flags are 0.0 or 1.0."""
        typed = {name: value > 0.0 if name in self._flags and isinstance(value, float) else value for name, value in values.items()}
        try:
            return self._programs[text].execute(cel.Context(variables=typed)) is True
        except (TypeError, RuntimeError):  # a product beyond the range of doubles is no number, which CEL does not compare
            return False


def compiled_rules(campaign: Campaign, schema: Schema) -> CompiledRules:
    """The rules of a campaign. Raises RuleError for the first rule with a fault."""
    return CompiledRules([text for offer in campaign.offers for field in RULE_FIELDS if (text := getattr(offer, field))], schema)


def rule_faults(campaign: Campaign, schema: Schema) -> list[Fault]:
    """Every fault of the rules of a campaign, with its path. Equal rules of several offers are compiled once."""
    causes: dict[str, str] = {"": ""}
    faults: list[Fault] = []
    for at, offer in enumerate(campaign.offers):
        for field in RULE_FIELDS:
            text = getattr(offer, field)
            if text not in causes:
                causes[text] = _fault_of(text, schema)
            if causes[text]:
                faults.append(Fault(("offers", at, field), causes[text]))
    return faults


def _fault_of(text: str, schema: Schema) -> str:
    """The fault of a rule; empty if it has none."""
    try:
        CompiledRules([text], schema)
    except RuleError as error:
        return str(error)
    return ""


def compiled(rule: Rule, schema: Schema) -> cel.Program:
    """The rule as a program that answered every trial with true or false. Raises RuleError."""
    try:
        program = cel.compile(rule.cel)
    except ValueError as error:
        message = str(error)
        raise RuleError(rule.position(_offset(message)), f"not a valid expression: {_cause(message)}") from None
    fault = _misfit(program, rule, schema)
    if fault:
        found = ((position, _clause_fault(one, schema)) for one, position in rule.clauses())
        raise RuleError(*next(((position, text) for position, text in found if text), (0, fault)))
    return program


def _misfit(program: cel.Program, rule: Rule, schema: Schema) -> str:
    """The first trial that the program does not answer with true or false; empty if there is none."""
    for values in _trials([one for one in schema.attributes if one.name in rule.needs]):
        try:
            answer = program.execute(cel.Context(variables=values))
        except (TypeError, RuntimeError, ValueError) as error:
            return f"types do not fit, for example {values}: {str(error).partition(':')[0]}"
        if not isinstance(answer, bool):
            return f"the answer must be true or false, it is {answer!r}, for example {values}"
    return ""


def _clause_fault(clause: Rule, schema: Schema) -> str:
    """The misfit of a part of a rule; empty for a part that is no expression by itself."""
    try:
        return _misfit(cel.compile(clause.cel), clause, schema)
    except ValueError:
        return ""


def _cause(message: str) -> str:
    """The cause in a message of the CEL library, without its own position, which counts in the rewritten rule."""
    if "Recursion limit" in message:
        return "nested too deeply"
    return message.partition("ERROR: ")[2].partition(": ")[2].partition(" expecting")[0].partition("\n")[0] or message


def _offset(message: str) -> int:
    """The offset in the rewritten rule that a message of the CEL library states, 0 without one."""
    found = re.search(r"<input>:1:([0-9]+): ", message)
    return int(found[1]) - 1 if found else 0


def _trials(attributes: Sequence[Attribute]) -> Iterator[dict[str, float | str | bool]]:
    """All combinations of values of the attributes' types, or TRIALS that are spread over them evenly."""
    typical: dict[str, tuple[float | str | bool, ...]] = {"number": (0.0, 1.0, 1e6, -1e6), "flag": (True, False)}
    options = {one.name: one.values if one.dtype == "category" else typical[one.dtype] for one in attributes}
    total = prod(len(values) for values in options.values())
    step = next(one for one in count(max(1, int(total * GOLDEN))) if gcd(one, total) == 1) if total > TRIALS else 1
    for trial in range(min(total, TRIALS)):
        rest, chosen = trial * step % total, {}
        for name, values in options.items():
            rest, at = divmod(rest, len(values))
            chosen[name] = values[at]
        yield chosen
