"""Parsers of Bluetooth brands from other distributions, found through the entry points `wayside.advertisements`.

    [project.entry-points."wayside.advertisements"]
    my_brand = "my_package:PARSER"

A parser is as pure as a decoder: the same frame and keys give the same result, and it raises nothing. Parsers are tried
in the order of names on advertisements that `bluetooth/` does not know; the first result that is not `None` is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from typing import NamedTuple

from gateway.decoders.bluetooth.frames import Frame
from gateway.decoders.contract import Keys
from gateway.decoders.registry import BrokenDecoderError
from gateway.decoders.values.measurements import Parsed

GROUP = "wayside.advertisements"
Parse = Callable[[Frame, Keys], Parsed | None]


class Parser(NamedTuple):
    """`parse` returns `None` for an advertisement of another brand, else a `Parsed`, which may be empty."""

    name: str
    parse: Parse


@cache
def parsers() -> tuple[Parser, ...]:
    """All installed parsers in the order of names.

    Raises BrokenDecoderError for an entry point that is no Parser of its name, and for a name that is declared twice.
    """
    found: dict[str, Parser] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda one: (one.name, one.value)):
        parser = point.load()
        if not isinstance(parser, Parser) or parser.name != point.name:
            raise BrokenDecoderError(f"{point.value} is not a Parser named {point.name!r}")
        if found.setdefault(point.name, parser) is not parser:
            raise BrokenDecoderError(f"advertisement parser {point.name} is declared twice: uninstall one of them")
    return tuple(found.values())
