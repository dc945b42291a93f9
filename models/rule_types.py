"""Static type check of the rules of a campaign before a bundle is signed, by Google's implementation of CEL (cel-expr-python).

A gateway tries its rules with typed values; the check here also sees branches that no trial reaches.
"""

from __future__ import annotations

from collections.abc import Iterator

from cel_expr_python import cel

from gateway.core.attributes.schema import Schema
from gateway.core.campaign.rules import parsed
from gateway.core.offers import RULE_FIELDS, Campaign

_TYPES = {"number": cel.Type.DOUBLE, "flag": cel.Type.BOOL, "category": cel.Type.STRING}


def type_faults(campaign: Campaign, schema: Schema) -> Iterator[str]:
    """One line for each rule with types that do not fit or an answer that is no truth value, with its path.

    Raises RuleError for a rule that the gateway would refuse as well.
    """
    environment = cel.NewEnv(variables={one.name: _TYPES[one.dtype] for one in schema.attributes})
    for at, offer in enumerate(campaign.offers):
        for field in RULE_FIELDS:
            text = getattr(offer, field)
            fault = _fault(parsed(text, schema).cel, environment) if text else None
            if fault:
                yield f"offers[{at}].{field}: {fault}"


def _fault(rule: str, environment: cel.Env) -> str | None:
    try:
        answer = environment.compile(rule).return_type()
    except RuntimeError as error:
        return str(error).partition("ERROR: ")[2].partition("\n")[0].partition(": ")[2]
    return None if answer == cel.Type.BOOL else f"the answer is {answer}, not true or false"
