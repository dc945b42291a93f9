"""The conformance suite: what every decoder has to survive, ours and a plug-in's.

A decoder stands at the door of the house, and strangers write what it reads. So its cases (captured bytes,
with the observations or the refusal that they must give) are only the beginning: each is cut off at every
byte, its JSON is bent in every place, its topic is exchanged, its bytes are flipped. Whatever goes in,
only observations or `DecodeError` may come out; observations hold finite numbers, short printable ids and
possible amounts; the same message decoded again, in another order, gives the same answer.

    check_decoder(DECODER, parse_cases(Path("cases/mine.jsonl").read_text().splitlines()), random.Random(0))

What is drawn comes from the generator that the caller seeds: a failure comes back until it is repaired.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import NamedTuple, NoReturn, get_args

import msgspec

from gateway.core import limits
from gateway.core.types import Message, Observation
from gateway.decoders.conformance.mutations import mutations
from gateway.decoders.conformance.wellformed import fault_of
from gateway.decoders.contract import DecodeError, Decoder, Reason


class NotConformingError(AssertionError):
    """The decoder broke a rule; the message tells which one and with what."""


class Case(NamedTuple):
    """`expected` is the list of observations, or the reason for which the message is refused."""

    name: str
    message: Message
    expected: list[Observation] | Reason


class Tally(NamedTuple):
    """What a run of the suite visited."""

    cases: int
    messages: int
    refused: int


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """One line of a file of cases."""

    name: str
    topic: str = ""
    payload: msgspec.Raw = msgspec.Raw()
    payload_text: str | None = None
    payload_hex: str | None = None
    received_at_ms: int = 0
    observations: list[Observation] | None = None
    refused: Reason | None = None
    source: str | None = None


_LINE = msgspec.json.Decoder(_Line)


def parse_cases(lines: Iterable[str]) -> list[Case]:
    """Read cases, one JSON object a line; `ValueError` names the line that is not one.

    Fields: `name`, `topic`, one of `payload` (JSON), `payload_text`, `payload_hex`, one of `observations`
    (each with its `type`) and `refused` (a reason), and optionally `received_at_ms` and `source`.
    """
    return [_case(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _case(number: int, line: str) -> Case:
    try:
        said = _LINE.decode(line)
    except msgspec.DecodeError as error:
        message = f"line {number}: {error}"
        raise ValueError(message) from error
    payloads = [*_payloads(said)]
    expected: list[Observation] | Reason | None = said.observations if said.refused is None else said.refused
    if len(payloads) != 1 or expected is None or (said.observations is not None and said.refused is not None):
        message = f"line {number}: needs one payload and either observations or refused"
        raise ValueError(message)
    return Case(said.name, Message(said.topic, payloads[0], said.received_at_ms), expected)


def _payloads(said: _Line) -> Iterator[bytes]:
    if bytes(said.payload):
        yield bytes(said.payload)
    if said.payload_text is not None:
        yield said.payload_text.encode()
    if said.payload_hex is not None:
        yield bytes.fromhex(said.payload_hex)


def check_decoder(decoder: Decoder, cases: Iterable[Case], draw: random.Random) -> Tally:
    """Hold `decoder` to its cases and to everything that can be made of them.

    A rule that is broken raises `NotConformingError`; whatever else the decoder itself raises comes out
    as it is, with the message that did it as a note.
    """
    known = list(cases)
    _check_coverage(known)
    for case in known:
        _check_case(decoder, case)
    messages = [case.message for case in known]
    for case in known:
        messages += mutations(case.message, draw)
    first = [_outcome(decoder, message) for message in messages]
    for message, before in zip(reversed(messages), reversed(first), strict=True):
        if _outcome(decoder, message) != before:
            _fail(message, "decoding it again gives another answer: a decoder may remember nothing")
    return Tally(len(known), len(messages), sum(not isinstance(outcome, list) for outcome in first))


def _check_coverage(cases: list[Case]) -> None:
    if not any(isinstance(case.expected, list) and case.expected for case in cases):
        message = "no case expects an observation: a decoder earns its place with cases"
        raise NotConformingError(message)
    if all(isinstance(case.expected, list) for case in cases):
        message = "no case expects a refusal: a decoder that accepts everything has not been tried"
        raise NotConformingError(message)


def _check_case(decoder: Decoder, case: Case) -> None:
    outcome = _outcome(decoder, case.message)
    if outcome != case.expected:
        message = f"case {case.name!r}:\n  expected {case.expected}\n  got      {outcome}"
        raise NotConformingError(message)


def _outcome(decoder: Decoder, message: Message) -> list[Observation] | Reason:
    """What `decoder` makes of `message`, once it is known to be one of the two things that it may be."""
    before = msgspec.structs.replace(message)
    try:
        observations = decoder.decode(message)
    except DecodeError as error:
        if error.reason not in get_args(Reason):
            _fail(message, f"refused for a reason that is not on the list: {error.reason!r}")
        return error.reason
    except Exception as error:
        error.add_note(f"raised by decoder {decoder.name!r}, of which only observations or DecodeError may come{_shown(message)}")
        raise
    if message != before:
        _fail(message, "the message was changed")
    _check_observations(message, observations)
    return observations


def _check_observations(message: Message, observations: list[Observation]) -> None:
    if not isinstance(observations, list):
        _fail(message, f"returned {type(observations).__name__}, not a list")
    if len(observations) > limits.OBSERVATIONS_PER_MESSAGE_MAX:
        _fail(message, f"{len(observations)} observations of one message; {limits.OBSERVATIONS_PER_MESSAGE_MAX} are the most")
    for observation in observations:
        fault = fault_of(observation)
        if fault is not None:
            _fail(message, f"{fault} in {observation!r:.300}")


def _fail(message: Message, what: str) -> NoReturn:
    raise NotConformingError(what + _shown(message))


def _shown(message: Message) -> str:
    return f"\n  topic   {message.topic!r:.300}\n  payload {message.payload!r:.600}"
