"""Messages decoded by the sources of a file, with hints for rows of mappings that find nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway.build import build_sources
from gateway.build_store import SetupError
from gateway.commands.decode.lines import error_line, message_of
from gateway.config import ConfigError, load_sources
from gateway.core.nearest import nearest
from gateway.decoders.contract import DecodeError
from gateway.decoders.mapping.rows import resolved
from gateway.decoders.topics import topic_matches
from gateway.runtime.router import Router
from gateway.runtime.sources import Installed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.core.types import Message, Observation
    from gateway.decoders.mapping.rows import Mapping, Pointer

KEYS_MAX = 200


class Preview:
    """The sources of a file, read again when the file changes."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises ConfigError for a fault in it."""
        self._path = path
        self._hints: list[str] = []
        self._read()

    def line(self, line: bytes) -> bytes:
        """The JSON result of one JSON line; a file that became faulty gives an error."""
        try:
            if self._path.stat().st_mtime_ns != self._changed_ns:
                self._read()
            captured = msgspec.json.decode(line, type=dict[str, Any])
            message = message_of(captured)
        except ConfigError as error:
            return error_line("wrong_source", str(error))
        except (OSError, msgspec.DecodeError, ValueError) as error:
            return error_line("wrong_line", str(error))
        found = self._decode(message)
        return found if isinstance(found, bytes) else msgspec.json.encode(found)

    def hints(self) -> list[str]:
        """The hints since the last call."""
        hints, self._hints = self._hints, []
        return hints

    def _read(self) -> None:
        """Raises ConfigError."""
        try:
            self._changed_ns = self._path.stat().st_mtime_ns
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be read ({error.strerror}); name a TOML file with [[sources]]") from None
        file = load_sources(self._path)
        try:
            sources = build_sources(file.sources, file.codecs)
        except SetupError as error:
            raise ConfigError(f"{self._path}: {error}") from None
        self._router = Router(sources, Installed())
        self._mappings = [(part.topic, part.mapping.mapping()) for part in file.sources if part.mapping is not None]
        self._found: set[tuple[str, str]] = set()

    def _decode(self, message: Message) -> dict[str, object] | bytes:
        source = next((one for one in self._router.sources if topic_matches(one.topic, message.topic)), None)
        if source is None:
            return error_line(
                "unknown_topic", f"no source has this topic{nearest(message.topic, [one.topic for one in self._router.sources])}"
            )
        try:
            stated = source.decoder.decode(message)
        except DecodeError as error:
            return error_line(error.reason, error.detail)
        kept: list[Observation] = self._router.decode(message)
        for topic, mapping in self._mappings:
            if topic_matches(topic, message.topic) and mapping.form == "json":
                self._hints += self._missed(topic, mapping, message)
        result: dict[str, object] = {"decoder": source.decoder.name, "observations": kept}
        return result if len(kept) == len(stated) else {**result, "dropped": dict(self._router.discarded)}

    def _missed(self, topic: str, mapping: Mapping, message: Message) -> Iterator[str]:
        """A hint for each pointer that found nothing so far, once, with the nearest one of the message."""
        body = msgspec.json.decode(message.payload)
        if mapping.each is not None:
            members = resolved(body, mapping.each)
            items = list(members.values()) if isinstance(members, dict) else members if isinstance(members, list) else []
            body = items[0] if items else None
        pointers = [
            (f"values[{at}]", row.at)
            for at, row in enumerate(mapping.values)
            if row.topic is None or topic_matches(row.topic, message.topic)
        ]
        others = ("device", mapping.device), ("time", mapping.time), ("heard", mapping.heard), ("rssi", mapping.rssi)
        pointers += [(name, keys) for name, keys in others if keys is not None]
        for name, keys in pointers:
            if (topic, name) in self._found:
                continue
            self._found.add((topic, name))
            if resolved(body, keys) is None:
                known = [_text(one) for one in _pointers(body)][:KEYS_MAX]
                yield f"{topic}: {name}: this message has nothing at {_text(keys)!r}{nearest(_text(keys), known)}"


def _text(keys: Pointer) -> str:
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def _pointers(body: Any, above: Pointer = ()) -> Iterator[Pointer]:
    """The pointers to all leaves."""
    members = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in members:
        if isinstance(value, (dict, list)):
            yield from _pointers(value, (*above, str(key)))
        else:
            yield (*above, str(key))
