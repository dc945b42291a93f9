"""Settings that the desk wants a gateway to have: TOML with some of the tables that a desk may state.

The desk checks the form of the text. The gateway checks it in full, tries it out, and takes it back if it cannot reach broker and desk.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

import tomlkit
from sqlalchemy import Connection, delete, insert, select
from tomlkit.exceptions import ParseError, TOMLKitError

from dashboard.refusals import Refused
from dashboard.schema_desk import gateway_settings
from gateway.core.desired import SETTINGS
from gateway.core.nearest import nearest

SETTINGS_CHARS_MAX = 131_072
LEVELS = ("debug", "info", "warning", "error")


class Field(NamedTuple):
    """An input of the form: its path in the text, label, and bounds (none for texts)."""

    key: str
    label: str
    low: float | None = None
    high: float | None = None


FIELDS = (
    Field("presence.enter_dbm", "Level at which a person enters a zone, in dBm", -127, 0),
    Field("presence.exit_dbm", "Level below which a person leaves, in dBm", -127, 0),
    Field("presence.dwell_s", "Seconds until a stay counts", 0, 86_400),
    Field("presence.exit_after_s", "Seconds of silence until a person has left", 0, 86_400),
    Field("status_interval_s", "Seconds between two states at the broker", 0.02, 3_600),
    Field("log_level", f"Detail of the log: {', '.join(LEVELS)}"),
    Field("holidays", "Public holidays, as 2026-12-25, 2026-12-26"),
)


class Wish(NamedTuple):
    """The settings of a gateway: the text, empty for those of its own file."""

    text: str
    at_ms: int
    account: str


class SettingsFault(NamedTuple):
    """A fault of the form: the key of its field, or `text`, and the cause."""

    key: str
    cause: str


def wish_of(connection: Connection, gateway: str) -> Wish | None:
    """The settings that the desk wants a gateway to have; None if it has never stated any."""
    row = connection.execute(select(gateway_settings).where(gateway_settings.c.gateway == gateway)).first()
    return None if row is None else Wish(row.text, row.at_ms, row.account)


def keep_wish(connection: Connection, gateway: str, wish: Wish) -> None:
    """Replace the settings of a gateway."""
    connection.execute(delete(gateway_settings).where(gateway_settings.c.gateway == gateway))
    connection.execute(insert(gateway_settings), [{"gateway": gateway, **wish._asdict()}])


def values(text: str) -> dict[str, str]:
    """The values of the fields in a text; empty for fields that it does not state, and for a text that is no TOML."""
    try:
        table = tomlkit.parse(text).unwrap()
    except TOMLKitError:
        return {}
    found: dict[str, str] = {}
    for field in FIELDS:
        value: Any = table
        for part in field.key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            found[field.key] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return found


def written(text: str, form: Mapping[str, str]) -> tuple[str, list[SettingsFault]]:
    """The text with the values of the form's fields, an empty one left out, and the faults of these values. Raises Refused (422)."""
    faults = check(text)
    if faults:
        raise Refused(422, faults[0].cause)
    table: Any = tomlkit.parse(text)
    for field in FIELDS:
        typed, shown = form.get(field.key, "").strip(), values(text).get(field.key, "")
        if field.key not in form or typed == shown:
            continue
        try:
            _put(table, field.key.split("."), _value(field, typed) if typed else None)
        except ValueError as fault:
            faults.append(SettingsFault(field.key, str(fault)))
    return tomlkit.dumps(table), faults


def check(text: str) -> list[SettingsFault]:
    """The faults of a text that the desk can see: its length, its form, and tables that a desk may not state."""
    if len(text) > SETTINGS_CHARS_MAX:
        return [SettingsFault("text", f"more than {SETTINGS_CHARS_MAX:,} characters")]
    try:
        table = tomlkit.parse(text)
    except ParseError as fault:
        return [SettingsFault("text", f"line {fault.line}: not valid TOML: {str(fault).partition(' at line')[0]}")]
    except TOMLKitError as fault:
        return [SettingsFault("text", f"not valid TOML: {fault}")]
    wrong = [key for key in table if key not in SETTINGS]
    causes = (f"{key!r} is set on the gateway only{nearest(key, SETTINGS)}; a desk may state {', '.join(SETTINGS)}" for key in wrong)
    return [SettingsFault("text", cause) for cause in causes]


def _put(table: Any, path: list[str], value: Any) -> None:
    """Set a value, or remove it and a table that is then empty."""
    if len(path) == 1:
        if value is None:
            table.pop(path[0], None)
        else:
            table[path[0]] = value
        return
    if path[0] not in table:
        if value is None:
            return
        table[path[0]] = tomlkit.table()
    _put(table[path[0]], path[1:], value)
    if not table[path[0]]:
        del table[path[0]]


def _value(field: Field, typed: str) -> Any:
    """The value of a field. Raises ValueError with the form that is expected."""
    if field.key == "holidays":
        try:
            return [date.fromisoformat(one.strip()) for one in typed.split(",")]
        except ValueError:
            raise ValueError("write dates such as 2026-12-25, with commas between") from None
    if field.low is None or field.high is None:
        if typed not in LEVELS:
            raise ValueError(f"choose {', '.join(LEVELS)}")
        return typed
    try:
        number = float(typed)
    except ValueError:
        raise ValueError(f"write a number from {field.low:g} to {field.high:g}") from None
    if not field.low <= number <= field.high:
        raise ValueError(f"write a number from {field.low:g} to {field.high:g}")
    return number
