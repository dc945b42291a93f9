"""The base of all groups of settings."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from gateway.adapters.personal_data import Scanner

_TEXT_CHARS_MAX = 60
_WRONG_TYPES = {"string_type": "text in quotes", "bool_type": "true or false", "list_type": "a list: [...]", "tuple_type": "a list: [...]"}


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
    if kind == "string_pattern_mismatch":
        return f"{shown} is not {description}" if description else f"{shown} has another form"
    if kind.startswith("date_"):
        return f"{shown} is no date: write it without quotes and without a time, such as 2026-12-25"
    if kind in _WRONG_TYPES:
        return f"{shown} is not {_WRONG_TYPES[kind]}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{message}, not {shown}" if message.startswith("Input should be") else message
