"""The commands that measure decoders name unknown formats and kinds, and measure the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.decoders import brands, fuzz, shares, speed
from tests.decoders.message_sets import UNMEASURED, read_set

Command = Callable[[list[str]], int]

TAG: dict[str, Any] = {"topic": "espresense/devices/abc/plaza", "payload": {"rssi": -60.0, "distance": 2.0}}
KNOWN = {"format": "espresense", **TAG, "expected": {"distance": 2.0}}
FIELD = {"format": "espresense/issue", **TAG, "expected": {"contains": [{"type": "sighting", "rssi_dbm": -60}], "must_not_contain": []}}
BRAND = {"format": "ble_hci_adv", "topic": None, "payload_hex": "02011a020a0c", "expected": {"brand": "one"}, "negative": True}
UNSEEN: tuple[tuple[dict[str, Any], str], ...] = (
    ({"format": "carrier_pigeon", "topic": "", "payload": "coo"}, "unknown format carrier_pigeon"),
    (
        {
            "format": "chirpstack_v4",
            "topic": "application/1/device/70b3d57ba000156b/event/up",
            "payload": {},
            "expected": {"event": "moved"},
        },
        "chirpstack_v4: unknown kind or missing field 'moved'",
    ),
    (
        {"format": "shelly_gen2_rpc", "topic": "a/events/rpc", "payload": {"src": "a"}, "expected": {"src": "a"}},
        "unknown kind or missing field 'params'",
    ),
    ({"format": "owntracks", "topic": "owntracks/a/b", "payload": {}, "expected": ["location"]}, "an expectation of unknown shape"),
    ({"format": "bthome_v2_svcdata", "topic": None, "payload_hex": "40020a", "expected": {"mood": 3}}, "unknown value 'mood'"),
    ({"format": "espresense", "topic": "espresense/devices/abc/plaza"}, "no message"),
)


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., str]:
    def make(*lines: dict[str, Any]) -> str:
        path = tmp_path / "set.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return str(path)

    return make


def test_the_rest_is_measured(make_set: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    unseen = [line for line, _ in UNSEEN]
    assert shares.main(["--messages", make_set(KNOWN, *unseen, FIELD)]) == UNMEASURED
    printed = " ".join(capsys.readouterr().out.split())
    assert "│ espresense │ 2 │ 2 │ 0 │ 2 │ 2 │ 100.0%" in printed
    assert [name for _, name in UNSEEN if name not in printed] == []


def test_what_is_known_leaves_nothing_out(make_set: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    assert shares.main(["--messages", make_set(KNOWN, FIELD, BRAND)]) == 0
    assert "not measured" not in capsys.readouterr().out


def test_a_wrong_expectation_is_a_miss_and_not_unknown(make_set: Callable[..., str]) -> None:
    assert shares.main(["--messages", make_set(KNOWN | {"expected": {"distance": 3.0}})]) == 1
    assert shares.main(["--messages", make_set(FIELD | {"expected": {"contains": [], "must_not_contain": [{"type": "sighting"}]}})]) == 1


@pytest.mark.parametrize("command", [fuzz.main, speed.main])
def test_fuzz_and_speed_go_on(command: Command, make_set: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    path = make_set({"format": "espresense", "topic": ""}, KNOWN, UNSEEN[0][0])
    assert command(["espresense", "carrier_pigeon", "never_seen", "--messages", path]) == UNMEASURED
    printed = " ".join(capsys.readouterr().out.split())
    assert "│ espresense │" in printed
    assert "unknown format carrier_pigeon (1 message)" in printed
    assert "unknown format never_seen (0 messages)" in printed
    assert "set.jsonl:1: no message" in printed


def test_speed_needs_a_message_that_is_taken(make_set: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    refused = {"format": "loriot", "topic": "", "payload": "no JSON"}
    assert speed.main(["loriot", "--messages", make_set(refused)]) == UNMEASURED
    assert "loriot: no message that its decoder takes" in capsys.readouterr().out


def test_brands_go_on(make_set: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    shapeless = {"format": "ble_hci_adv", "topic": None, "payload_hex": "00", "expected": None}
    assert brands.main(["--messages", make_set(BRAND, shapeless, UNSEEN[0][0])]) == UNMEASURED
    printed = " ".join(capsys.readouterr().out.split())
    assert "│ ble_hci_adv │ one │ 1 │ 1 │ 100%" in printed
    assert "ble_hci_adv set.jsonl:2: an expectation of unknown shape" in printed
    assert "unknown format carrier_pigeon" in printed


@pytest.mark.parametrize("command", [shares.main, brands.main, speed.main, fuzz.main])
def test_a_set_that_is_not_there(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command(["--messages", str(tmp_path / "none.jsonl")])
    assert end.value.code == UNMEASURED
    assert "none.jsonl" in capsys.readouterr().err


def test_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"format": "espresense/x"}\n[]\n')
    with pytest.raises(ValueError, match=r"a\.jsonl:2: a line must be an object"):
        read_set(tmp_path)
