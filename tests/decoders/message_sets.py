"""Sets of real messages, for the commands that measure decoders.

A set is a folder of `.jsonl` files or one such file; every line names its `format`, which may go on after a slash
(`chirpstack_v4/milesight`). The default is the shared data. A set may hold formats and kinds of messages that the
tables of these tests do not know: `Unmeasured` counts them by name, and the command measures the rest.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.core.types import Message
from gateway.decoders.bluetooth.advertisement_forms import FORMS
from gateway.decoders.registry import decoder_names
from tests.decoders.expected import message_of
from tests.kit.shared import shared_path

Line = dict[str, Any]

UNMEASURED = 2
"""Exit code of a command that left something out; 1 stays for a limit that is missed."""


class Unmeasured:
    """Formats and kinds that were left out, each with the number of its messages."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, name: str, messages: int = 1) -> None:
        """Count `messages` that were left out because of `name`."""
        self._counts[name] += messages

    def knows(self, form: str, lines: list[Line]) -> bool:
        """Whether `form` is a decoder or a form of bare advertisements; if not, its lines are counted."""
        is_known = form in FORMS or form in decoder_names()
        if not is_known:
            self.add(f"unknown format {form}", len(lines))
        return is_known

    def report(self, write: Callable[[str], object]) -> int:
        """Write a line for each name; the exit code: UNMEASURED, or 0 where there is none."""
        for name, messages in sorted(self._counts.items()):
            write(f"not measured: {name} ({messages} message{'' if messages == 1 else 's'})")
        return UNMEASURED if self._counts else 0


class Arguments(NamedTuple):
    """The set by format, and the formats that were named on the command line."""

    lines: dict[str, list[Line]]
    formats: tuple[str, ...]

    def choose(self, formats: Iterable[str]) -> tuple[str, ...]:
        """The named formats; where none was named, `formats` and those of the set, in the order of their names."""
        return self.formats or tuple(sorted({*formats, *self.lines}))


def arguments(about: str, given: list[str] | None = None) -> Arguments:
    """Read a command line of `[FORMAT ...] [--messages PATH]`.

    Exits with UNMEASURED and a message where there is no such set.
    """
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help="only these; all where none is named")
    parser.add_argument("--messages", type=Path, help="folder of .jsonl files, or one file; the shared data where it is left out")
    found = parser.parse_args(given)
    try:
        lines = read_set(found.messages or shared_path("data/messages"))
    except (OSError, ValueError, pytest.skip.Exception) as error:
        parser.exit(UNMEASURED, f"{error}\n")
    return Arguments(lines, tuple(found.formats))


def read_set(path: Path) -> dict[str, list[Line]]:
    """Format (up to a slash) -> the lines of a set.

    Raises OSError where a file cannot be read, and ValueError where a line is not a JSON object with a `format`; it
    names the file and the line.
    """
    lines: dict[str, list[Line]] = {}
    for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
        for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if text.strip():
                line = _line(f"{file.name}:{number}", text)
                lines.setdefault(line["format"].partition("/")[0], []).append(line)
    return lines


def _line(where: str, text: str) -> Line:
    try:
        line = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{where}: not JSON: {error}") from None
    if not isinstance(line, dict) or not isinstance(line.get("format"), str):
        raise ValueError(f"{where}: a line must be an object that names its format")
    return {"id": where, **line}


def messages_of(form: str, lines: list[Line], unmeasured: Unmeasured) -> list[Message]:
    """The messages of `lines`; a line that holds none is counted as unmeasured."""
    messages: list[Message] = []
    for line in lines:
        try:
            messages.append(message_of(line))
        except (KeyError, TypeError, ValueError) as error:
            unmeasured.add(f"{form} {line['id']}: no message ({error})")
    return messages
