"""The table of every setting, made from the config's own fields (see `generated`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import pydantic
from pydantic.fields import FieldInfo


def _model_in(annotation: Any) -> type[pydantic.BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return annotation
    return next((found for argument in get_args(annotation) if (found := _model_in(argument))), None)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    match value:
        case None:
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case str() | int() | float() | Path():
            return f"`{value}`"
        case Sequence() | Mapping() if not value:
            return "empty"
    raise TypeError(f"no wording for the default {value!r}")


def rows(model: type[pydantic.BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Dotted name, default and description of each setting; a table that may stand several times is written `name[]`."""
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is None:
            yield f"{prefix}{name}", _default(field), (field.description or "").replace("|", "\\|")
        else:
            outer = [part for part in (field.annotation, *get_args(field.annotation)) if part is not NoneType]
            many = any(get_origin(part) in {tuple, list} for part in outer)
            yield from rows(inner, f"{prefix}{name}{'[]' if many else ''}.")


def table(model: type[pydantic.BaseModel]) -> str:
    """The table in Markdown."""
    lines = [f"| `{name}` | {default} | {description} |" for name, default, description in rows(model)]
    return "\n".join(["| setting | default | what it is |", "|---|---|---|", *lines])
