"""Time that each decoder takes: `python -m tests.decoders.speed [format ...]`.

Method: every real message of a format (of its hand-made cases where there are none) that is not refused is decoded
once, for the imports on first use. Then, one batch at a time: all messages of the format in turn (batch of 1), and 64
messages, the format's own repeated, decoded in one go (batch of 64, as from a full mailbox, with warm caches). Each
repeat times whole rounds with `time.thread_time_ns` (other processes cost caches, but no turns; reading the clock is a
third of a microsecond of each batch of 1), with the garbage collector on as in a gateway; its figure is the time
divided by the messages. The minimum of the repeats is the cost of the code, the median that on this machine with its
other load.

`gives` is the mean number of observations, as messages with many radios cost more. The ceiling of common JSON formats
(`COMMON`) in batches of 64 is 15 µs for a message of up to five observations and 3 µs for each further one; the exit
code is 1 where the minimum of one is above it.
"""

from __future__ import annotations

import statistics
import sys
import time
from itertools import cycle, islice
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from gateway.core.types import Message
from gateway.decoders.contract import DecodeError, Decoder
from gateway.decoders.registry import decoder_names, load
from tests.decoders.formats import FORMATS, cases_messages
from tests.decoders.message_sets import Unmeasured, arguments, messages_of

REPEATS = 15
BATCH = 64
ROUND_MESSAGES_MIN = 256  # a shorter repeat would measure the ticks of the scheduler
CEILING_US = 15.0
CEILING_FOR = 5
CEILING_FURTHER_US = 3.0
COMMON = ("espresense", "owntracks", "ruuvi_gateway", "shelly_gen2_rpc", "tasmota", "theengs_gateway_mqtt", "wayside_v1", "zigbee2mqtt")


class Timing(NamedTuple):
    """Microseconds a message, of the fastest and of the middle repeat."""

    messages: int
    bytes_mean: float
    gives_mean: float
    single_us: float
    single_median_us: float
    batch_us: float
    batch_median_us: float

    @property
    def ceiling_us(self) -> float:
        """The ceiling for such messages."""
        return CEILING_US + CEILING_FURTHER_US * max(0.0, self.gives_mean - CEILING_FOR)


def decodable(form: str, messages: list[Message]) -> list[Message]:
    """Those of `messages` that the format's decoder takes."""
    decoder = load(form)
    return [message for message in messages if _is_taken(decoder, message)]


def _is_taken(decoder: Decoder, message: Message) -> bool:
    try:
        decoder.decode(message)
    except DecodeError:
        return False
    return True


def timing(form: str, messages: list[Message], repeats: int = REPEATS) -> Timing:
    """Time one format on `messages`, each of which its decoder takes; at least one."""
    batch = [*islice(cycle(messages), BATCH)]
    single = [_single_us(form, messages) for _ in range(repeats)]
    many = [_batch_us(form, batch) for _ in range(repeats)]
    size = statistics.fmean(len(message.payload) for message in messages)
    gives = statistics.fmean(len(load(form).decode(message)) for message in messages)
    return Timing(len(messages), size, gives, min(single), statistics.median(single), min(many), statistics.median(many))


def _single_us(form: str, messages: list[Message]) -> float:
    """Each message by itself: the clock is read around every one."""
    decode = load(form).decode
    rounds = -(-ROUND_MESSAGES_MIN // len(messages))
    spent = 0
    for _ in range(rounds):
        for message in messages:
            begin = time.thread_time_ns()
            decode(message)
            spent += time.thread_time_ns() - begin
    return spent / rounds / len(messages) / 1_000


def _batch_us(form: str, batch: list[Message]) -> float:
    decode = load(form).decode
    rounds = ROUND_MESSAGES_MIN // BATCH
    begin = time.thread_time_ns()
    for _ in range(rounds):
        for message in batch:
            decode(message)
    return (time.thread_time_ns() - begin) / rounds / BATCH / 1_000


def main(given: list[str] | None = None) -> int:
    """Print the table; 1 where a common format is above its ceiling, else 2 where something was not measured."""
    asked, unmeasured = arguments(__doc__ or "", given), Unmeasured()
    table = Table("format", "messages", "bytes", "gives", "1: min", "1: median", "64: min", "64: median", title="µs per message")
    slow: list[str] = []
    for form in asked.choose(FORMATS):
        lines = asked.lines.get(form, [])
        if not unmeasured.knows(form, lines) or form not in decoder_names():
            continue
        messages = decodable(form, messages_of(form, lines, unmeasured) or cases_messages(form))
        if not messages:
            unmeasured.add(f"{form}: no message that its decoder takes", len(lines))
            continue
        found = timing(form, messages)
        figures = (found.single_us, found.single_median_us, found.batch_us, found.batch_median_us)
        table.add_row(form, str(found.messages), f"{found.bytes_mean:.0f}", f"{found.gives_mean:.1f}", *(f"{one:.1f}" for one in figures))
        if form in COMMON and found.batch_us > found.ceiling_us:
            slow.append(form)
    console = Console(width=100)
    console.print(table)
    console.print(f"above the ceiling: {', '.join(slow) or 'no common format'}")
    left_out = unmeasured.report(lambda text: console.print(text, markup=False))
    return 1 if slow else left_out


if __name__ == "__main__":
    sys.exit(main())
