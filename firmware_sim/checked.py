"""Base of models for TOML files, and error lines with file, line, field, cause and nearest valid name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from firmware_sim.nearest import nearest

Location = tuple[str | int, ...]
"""Keys and indices from the root of a file to one of its values."""

_HEADER = re.compile(r"(?P<open>\[\[?)(?P<name>[^\[\]]+)\]")
_SETTING = re.compile(r"(?P<name>[\w.\"'-]+)\s*=\s*(?P<value>.*)")


class Checked(BaseModel):
    """A table of a file. Unknown keys, values of another type, infinity and NaN are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)

    def changed(self, **changes: Any) -> Self:
        """A copy with other values. Raises pydantic's ValidationError for an unknown key or a wrong value."""
        return type(self)(**{**dict(self), **changes})


class Problem(NamedTuple):
    """A fault of a file: its location and its cause."""

    location: Location
    cause: str

    def line(self, source: str, text: str = "") -> str:
        """`street.toml:12: people.wakers: unknown key; did you mean 'walkers'?`; `text` is the content of `source`."""
        number = line_of(text, self.location)
        place = source if number is None else f"{source}:{number}"
        return f"{place}: {dotted(self.location)}: {self.cause}" if self.location else f"{place}: {self.cause}"


def dotted(location: Location) -> str:
    """`zones[3].hours` for ("zones", 3, "hours")."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def problems(error: ValidationError, shape: Any) -> list[Problem]:
    """Problems in data of the type `shape`; unknown keys first, because a missing key often follows from one."""
    found = sorted(error.errors(include_url=False), key=lambda details: details["type"] != "extra_forbidden")
    return [_problem(details, shape) for details in found]


def _problem(details: Mapping[str, Any], shape: Any) -> Problem:
    location, keys, models = _resolved(details["loc"], shape)
    given, context = details["input"], details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            cause = f"unknown key; {nearest(str(location[-1]), keys)}"
        case "missing":
            cause = "required, but missing"
        case "literal_error":
            cause = f"{given!r} is not allowed; {nearest(str(given), _quoted(context['expected']))}"
        case "union_tag_invalid":
            cause = f"kind {context['tag']!r} is not allowed; {nearest(context['tag'], _quoted(context['expected_tags']))}"
        case "union_tag_not_found":
            cause = f"kind is required, but missing; known: {', '.join(str(model.model_fields['kind'].default) for model in models)}"
        case "value_error":
            cause = str(context["error"])
        case _:
            cause = details["msg"][:1].lower() + details["msg"][1:] + (f", not {given!r}" if isinstance(given, str | int | float) else "")
    return Problem(location, cause)


def _resolved(location: Location, shape: Any) -> tuple[Location, list[str], list[type[BaseModel]]]:
    """Location without pydantic's own marks, the known keys of the table with its last part, and the models of the value there."""
    path, keys, models = list[str | int](), list[str](), list(_models(shape))
    for part in location:
        if part == "[key]":
            continue
        if len(models) > 1 and isinstance(part, str):  # the tag of a union of models, which is no key of the file
            models = [model for model in models if model.model_fields["kind"].default == part]
            continue
        path.append(part)
        if isinstance(part, str) and models:
            keys = list(models[0].model_fields)
            field = models[0].model_fields.get(part)
            models = models if field is None else list(_models(field.annotation))  # None: a key of a mapping to this model
    return tuple(path), keys, models


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation, those in unions and containers included."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for part in get_args(annotation):
        yield from _models(part)


def _quoted(text: str) -> list[str]:
    """The names in pydantic's enumeration `'a', 'b' or 'c'`."""
    return re.findall(r"'([^']*)'", text)


def line_of(text: str, location: Location) -> int | None:
    """Number of the line of a TOML text that states a value or else the nearest table around it; None where there is none.

    It knows headers, settings and arrays of inline tables with one table a line, which is how scenarios are written.
    """
    found = dict(_stated(text.splitlines()))
    return next((found[location[:length]] for length in range(len(location), 0, -1) if location[:length] in found), None)


def _stated(lines: Iterable[str]) -> Iterator[tuple[Location, int]]:
    """Each location whose setting or table begins on a line, and the number of that line."""
    table: Location = ()
    array: Location | None = None
    counts: Counter[Location] = Counter()
    for number, line in enumerate(map(str.strip, lines), 1):
        if array is not None:
            if line.startswith("{"):
                yield (*array, counts[array]), number
                counts[array] += 1
            elif line.startswith("]"):
                array = None
        elif header := _HEADER.match(line):
            table = _keys(header["name"])
            if header["open"] == "[[":
                counts[table] += 1
                table = (*table, counts[table] - 1)
            yield table, number
        elif setting := _SETTING.match(line):
            location = (*table, *_keys(setting["name"]))
            array = location if setting["value"].partition("#")[0].strip() == "[" else None
            yield location, number


def _keys(name: str) -> Location:
    return tuple(part.strip().strip("\"'") for part in name.split("."))
