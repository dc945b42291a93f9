"""The references of the fields of schemas and campaigns, and the JSON Schema of campaign files (see `generated`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from gateway.core.attributes import schema
from gateway.core.campaign import form
from tests.house import tree

TABLES: tuple[type[msgspec.Struct], ...] = (
    schema.Schema,
    schema.Attribute,
    schema.Told,
    schema.History,
    schema.Reading,
    schema.Clock,
    schema.OfferSource,
    schema.Between,
    schema.OccasionSource,
    schema.SegmentSource,
    schema.CohortSource,
    schema.PatternSource,
    schema.Score,
)


CAMPAIGN_TABLES: Mapping[str, type[msgspec.Struct]] = {
    "campaign": form.CampaignForm,
    "policy": form.PolicyForm,
    "policy.caps[]": form.CapForm,
    "policy.ignored[]": form.IgnoredForm,
    "policy.ranking": form.RankingForm,
    "sign_off": form.SignOffForm,
    "offers[]": form.OfferForm,
    "offers[].threshold": form.ThresholdForm,
    "offers[].event": form.EventForm,
    "offers[].creatives[]": form.CreativeForm,
}
CAMPAIGN_SCHEMA = tree.ROOT / "deploy" / "campaign.schema.json"


def reference() -> str:
    """One row a field of a schema: the table it belongs to, its type, its default."""
    return "\n".join(("| table | field | type | default |", "|---|---|---|---|", *_rows()))


def campaign_reference() -> str:
    """One row a field of a campaign file: the table it belongs to, its type and meaning, its default."""
    rows = [
        f"| `{name}` | `{field.name}` | {_type(field.type)} | {'required' if field.required else _default(field.default)} |"
        for name, table in CAMPAIGN_TABLES.items()
        for field in msgspec.structs.fields(table)
    ]
    return "\n".join(("| table | field | type | default |", "|---|---|---|---|", *rows))


def campaign_schema() -> str:
    """The JSON Schema of campaign files, with patterns in the syntax of ECMA-262."""
    text = json.dumps(msgspec.json.schema(form.CampaignForm), indent=1, sort_keys=True)
    return text.replace("\\\\A", "^").replace("\\\\Z", "$") + "\n"


def _rows() -> Iterator[str]:
    sources = {field.type: field.name for field in msgspec.structs.fields(schema.Attribute)}
    names = {kind: name for union, name in sources.items() for kind in get_args(union)}
    for table in TABLES:
        name = {schema.Schema: "schema", schema.Attribute: "attributes[]"}.get(table) or f"attributes[].{names[table]}"
        fields = msgspec.structs.fields(table)
        for field in fields:
            default = "required" if field.required else _default(field.default)
            yield f"| `{name}` | `{field.name}` | {_type(field.type)} | {default} |"
        if not fields:
            yield f"| `{name}` | (no fields) | | |"


def _default(value: object) -> str:
    if isinstance(value, tuple) and value:
        return f"`{json.dumps(value)}`"
    return "none" if value in (None, (), "", msgspec.NODEFAULT) else f"`{value}`".replace("True", "true").replace("False", "false")


def _type(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Literal:
        return " · ".join(f"`{option}`" for option in get_args(kind))
    if hasattr(kind, "__metadata__"):
        bounds = "; ".join(filter(None, map(_bounds, kind.__metadata__)))
        about = "; ".join(meta.description for meta in kind.__metadata__ if meta.description)
        return "; ".join(filter(None, (f"{_type(kind.__origin__)}{f' ({bounds})' if bounds else ''}", about)))
    if origin in {tuple, dict}:
        return f"list of {_type(get_args(kind)[0])}" if origin is tuple else f"table of {_type(get_args(kind)[1])}"
    if origin is Union or type(kind).__name__ == "UnionType":
        return _type(next(part for part in get_args(kind) if part is not type(None)))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return "table"
    return {str: "text", float: "number", int: "integer", bool: "true or false"}[kind]


def _bounds(meta: msgspec.Meta) -> str:
    stated = {"from": meta.ge, "above": meta.gt, "to": meta.le, "at least": meta.min_length, "at most": meta.max_length}
    words = [f"{word} {value:g}" for word, value in stated.items() if value is not None]
    if meta.pattern is not None and not (meta.description and "such as" in meta.description):
        words.append(f"`{meta.pattern}`".replace("\\A", "").replace("\\Z", "").replace("|", "\\|"))
    return ", ".join(words)
