"""Real Bluetooth advertisements by the name of their form, as `wayside decode` reads them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.commands.decode import decode_line
from gateway.core.types import Observation
from gateway.decoders.bluetooth.advertisement_forms import FORMS
from gateway.decoders.conformance.wellformed import fault_of
from tests.decoders.brands import COLLECTIONS, decoded, shares
from tests.decoders.expected import SHARE_MIN
from tests.decoders.expected_ble import ble_claims, unexplained
from tests.decoders.message_sets import Unmeasured
from tests.kit.shared import shared_messages

OF_BRANDS = frozenset(COLLECTIONS)
OPEN_FORMS = sorted(FORMS.keys() - OF_BRANDS)
BRANDS_SHARE_MIN = 0.6
_ASKED = ("payload_hex", "mac", "bindkey", "aes_key", "rssi", "service_uuid", "local_name")
_OBSERVATIONS = msgspec.json.Decoder(list[Observation])

# Lines that are marked for another reading of the bytes.
MARKED_OTHERWISE: dict[str, str] = {
    "A02218": "an Eddystone URL that its test reads with a layout of fixed length; by Eddystone's specification it is whole",
    "A00790": "expected to be unsupported and not marked so: version 7 of BTHome, which is refused",
}


def _answer(form: str, line: dict[str, Any]) -> dict[str, Any]:
    asked = {name: line[name] for name in _ASKED if line.get(name) is not None} | {"decoder": form}
    answer: dict[str, Any] = msgspec.json.decode(decode_line(msgspec.json.encode(asked)))
    return answer


def _observations(answer: dict[str, Any]) -> list[Observation]:
    return _OBSERVATIONS.decode(msgspec.json.encode(answer["observations"]))


@pytest.mark.parametrize("form", OPEN_FORMS)
def test_each_is_understood_or_refused_as_marked(form: str) -> None:
    lines = shared_messages(form)
    assert lines
    wrong = [
        f"{line['id']}: {answer}"
        for line in lines
        if ("error" in (answer := _answer(form, line))) != bool(line.get("negative")) and line["id"] not in MARKED_OTHERWISE
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("form", OPEN_FORMS)
def test_what_comes_out_is_well_formed(form: str) -> None:
    answers = [_answer(form, line) for line in shared_messages(form)]
    held = [one for answer in answers if "error" not in answer for one in _observations(answer)]
    assert held
    assert [fault_of(one) for one in held] == [None] * len(held)


@pytest.mark.parametrize("form", OPEN_FORMS)
def test_what_their_sources_say_is_found(form: str) -> None:
    matched = 0
    missed: list[str] = []
    for line in shared_messages(form):
        answer = _answer(form, line)
        if line.get("negative") or "error" in answer:
            continue
        held = _observations(answer)
        for word, holds in ble_claims(line):
            if holds(held):
                matched += 1
            else:
                missed.append(f"{line['id']}: {word} = {line['expected'].get(word)}")
    assert matched >= SHARE_MIN * (matched + len(missed)), "\n".join(missed)


@pytest.mark.parametrize("form", [*OPEN_FORMS, "ingics_gprp_text"])
def test_every_word_is_claimed_or_explained(form: str) -> None:
    lines = shared_messages(form)
    assert lines
    assert {word for line in lines for word in unexplained(line)} == set()


def test_most_of_what_brands_say_is_understood() -> None:
    unmeasured = Unmeasured()
    found = [share for collection in COLLECTIONS for share in shares(collection, shared_messages(collection), unmeasured).values()]
    assert unmeasured.report(print) == 0
    messages, matched = sum(share.messages for share in found), sum(share.matched for share in found)
    assert messages > 0
    assert matched / messages >= BRANDS_SHARE_MIN


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_brands_make_only_well_formed_observations(collection: str) -> None:
    answers = [decoded(collection, line) for line in shared_messages(collection)]
    held = [one for answer in answers if "error" not in answer for one in _observations(answer)]
    assert held
    assert [fault_of(one) for one in held] == [None] * len(held)
