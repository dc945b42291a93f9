"""A first schema for a table: an attribute for each column that can be a feature, and the reason for each that is left out.

A plain table does not state the source of its columns, so every attribute is proposed as `told` by the person. The editor of the
file sets the true source before a gateway runs the model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from gateway.core import limits
from gateway.core.attributes.schema import Attribute, Schema, Told, sensitive_parts
from models.dataset.columns import ColumnEntry, TableSchema
from models.dataset.names import attribute_name, plain_name, unique_names
from models.dataset.profile import FEATURES, Kind, Profile
from models.tables.reading import TableError

CURRENCY = "EUR"
CATEGORY = "any"

_REASONS: Mapping[Kind, str] = {
    "empty": "unknown in every row",
    "constant": "the same value in every row",
    "identifier": "an identifier of rows or people; a person in several rows belongs to --group",
    "text": "free text",
    "many values": f"more than {limits.VALUES_MAX} values, none common; group the texts first",
    "date": "a date, which will not come again; use it by --time, or add a column with an age or a time since it",
}
_HEAD = """\
# Proposed from {table}: {rows:,} rows, {columns:,} columns. Edit it and pass it by --schema.
# A table does not state where its values come from, so each source is `told` by the person. Before a gateway runs the model,
# set the true source (told, history, reading, clock, offer, between, occasion), `about`, `purposes` and the unit in UCUM;
# gateway/core/attributes/README.md explains every field.
"""


class Proposal(NamedTuple):
    """A proposed schema, the attribute of each column that is a feature, and by column the reason why it is left out."""

    table: TableSchema
    features: tuple[tuple[Profile, Attribute], ...]
    sensitive: tuple[tuple[Profile, Attribute], ...]
    left_out: Mapping[str, str]


def propose(profiles: Sequence[Profile], roles: Mapping[str, str], dropped: Sequence[str]) -> Proposal:
    """A schema for the columns; `roles` are columns with a role, by name, and `dropped` those that are not wanted.

    Raises TableError if there are more features than a schema may have attributes.
    """
    left_out = dict(roles) | dict.fromkeys(dropped, "dropped")
    left_out |= {one.name: _REASONS[one.kind] for one in profiles if one.kind not in FEATURES and one.name not in left_out}
    plain = [attribute_name(one.name) for one in profiles]
    named = [(one, _attribute(one, name)) for one, name in zip(profiles, unique_names(plain), strict=True) if one.name not in left_out]
    sensitive = tuple((one, of) for one, of in named if of.sensitive)
    left_out |= {one.name: f"sensitive ({sensitive_parts(of.name)[0]}); to use it, state the reason in the schema" for one, of in sensitive}
    features = tuple((one, of) for one, of in named if not of.sensitive)
    if len(features) > limits.ATTRIBUTES_MAX:
        raise TableError(
            f"{len(features):,} columns can be features, and a schema has at most {limits.ATTRIBUTES_MAX:,}: leave some out by --drop"
        )
    schema = Schema((CATEGORY,), CURRENCY, tuple(of for _, of in features))
    entries = tuple(entry for one, of in named if (entry := _entry(one, of, plain)) is not None)
    return Proposal(
        TableSchema(schema, tuple(entry for entry in entries if schema.attribute(entry.attribute))), features, sensitive, left_out
    )


def _attribute(one: Profile, name: str) -> Attribute:
    attribute = Attribute(name, "person", "number", purposes=("offers",), sensitive=bool(sensitive_parts(name)), told=Told())
    match one.kind:
        case "category":
            return msgspec.structs.replace(attribute, dtype="category", values=_values(one))
        case "flag":
            return msgspec.structs.replace(attribute, dtype="flag")
    bounds = (one.low, one.high) if one.low < one.high else (None, None)
    return msgspec.structs.replace(attribute, unit="1", low=bounds[0], high=bounds[1])


def _values(one: Profile) -> tuple[str, ...]:
    return tuple(unique_names(plain_name(text) for text, _ in one.values))


def _entry(one: Profile, of: Attribute, plain: Sequence[str]) -> ColumnEntry | None:
    """The entry that an attribute needs: its column has another name, or its values cannot be found by name."""
    names = [plain_name(text) for text, _ in one.values] if of.dtype == "category" else []
    values: dict[str, float | str] = {}
    if tuple(names) != of.values:
        values = dict(zip((text for text, _ in one.values), of.values, strict=True))
    if values or attribute_name(one.name) != of.name or plain.count(of.name) > 1:
        return ColumnEntry(one.name, of.name, values=values)
    return None


def schema_text(proposal: Proposal, table: str, rows: int) -> str:
    """The proposal as a schema file, with a comment on each column."""
    features = {of.name: (one, of) for one, of in proposal.features}
    entries = {entry.attribute: entry for entry in proposal.table.entries}
    parts = [
        _HEAD.format(table=table, rows=rows, columns=len(proposal.features) + len(proposal.left_out)),
        f'categories = ["{CATEGORY}"] # of your offers\ncurrency = "{CURRENCY}"\n',
    ]
    parts += [_block(one, of, entries.get(of.name)) for one, of in features.values()]
    parts += [_commented(one, of) for one, of in proposal.sensitive]
    hidden = {one.name for one, _ in proposal.sensitive}
    rest = [f"# {_line(name)}: {reason}" for name, reason in proposal.left_out.items() if name not in hidden]
    parts += ["# --- left out ---\n\n" + "\n".join(rest) + "\n"] if rest else []
    return "\n".join(parts)


def _block(one: Profile, of: Attribute, entry: ColumnEntry | None) -> str:
    lines = ["[[attributes]]", f"# {_line(one.name)}: {_facts(one)}", *_fields(of)]
    if entry is not None:
        lines += ["", "[[columns]]", f"column = {_quoted(entry.column)}", f"attribute = {_quoted(entry.attribute)}"]
        if entry.values:
            pairs = ", ".join(f"{_quoted(text)} = {_quoted(str(value))}" for text, value in entry.values.items())
            lines.append(f"values = {{ {pairs} }}")
    return "\n".join(lines) + "\n"


def _commented(one: Profile, of: Attribute) -> str:
    head = f"# {_line(one.name)} is sensitive and left out. To use it, remove the signs # below and state why the model needs it.\n"
    return head + "\n".join(f"# {line}" for line in ("[[attributes]]", *_fields(of), "sensitive = true", 'reason = ""')) + "\n"


def _fields(of: Attribute) -> Iterable[str]:
    yield f"name = {_quoted(of.name)}"
    yield f"about = {_quoted(of.about)}"
    yield f"dtype = {_quoted(of.dtype)}"
    if of.dtype == "category":
        yield f"values = [{', '.join(_quoted(value) for value in of.values)}]"
    if of.dtype == "number":
        yield f"unit = {_quoted(of.unit)}"
    if of.low is not None and of.high is not None:
        yield f"low = {of.low!r}"
        yield f"high = {of.high!r}"
    yield f"purposes = [{', '.join(_quoted(purpose) for purpose in of.purposes)}]"
    yield "told = {}"


def _facts(one: Profile) -> str:
    """A profile as text."""
    facts = {
        "category": f"{len(one.values)} of {one.distinct:,} values, those of {one.parsed / max(1, one.known):.1%} of the known rows",
        "flag": " and ".join(f"{text} ({rows:,})" for text, rows in one.values),
        "number": f"{one.distinct:,} different {'whole numbers' if one.whole else 'numbers'} from {one.low:g} to {one.high:g}",
    }[one.kind]
    parts = [_line(facts)]
    if one.whole and one.distinct <= limits.VALUES_MAX:
        parts.append("a category, if these are codes and no amounts")
    if missing := one.rows - one.known:
        written = ", ".join(f"{text!r} {rows:,}" for text, rows in one.unknown)
        parts.append(f"unknown in {missing:,} rows" + (f", written {_line(written)}" if written else ""))
    if one.kind == "number" and one.parsed < one.known:
        parts.append(f"{one.known - one.parsed:,} texts are no numbers and read as unknown")
    if one.infinite:
        parts.append(f"{one.infinite:,} infinite numbers are read as unknown")
    return "; ".join(parts)


def _line(text: str) -> str:
    return " ".join(text.split())[:300]


def _quoted(text: str) -> str:
    """A string of TOML; its escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
