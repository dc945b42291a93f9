"""Whatever left the gateway, searched for whoever it must not name.

Names of phones and tags begin alike, so their common beginnings are looked for as they are, in hexadecimal and in base64 at each
of its three offsets, also inside gzip. Addresses, subjects and decision codes are random digits: every run of hexadecimal
digits that left is looked up among them.
"""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Iterable, Iterator

RUN = re.compile(rb"(?:[0-9a-f]{2}[:-]?){6,}")
GZIP = b"\x1f\x8b"
STEM_CHARS_MIN = 5
WIDTHS = (12, 16)  # digits of an address; of a subject or a decision


class Leaks:
    """Collects what is secret and finds it in what leaves."""

    def __init__(self) -> None:
        self.digits: set[str] = set()
        self.names: set[str] = set()
        self._needles: tuple[bytes, ...] = ()
        self._known = 0
        self.bytes_seen = 0

    def in_bytes(self, what: bytes) -> str | None:
        """The first secret that is in there, as a word for a complaint."""
        self.bytes_seen += len(what)
        for layer in _layers(what):
            text = layer.lower()
            for needle in self._stems():
                if needle in (layer if needle != needle.lower() else text):
                    return needle.decode("ascii", "replace")
            for run in RUN.findall(text):
                found = self._among_digits(re.sub(rb"[^0-9a-f]", b"", run).decode())
                if found is not None:
                    return found
        return None

    def _among_digits(self, run: str) -> str | None:
        for width in WIDTHS:
            for at in range(len(run) - width + 1):
                if run[at : at + width] in self.digits:
                    return run[at : at + width]
        return None

    def _stems(self) -> tuple[bytes, ...]:
        if self._known != len(self.names):
            self._known = len(self.names)
            self._needles = tuple(sorted({needle for stem in stems(self.names) for needle in spellings(stem)}))
        return self._needles


def stems(names: Iterable[str]) -> set[str]:
    """How names of one sort begin; a sort is what stands before the first digit or colon."""
    sorts: dict[str, list[str]] = {}
    for name in names:
        sorts.setdefault(re.split(r"[:\d]", name, maxsplit=1)[0], []).append(name.partition(":")[2] or name)
    found: set[str] = set()
    for group in sorts.values():
        stem = _beginning(min(group), max(group))
        found |= {stem} if len(stem) >= STEM_CHARS_MIN else set(group)
    return found


def _beginning(one: str, other: str) -> str:
    """What both begin with; of the first and the last in order, that is what all between begin with."""
    return one[: next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), min(len(one), len(other)))]


def spellings(stem: str) -> Iterator[bytes]:
    """A text as it is (lower case), without punctuation, in hexadecimal, and in base64 at each offset."""
    raw = stem.lower().encode()
    yield raw
    yield raw.hex().encode()
    bare = re.sub(rb"[^0-9a-z]", b"", raw)
    if len(bare) >= STEM_CHARS_MIN:
        yield bare
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + raw)
        whole = coded[(0, 2, 3)[offset] : (offset + len(raw)) * 8 // 6]
        if len(whole) > STEM_CHARS_MIN:
            yield whole


def _layers(what: bytes) -> Iterator[bytes]:
    yield what
    if what.startswith(GZIP):
        yield gzip.decompress(what)
