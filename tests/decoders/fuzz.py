"""Fuzzing of the decoders, with a million messages: `python -m tests.decoders.fuzz [format ...]`.

For every real message and every case of a format: each truncation; each byte changed in four ways; the first half of
one message with the second half of another; and for some of them all mutations of
`gateway.decoders.conformance.mutations` (JSON changed in every place, hostile topics, noise, deep nesting). A decoder
may only return well-formed observations or raise `DecodeError`. Random choices are seeded, so a fault can be repeated.
The table also shows the refusals and the slowest single message (thread time), in which a payload that costs more than
its length would show.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from gateway.core.types import Message
from gateway.decoders.conformance.mutations import mutations
from gateway.decoders.conformance.wellformed import fault_of
from gateway.decoders.contract import DecodeError
from gateway.decoders.registry import decoder_names, load
from tests.decoders.formats import FORMATS, cases_messages
from tests.decoders.message_sets import Unmeasured, arguments, messages_of

MUTATIONS_MIN = 100_000
BENT_MESSAGES = 6  # of a format: the JSON of one gives some thousands of mutations
BYTES_CHANGED_MAX = 400
SEED = 20_261_122
_CHANGES = (0x01, 0x20, 0x80, 0xFF)  # the bits of a byte that are flipped


class Fuzzed(NamedTuple):
    """The counts of one format; `faults` name the message and the fault."""

    messages: int
    truncations: int
    mutated: int
    refused: int
    slowest_ms: float
    faults: list[str]


def fuzzed(form: str, known: list[Message], *, messages_max: int | None = None, every: int = 1) -> Fuzzed:
    """Fuzz one format from its `known` messages, at least one; `messages_max` and `every` (of so many, one is tried) make a slice of it."""
    draw = random.Random(SEED)  # noqa: S311 - to be repeated, not to be secret
    messages = known if messages_max is None else draw.sample(known, min(messages_max, len(known)))
    run = _Run(form)
    for message in messages:
        run.try_all(islice(_truncations(message), None, None, every), is_truncation=True)
        run.try_all(islice(_changed(message), None, None, every))
        run.try_all(islice(_crossed(message, draw.choice(known)), None, None, every))
    for message in messages[: BENT_MESSAGES if every == 1 else 1]:
        run.try_all(islice(mutations(message, draw), None, None, every))
    return Fuzzed(len(messages), run.truncations, run.mutated, run.refused, run.slowest_ns / 1e6, run.faults)


class _Run:
    """Counts of the messages tried on one format."""

    def __init__(self, form: str) -> None:
        self.truncations = self.mutated = self.refused = self.slowest_ns = 0
        self.faults: list[str] = []
        self._form = form
        self._decode = load(form).decode

    def try_all(self, messages: Iterable[Message], *, is_truncation: bool = False) -> None:
        for message in messages:
            self.truncations += is_truncation
            self.mutated += not is_truncation
            begin = time.thread_time_ns()
            self._try(message)
            self.slowest_ns = max(self.slowest_ns, time.thread_time_ns() - begin)

    def _try(self, message: Message) -> None:
        try:
            observations = self._decode(message)
        except DecodeError:
            self.refused += 1
            return
        except Exception as error:  # noqa: BLE001 - any other exception is what is looked for
            self.faults.append(f"{self._form}: {error!r:.200} of {message!r:.600}")
            return
        self.faults += [f"{self._form}: {fault} of {message!r:.600}" for one in observations if (fault := fault_of(one))]


def _truncations(message: Message) -> Iterator[Message]:
    return (_with(message, message.payload[:end]) for end in range(len(message.payload)))


def _changed(message: Message) -> Iterator[Message]:
    payload = message.payload
    step = max(1, len(payload) // BYTES_CHANGED_MAX)
    for at in range(0, len(payload), step):
        for change in _CHANGES:
            yield _with(message, payload[:at] + bytes((payload[at] ^ change,)) + payload[at + 1 :])


def _crossed(message: Message, other: Message) -> Iterator[Message]:
    half, rest = message.payload[: len(message.payload) // 2], other.payload[len(other.payload) // 2 :]
    yield _with(message, half + rest)
    yield _with(other, half + rest)
    yield _with(other, message.payload)


def _with(message: Message, payload: bytes) -> Message:
    return Message(message.topic, payload, message.received_at_ms)


def main(given: list[str] | None = None) -> int:
    """Print the table; 1 where a fault was found, or too little was tried to find one, else 2 where something was not measured."""
    asked, unmeasured = arguments(__doc__ or "", given), Unmeasured()
    table = Table("format", "messages", "truncations", "mutations", "refused", "slowest ms", "faults", title="Fuzzed messages")
    found: dict[str, Fuzzed] = {}
    for form in asked.choose(FORMATS):
        lines = asked.lines.get(form, [])
        if unmeasured.knows(form, lines) and form in decoder_names():
            found[form] = fuzzed(form, messages_of(form, lines, unmeasured) + cases_messages(form))
    for form, one in found.items():
        counts = (one.messages, one.truncations, one.mutated, one.refused)
        table.add_row(form, *(f"{count:,}" for count in counts), f"{one.slowest_ms:.1f}", str(len(one.faults)))
    tried = sum(one.truncations + one.mutated for one in found.values())
    faults = [fault for one in found.values() for fault in one.faults]
    console = Console(width=100)
    console.print(table)
    console.print(f"{tried:,} messages, {len(faults)} faults")
    for fault in faults[:20]:
        console.print(fault, markup=False, style="red")
    left_out = unmeasured.report(lambda text: console.print(text, markup=False))
    return 1 if faults or (not asked.formats and tried < MUTATIONS_MIN) else left_out


if __name__ == "__main__":
    sys.exit(main())
