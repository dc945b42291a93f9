"""A schema as people write it: a TOML file. Every fault is reported with file, line and path."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from gateway.core.attributes.schema import Schema, SchemaError, parse
from gateway.core.toml_lines import line_of

if TYPE_CHECKING:
    from pathlib import Path


class SchemaFileError(ValueError):
    """The file is no schema; one line for each fault, with its place in the file."""


def load_schema(path: Path) -> Schema:
    """The schema in the TOML file at `path`. Raises SchemaFileError."""
    try:
        content = path.read_text(encoding="utf-8")
        table = tomllib.loads(content)
    except OSError as error:
        raise SchemaFileError(f"{path} cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SchemaFileError(f"{path}: not valid TOML: {error}") from None
    try:
        return parse(table)
    except SchemaError as error:
        lines = content.splitlines()
        places = [(line_of(lines, fault.path), fault) for fault in error.faults]
        raise SchemaFileError("\n".join(f"{path}:{line}: {fault}" if line else f"{path}: {fault}" for line, fault in places)) from None
