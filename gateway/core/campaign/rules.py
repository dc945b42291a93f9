"""Rules of offers, in a subset of CEL (Common Expression Language): comparisons and logic over declared attributes, without functions.

`parsed` checks a rule's tokens and names and gives it as standard CEL. The subset keeps a rule bounded: no calls, no comprehensions, no
member access, and no division, so that no number is NaN. All numbers of attributes are doubles, and CEL does not mix number types,
so `visits > 3` becomes `visits > 3.0`. CEL: https://github.com/google/cel-spec/blob/master/doc/langdef.md
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import accumulate, pairwise
from typing import NamedTuple, Protocol

from gateway.core import limits
from gateway.core.attributes.schema import Attribute, Schema
from gateway.core.nearest import nearest

_KEYWORDS = frozenset(("true", "false", "in"))
_TOKEN = re.compile(
    r"\s*(?:(?P<text>\"[^\"\\\n]*\"|'[^'\\\n]*')|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![A-Za-z0-9_.])"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>&&|\|\||[=!<>]=|[!<>?:+\-*()\[\],]))"
)


class RuleError(ValueError):
    """The rule cannot be used; the text begins with the position in the rule, from 1."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(f"at character {position + 1}: {message}")


class Token(NamedTuple):
    """A token of a rule: `kind` is text, number, name or sign; `position` counts from 0."""

    kind: str
    text: str
    position: int


class Rule(NamedTuple):
    """A rule as standard CEL, and the names of the attributes that it needs, in the order of their first use.

    `starts` has for each token its offset in `cel` and its position in the rule as it was written; the last pair is the end of both.
    """

    cel: str
    needs: tuple[str, ...]
    starts: tuple[tuple[int, int], ...] = ()

    def position(self, offset: int) -> int:
        """The position in the written rule of the token at an offset in `cel`."""
        return max(((at, position) for at, position in self.starts if at <= offset), default=(0, 0))[1]

    def clauses(self) -> Iterator[tuple[Rule, int]]:
        """The parts between `&&` and `||`, without the brackets and `!` around them, each with its position in the written rule."""
        texts = [self.cel[at:end].rstrip() for (at, _), (end, _) in pairwise(self.starts)]
        bounds = [-1, *(at for at, text in enumerate(texts) if text in {"&&", "||"}), len(texts)]
        for before, after in pairwise(bounds):
            first, last = before + 1, after
            while first < last and texts[first] in {"(", "!"}:
                first += 1
            while texts[first:last].count(")") > texts[first:last].count("("):
                last -= 1
            names = [name for name in self.needs if name in texts[first:last]]
            yield Rule(" ".join(texts[first:last]), tuple(names)), self.starts[first][1]


class Rules(Protocol):
    """The compiled rules of a campaign; a rule is named by its text. `gateway.adapters.rules` implements it."""

    @property
    def attributes(self) -> Collection[str]:
        """The names of the attributes that any rule needs."""

    def needs(self, text: str) -> tuple[str, ...]:
        """The names of the attributes that a rule needs."""

    def holds(self, text: str, values: Mapping[str, float | str]) -> bool:
        """Whether a rule holds for values of the attributes that it needs."""


class NoRules:
    """The rules of a campaign without rules."""

    attributes: Collection[str] = ()

    def needs(self, text: str) -> tuple[str, ...]:
        """Raises KeyError: there is no rule."""
        raise KeyError(text)

    def holds(self, text: str, values: Mapping[str, float | str]) -> bool:
        """Raises KeyError: there is no rule."""
        raise KeyError(text, values)


def parsed(text: str, schema: Schema) -> Rule:
    """The rule, with every name checked against `schema`. Raises RuleError; the grammar itself is checked by the CEL library."""
    if len(text) > limits.RULE_CHARS_MAX:
        raise RuleError(limits.RULE_CHARS_MAX, f"a rule has at most {limits.RULE_CHARS_MAX} characters")
    tokens = list(_tokens(text))
    known = {one.name: one for one in schema.attributes}
    needs: dict[str, Attribute] = {}
    for at, token in enumerate(tokens):
        if token.kind != "name" or token.text in _KEYWORDS:
            continue
        if at + 1 < len(tokens) and tokens[at + 1].text == "(":
            raise RuleError(token.position, f"{token.text}() is a function call, which rules do not have")
        attribute = known.get(token.text)
        if attribute is None:
            raise RuleError(token.position, f"{token.text!r} is no attribute of the schema{nearest(token.text, known)}")
        if attribute.offer is not None or attribute.between is not None:
            raise RuleError(
                token.position, f"the value of {token.text!r} differs by offer; rules read the person, the place and the moment"
            )
        needs[token.text] = attribute
    if not needs:
        raise RuleError(0, "the rule uses no attribute, so its answer never changes")
    _check_texts(tokens, needs)
    standard = [_standard(token) for token in tokens]
    offsets = accumulate((len(one) + 1 for one in standard), initial=0)
    positions = [*(token.position for token in tokens), len(text)]
    cel = " ".join(standard)
    starts = tuple((min(at, len(cel)), position) for at, position in zip(offsets, positions, strict=True))
    return Rule(cel, tuple(needs), starts)


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            wrong = len(text) - len(text[at:].lstrip())
            raise RuleError(wrong, f"{text[wrong]!r} is not part of a rule")
        yield Token(match.lastgroup, match.group(match.lastgroup), match.start(match.lastgroup))
        at = match.end()


def _standard(token: Token) -> str:
    is_whole = token.kind == "number" and token.text.isdigit()
    return f"{token.text}.0" if is_whole else token.text


def _check_texts(tokens: list[Token], needs: dict[str, Attribute]) -> None:
    """Raises RuleError for a text that is no value of any category in the rule: it would never be equal."""
    values = sorted({value for attribute in needs.values() for value in attribute.values})
    for token in tokens:
        if token.kind == "text" and token.text[1:-1] not in values:
            raise RuleError(token.position, f"{token.text} is no value of a category in this rule{nearest(token.text[1:-1], values)}")
