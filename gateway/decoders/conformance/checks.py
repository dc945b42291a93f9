"""The conformance suite for a decoder.

Payloads come from devices that we do not control. So the cases of a decoder (captured bytes, with the expected
observations or the reason of the refusal) are only the seeds: each is cut off at every byte, its JSON is changed in
every place, its topic is exchanged and its bytes are flipped. For each of these messages the decoder must return
observations or raise `DecodeError`; observations must hold finite numbers in range and short printable ids; and
decoding the same message again, in another order, must give the same result. Every observation is of a kind that the
decoder declares (`kinds`), and of the speaker in the topic (`speakers`, `role`): identities in the payload are changed one
by one, and two topics that name two devices may not give one id.

    check_decoder(DECODER, parse_cases(Path("cases/mine.jsonl").read_text().splitlines()), random.Random(0))

Random choices come from the generator that the caller seeds, so a failure can be repeated.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple, NoReturn, get_args

import msgspec

from gateway.core import limits
from gateway.core.types import Fact, Message, Observation, Sighting
from gateway.decoders.conformance.mutations import identity_mutations, mutations, topics_of_others
from gateway.decoders.conformance.wellformed import fault_of
from gateway.decoders.contract import UNSTATED, DecodeError, Decoder, Reason
from gateway.decoders.values.speakers import Template, is_radio, parse_template, speaker_in


class NotConformingError(AssertionError):
    """The decoder broke a rule; the message names the rule and holds the topic and payload."""


class Case(NamedTuple):
    """`expected` is the list of observations, or the reason for which the message is refused."""

    name: str
    message: Message
    expected: list[Observation] | Reason


class Tally(NamedTuple):
    """Numbers of cases, of messages that were decoded, and of those that were refused."""

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
    """The cases in `lines`, one JSON object a line. Raises ValueError, with the number of the line, for one that is not a case.

    Fields: `name`, `topic`, one of `payload` (JSON), `payload_text`, `payload_hex`, one of `observations` (each with
    its `type`) and `refused` (a reason), and optionally `received_at_ms` and `source`.
    """
    return [_case(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _case(number: int, line: str) -> Case:
    try:
        line_fields = _LINE.decode(line)
    except msgspec.DecodeError as error:
        message = f"line {number}: {error}"
        raise ValueError(message) from error
    payloads = [*_payloads(line_fields)]
    expected: list[Observation] | Reason | None = line_fields.observations if line_fields.refused is None else line_fields.refused
    if len(payloads) != 1 or expected is None or (line_fields.observations is not None and line_fields.refused is not None):
        message = f"line {number}: needs one payload and either observations or refused"
        raise ValueError(message)
    return Case(line_fields.name, Message(line_fields.topic, payloads[0], line_fields.received_at_ms), expected)


def _payloads(line_fields: _Line) -> Iterator[bytes]:
    if bytes(line_fields.payload):
        yield bytes(line_fields.payload)
    if line_fields.payload_text is not None:
        yield line_fields.payload_text.encode()
    if line_fields.payload_hex is not None:
        yield bytes.fromhex(line_fields.payload_hex)


def check_decoder(decoder: Decoder, cases: Iterable[Case], draw: random.Random) -> Tally:
    """Run `decoder` on its cases and on mutations of the cases.

    Raises NotConformingError where it breaks a rule. An exception of the decoder that is not a DecodeError is raised as
    it is, with the message that caused it as a note.
    """
    known = list(cases)
    _check_coverage(known)
    for case in known:
        _check_case(decoder, case)
    messages = [case.message for case in known]
    for case in known:
        messages += mutations(case.message, draw)
        messages += identity_mutations(case.message)
        _check_topics(decoder, case.message)
    first = [_outcome(decoder, message) for message in messages]
    for message, before in zip(reversed(messages), reversed(first), strict=True):
        if _outcome(decoder, message) != before:
            _fail(message, "decoding it again gives another answer: a decoder may remember nothing")
    return Tally(len(known), len(messages), sum(not isinstance(outcome, list) for outcome in first))


def _check_coverage(cases: list[Case]) -> None:
    if not any(isinstance(case.expected, list) and case.expected for case in cases):
        message = "no case expects an observation: add one"
        raise NotConformingError(message)
    if all(isinstance(case.expected, list) for case in cases):
        message = "no case expects a refusal: add one"
        raise NotConformingError(message)


def _check_case(decoder: Decoder, case: Case) -> None:
    outcome = _outcome(decoder, case.message)
    if outcome != case.expected:
        message = f"case {case.name!r}:\n  expected {case.expected}\n  got      {outcome}"
        raise NotConformingError(message)


def _outcome(decoder: Decoder, message: Message) -> list[Observation] | Reason:
    """The observations of `message`, or the reason of its refusal, after both were checked."""
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
    _check_speaker(decoder, message, observations)
    return observations


@cache
def _templates(speakers: tuple[str, ...]) -> tuple[Template, ...]:
    return tuple(map(parse_template, speakers))


def _check_speaker(decoder: Decoder, message: Message, observations: list[Observation]) -> None:
    """Every observation is of a declared kind, and of the device that the topic names."""
    for observation in observations:
        if observation.__struct_config__.tag not in decoder.kinds:
            _fail(message, f"a {observation.__struct_config__.tag}, which the decoder does not declare in kinds")
    if decoder.role == "bridge" or not message.topic:
        return
    speaker = speaker_in(_templates(decoder.speakers), message.topic)
    if speaker is None and decoder.speakers:
        return  # on such a topic the gateway drops everything, unless its config names the speaker
    for name in _speakers(decoder, observations):
        if name not in (speaker, UNSTATED) and not name.startswith((f"{speaker}/", f"{UNSTATED}/")):
            _fail(message, f"speaks as {name!r:.100}, but the topic names {speaker or 'no device'!r:.100}")


def _check_topics(decoder: Decoder, message: Message) -> None:
    """Two topics that name two devices give no common id."""
    if decoder.role == "bridge":
        return
    before = _speakers(decoder, _decoded(decoder, message)) - {UNSTATED}
    for template in _templates(decoder.speakers):
        for topic in topics_of_others(template, message.topic):
            other = msgspec.structs.replace(message, topic=topic)
            shared = before & _speakers(decoder, _decoded(decoder, other))
            if shared:
                _fail(other, f"{message.topic!r:.100} and this topic name two devices, but both give the id {min(shared)!r:.100}")


def _decoded(decoder: Decoder, message: Message) -> list[Observation]:
    try:
        return decoder.decode(message)
    except DecodeError:
        return []


def _speakers(decoder: Decoder, observations: list[Observation]) -> set[str]:
    """The ids as which a message speaks; a scanner's readings of a radio, and states, are of the radios that it heard."""
    names: set[str] = set()
    for one in observations:
        if isinstance(one, Fact):
            names.add(one.envelope.device)
        elif isinstance(one, Sighting):
            names.add(one.hearer)
        else:
            name = one.device  # type: ignore[union-attr]
            kind = one.__struct_config__.tag
            if decoder.role == "device" or kind not in ("reading", "status") or (kind == "reading" and not is_radio(name)):
                names.add(name)
    return names


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
