"""The base of all groups of settings."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from gateway.adapters.personal_data import Scanner

_TEXT_CHARS_MAX = 60
_WRONG_TYPES = {
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "list_type": "a list: [...]",
    "tuple_type": "a list: [...]",
    "dict_type": "a table: { name = value }",
    "model_type": "a table: { name = value }",
    "float_parsing": "a number, with a point for decimals and without a unit",
    "int_parsing": "a whole number, without a unit",
}
BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}


class PlacedError(ValueError):
    """A fault that several settings make together, with the setting to correct, such as ("zones", 2, "id")."""

    def __init__(self, text: str, *place: str | int) -> None:
        super().__init__(text)
        self.place = place


class Part(BaseModel):
    """A frozen group of settings; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def plain(fault: dict[str, Any], description: str) -> str:
    """A fault of pydantic with the value that is wrong and, for a form that only a pattern states, the setting's description.

    Personal data in the value is left out, because the journal keeps this line; coordinates of a site are none.
    """
    kind, value = str(fault["type"]), fault.get("input")
    found = next((one for one in Scanner().kinds(repr(value)) if one != "coordinates"), None)
    shown = repr(value)[:_TEXT_CHARS_MAX] if found is None else f"[removed: {found}]"
    if kind == "missing":
        return f"required, and absent: {description}" if description else "required, and absent"
    if kind == "too_short":
        return f"at least {fault['ctx']['min_length']} is needed: {description}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    form = _form(kind, fault, description)
    if form:
        return f"{shown} is {form}"
    return f"{message}, not {shown}" if message.startswith("Input should be") else message


def _form(kind: str, fault: dict[str, Any], description: str) -> str:
    """The end of the sentence that begins with the wrong value and `is`; empty if the library's own text is clear."""
    if kind == "string_pattern_mismatch":
        return f"not {description}" if description else "of another form"
    if kind.startswith("date_"):
        return "no date: write it without quotes and without a time, such as 2026-12-25"
    if kind in BOUNDS:
        name, relation = BOUNDS[kind]
        return f"out of range: it is {relation} {fault['ctx'][name]:g}"
    return f"not {_WRONG_TYPES[kind]}" if kind in _WRONG_TYPES else ""
