"""Parsers of advertisements that are not the house's own.

A brand's advertisement is understood by whoever declares a `Parser` under the entry points
`wayside.advertisements`, ours for `bleparser` among them:

    [project.entry-points."wayside.advertisements"]
    my_brand = "my_package:PARSER"

A parser is as pure as a decoder: the same frame and keys give the same answer, and no bytes make it raise.
They are asked in the order of their names, after the house itself; the first that knows the advertisement
answers for it.
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
    """`parse` gives `None` for what is not of its brand, and a `Parsed` (perhaps empty) for what is."""

    name: str
    parse: Parse


@cache
def parsers() -> tuple[Parser, ...]:
    """All that are installed, in the order of their names; `BrokenDecoderError` names one that is none."""
    found: dict[str, Parser] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda one: (one.name, one.value)):
        parser = point.load()
        if not isinstance(parser, Parser) or parser.name != point.name:
            raise BrokenDecoderError(f"{point.value} is not a Parser named {point.name!r}")
        if found.setdefault(point.name, parser) is not parser:
            raise BrokenDecoderError(f"advertisement parser {point.name} is declared twice: uninstall one of them")
    return tuple(found.values())
