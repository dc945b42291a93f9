"""All decoders pass the conformance suite, and decoders with a fault fail it.

The negative controls matter as much: a suite that no faulty decoder fails would prove nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import msgspec
import pytest

from gateway.core import limits
from gateway.core.types import Envelope, Message, Observation, Position, Purchase, Reading, Sighting, Status, TimePassed
from gateway.decoders.conformance.checks import Case, NotConformingError, check_decoder
from gateway.decoders.conformance.mutations import mutations
from gateway.decoders.conformance.wellformed import fault_of
from gateway.decoders.contract import DecodeError, Decoder, number, parse_json, refuse
from gateway.decoders.registry import load
from tests.decoders.formats import FORMATS, cases_of

MUTATIONS_PER_CASE_MIN = 100


def _draw(seed: int = 1) -> random.Random:
    return random.Random(seed)  # noqa: S311 - to be repeated, not to be secret


GOOD = Message("m/door", b'{"up": 3}', 0)
CASES = [Case("up", GOOD, [Status("door", uptime_s=3)]), Case("no JSON", Message("m/door", b"up", 0), "not_json")]


def _plain(message: Message) -> list[Observation]:
    """A small decoder without a fault; each faulty one differs from it in one thing."""
    said = parse_json(message.payload)
    if not isinstance(said, dict):
        refuse("wrong_shape", "not an object")
    return [Status("door", uptime_s=int(number(said.get("up"), "up", 0, limits.INTEGER_MAX)))]


def _run(decode: Callable[[Message], Any], cases: list[Case] | None = None) -> None:
    check_decoder(Decoder("bad", (), decode), CASES if cases is None else cases, _draw())


@pytest.mark.parametrize("form", FORMATS)
def test_ours_conform(form: str) -> None:
    cases = cases_of(form)
    tally = check_decoder(load(form), cases, _draw())
    assert tally.cases == len(cases)
    assert tally.messages >= MUTATIONS_PER_CASE_MIN * len(cases)
    assert 0 < tally.refused < tally.messages


def test_a_good_little_decoder_conforms() -> None:
    assert check_decoder(Decoder("good", (), _plain), CASES, _draw()).messages > 2 * MUTATIONS_PER_CASE_MIN


def test_the_same_seed_makes_the_same_messages() -> None:
    one, same, other = (list(mutations(GOOD, _draw(seed))) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_a_key_error_comes_out_with_the_message_that_did_it() -> None:
    def decode(message: Message) -> list[Observation]:
        said = parse_json(message.payload)
        return [Status("door", uptime_s=said["up"])] if isinstance(said, dict) and said else _plain(message)

    with pytest.raises(KeyError) as error:
        _run(decode)
    assert "topic   'm/door'" in error.value.__notes__[0]


def _sees_nan(message: Message) -> list[Observation]:
    _plain(message)
    return [Status("door", uptime_s=3)] if message == GOOD else [Reading("door", "temperature", float("nan"))]


def _counts_on(calls: Iterator[int]) -> Callable[[Message], list[Observation]]:
    def decode(message: Message) -> list[Observation]:
        _plain(message)
        return [Status("door", uptime_s=3)] if message == GOOD and next(calls) < 2 else []

    return decode


def _changes(message: Message) -> list[Observation]:
    found = _plain(message)
    if message != GOOD:
        msgspec.structs.force_setattr(message, "topic", "mine")
    return found


@pytest.mark.parametrize(
    ("decode", "said"),
    [
        pytest.param(_sees_nan, "NaN|not a possible number|range of its quantity", id="NaN"),
        pytest.param(_counts_on(count()), "may remember nothing", id="stateful"),
        pytest.param(lambda message: tuple(_plain(message)), "case 'up'|not a list", id="tuple"),
        pytest.param(lambda message: _plain(message) if message == GOOD or message.payload == b"up" else None, "not a list", id="None"),
        pytest.param(lambda message: _plain(message) * (1 if message == GOOD else 600), "600 observations", id="too many"),
        pytest.param(
            lambda message: _plain(message) if message == GOOD else [*_plain(message), TimePassed()], "not an observation", id="time"
        ),
        pytest.param(_changes, "the message was changed", id="changes the message"),
        pytest.param(lambda _: [], "case 'up'", id="wrong answer"),
        pytest.param(lambda message: [Status("door", uptime_s=3)] if message == GOOD else [], "case 'no JSON'", id="accepts everything"),
    ],
)
def test_bad_decoders_fail(decode: Callable[[Message], Any], said: str) -> None:
    with pytest.raises(NotConformingError, match=said):
        _run(decode)


def test_a_reason_off_the_list_fails() -> None:
    def decode(message: Message) -> list[Observation]:
        if message == GOOD or message.payload == b"up":
            return _plain(message)
        raise DecodeError("bad_mood", "no")  # type: ignore[arg-type]  # that is the point

    with pytest.raises(NotConformingError, match="not on the list"):
        _run(decode)


@pytest.mark.parametrize(
    ("cases", "said"),
    [([], "expects an observation"), (CASES[1:], "expects an observation"), (CASES[:1], "expects a refusal")],
)
def test_a_suite_that_checks_nothing_fails(cases: list[Case], said: str) -> None:
    with pytest.raises(NotConformingError, match=said):
        _run(_plain, cases)


@pytest.mark.parametrize(
    "observation",
    [
        Sighting("", "a", -60.0),
        Sighting("a" * 513, "a", -60.0),
        Sighting("a\n", "a", -60.0),
        Sighting("a\ud800", "a", -60.0),
        Sighting("a", "b", 0.0),
        Sighting("a", "b", 127.0),
        Sighting("a", "b", -60.0, distance_m=float("inf")),
        Sighting("a", "b", -60.0, at_ms=-1),
        Sighting("a", "b", -60.0, at_ms=2**53),
        Sighting("a", "b", "-60"),  # type: ignore[arg-type]  # the constructor of a struct does not check types
        Position("a", 91.0, 0.0),
        Position("a", 0.0, float("nan")),
        Reading("a", "temperature", 163.835),
        Reading("a", "mood", 1.0),
        Purchase(Envelope("a", "", 1), 100),
        Purchase(Envelope("a", "b", 1), -100),
        TimePassed(),
        "a sighting",
    ],
    ids=repr,
)
def test_malformed_observations_are_found(observation: object) -> None:
    assert fault_of(observation) is not None


@pytest.mark.parametrize("form", FORMATS)
def test_expected_observations_are_well_formed(form: str) -> None:
    expected = [one for case in cases_of(form) if isinstance(case.expected, list) for one in case.expected]
    assert expected
    assert [fault_of(one) for one in expected] == [None] * len(expected)


# --- the speaker ---------------------------------------------------------------------------------------------

NAMED = ("m/{device}",)


def _runs_as(decode: Callable[[Message], list[Observation]], **fields: Any) -> None:
    settings: dict[str, Any] = {"speakers": NAMED, "role": "device"}
    check_decoder(Decoder("bad", (), decode, **(settings | fields)), CASES, _draw())


def _by_topic(message: Message) -> list[Observation]:
    (first,) = _plain(message)
    return [msgspec.structs.replace(first, device=message.topic.rpartition("/")[2])] if _is_named(message) else []


def _is_named(message: Message) -> bool:
    levels = message.topic.split("/")
    return len(levels) == 2 and levels[0] == "m" and 0 < len(levels[1]) <= limits.TEXT_CHARS_MAX and levels[1].isprintable()


def _by_payload(message: Message) -> list[Observation]:
    sent = parse_json(message.payload)
    is_other = isinstance(sent, dict) and sent.get("device") == "somebody-else"
    return [Status("somebody-else")] if is_other and _is_named(message) else _by_topic(message)


def test_a_decoder_that_names_the_device_in_the_topic_conforms() -> None:
    _runs_as(_by_topic)


@pytest.mark.parametrize(
    ("decode", "fields", "fault"),
    [
        pytest.param(_by_payload, {}, "speaks as 'somebody-else'", id="from the payload"),
        pytest.param(_plain, {}, "both give the id 'door'|speaks as 'door'", id="always the same"),
        pytest.param(_by_topic, {"speakers": ()}, "the topic names 'no device'", id="without a template"),
        pytest.param(_by_topic, {"kinds": frozenset({"reading"})}, "does not declare in kinds", id="of another kind"),
    ],
)
def test_a_decoder_that_speaks_as_another_fails(decode: Callable[[Message], list[Observation]], fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(NotConformingError, match=fault):
        _runs_as(decode, **fields)


def test_two_users_with_one_name_for_their_device_fail() -> None:
    honest = load("owntracks")

    def last_level(message: Message) -> list[Observation]:
        found = honest.decode(message)
        return [msgspec.structs.replace(one, device=one.device.partition("/")[2] or one.device) for one in found]  # type: ignore[union-attr]

    forgetful = honest._replace(decode=last_level)
    cases = [case._replace(expected=_outcome_of(forgetful, case)) for case in cases_of("owntracks")]
    with pytest.raises(NotConformingError, match=r"two devices, but both give the id|speaks as"):
        check_decoder(forgetful, cases, _draw())


def _outcome_of(decoder: Decoder, case: Case) -> Any:
    try:
        return decoder.decode(case.message)
    except DecodeError as error:
        return error.reason
