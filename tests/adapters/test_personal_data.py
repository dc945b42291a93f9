"""The second net: what it finds, what it leaves alone, what a text costs, and the places in which it hangs."""

from __future__ import annotations

import logging
import random
import socket
import time
from pathlib import Path

import pytest

from gateway.adapters.personal_data import CHARS_MAX, LogFilter, Scanner
from gateway.adapters.toml_files import TomlFileError, load_campaign
from gateway.config import ConfigError, load_config
from gateway.core.measure.rates import wilson
from gateway.core.privacy.checksums import is_card, is_iban
from tests.adapters import pii_recall
from tests.house import tree
from tests.kit.shared import shared_path

WORLDS = tree.ROOT / "deploy" / "worlds"


def wide(text: str) -> str:
    """Full-width forms of ASCII characters."""
    return "".join(chr(ord(char) + 0xFEE0) for char in text)


FOUND = {
    "e-mail address": [
        "anna@example.com",
        f"mail an {wide('anna@example.org')} bitte",
        "x <a.b+c@sub.example.co.uk>",
        'to "anna"@example.com',
    ],
    "card number": ["4539 1488 0343 6467", "Karte 4539148803436467.", "3782-822463-10005", "٤٥٣٩١٤٨٨٠٣٤٣٦٤٦٧", "4539\u200b148803436467"],
    "IBAN": ["DE89 3704 0044 0532 0130 00", "an de89370400440532013000 überwiesen", "GB29NWBK60161331926819"],
    "MAC address": ["DE:AD:BE:EF:00:42", "de-ad-be-ef-00-42", "dead.beef.0042", "DEADBEEF0042", "de ad be ef 00 42"],
    "phone number": ["+49 30 1234567", "0049301234567", "tel:+1-201-555-0123", "(030) 1234567", "030 1234567", "201-555-0123"],
    "coordinates": ["52.5206437, 13.4098", '{"lat": 52.52}', "52° 31' N", "geo:52.5,13.4", "longitude=13.4"],
}
CLEAN = [
    "connected with MQTT 5",
    "gw-a.0f3a2b1c4d5e6f70 was sent",
    "1792800000000",
    "2026-06-10 12:00:05 the window 1792800000000 left",
    "the temperature is 21.5 °C, the level -83.5 dBm at 2.25 m",
    "127.0.0.1:1883 answers; 192.168.178.20 does not",
    "12.50 € instead of 14.00 €, only until 10/12/2026 18:00",
    "20 % off, flat white for 2.80 @ the bar",
    "eb6685ef-b9d0-48b9-a1c2-db7894790f93",
    "4539 1488 0343 6468",
    "/var/lib/wayside/gw-a.db is full: free some space",
    "batch gw-a.77fe0123aa has 1500 records, 250000 bytes, 3600000 ms",
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FOUND.items() for text in texts])
def test_personal_data_is_found_in_its_usual_spellings(kind: str, text: str) -> None:
    assert kind in set(Scanner().kinds(text))
    assert Scanner().clean(text).startswith("[removed: ")


@pytest.mark.parametrize("text", CLEAN)
def test_ordinary_text_stays(text: str) -> None:
    assert Scanner().clean(text) == text


def test_national_numbers_are_found_for_the_regions_of_the_site() -> None:
    assert Scanner().clean("call 415 666 7777") == "call 415 666 7777"
    assert Scanner(["US"])("call 415 666 7777") == "phone number"
    with pytest.raises(ValueError, match="'XX' is no country with phone numbers"):
        Scanner(["XX"])


def test_check_digits_decide() -> None:
    draws = random.Random(3)  # noqa: S311
    for _ in range(200):
        digits = "4" + "".join(draws.choices("0123456789", k=14))
        assert sum(is_card(digits + last) for last in "0123456789") == 1
        account = "".join(draws.choices("0123456789", k=18))
        assert sum(is_iban(f"DE{check:02}{account}") for check in range(2, 99)) == 1
    assert not is_card("4111")
    assert not is_card("0000000000000000")
    assert not is_iban("DE")
    assert not is_iban("XX89370400440532013000")


# --- cost ------------------------------------------------------------------------------------------------------

UNITS = [
    "7",
    "1 ",
    "4111-",
    "4111 1111 1111 1112 ",
    "a@",
    "@",
    "ab:",
    "+49",
    "01 ",
    "(",
    "DE44 ",
    "2012-01-02 ",
    "1°",
    "12.345,",
    wide("1"),
    "ﷺ",
    "aA1",
]


@pytest.mark.parametrize("unit", UNITS)
def test_no_text_costs_more_than_linear_time(unit: str) -> None:
    """A text of the greatest length costs about eight times as much as an eighth of it, and not 64 times."""
    scan, costs = Scanner(["DE"]), []
    for chars in (CHARS_MAX // 8, CHARS_MAX):
        text = (unit * chars)[:chars]
        list(scan.kinds(text))
        runs = []
        for _ in range(3):
            began = time.process_time()
            list(scan.kinds(text))
            runs.append(time.process_time() - began)
        costs.append(min(runs))
    assert costs[1] < 32 * max(costs[0], 1e-4)


def test_a_text_that_is_too_long_goes_unread() -> None:
    assert list(Scanner().kinds("a" * (CHARS_MAX + 1))) == ["text too long to check"]
    assert list(Scanner().kinds("a" * CHARS_MAX)) == []


def test_a_text_with_hundreds_of_numbers_counts_as_one_with_a_phone_number() -> None:
    assert list(Scanner().kinds("+2991234 " * 50)) == []
    assert list(Scanner().kinds("+2991234 " * 400)) == ["phone number"]


def test_the_network_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", None)
    assert Scanner(["DE"])("030 1234567") == "phone number"


# --- places ------------------------------------------------------------------------------------------------------


def logged(message: str, *args: object, error: Exception | None = None) -> str:
    record = logging.LogRecord("wayside", logging.INFO, __file__, 1, message, args, (type(error), error, None) if error else None)
    assert LogFilter(Scanner()).filter(record)
    return logging.Formatter().format(record)


def test_a_log_line_loses_the_field_with_personal_data() -> None:
    assert logged("%s sent %d messages", "anna@example.com", 3) == "[removed: e-mail address] sent 3 messages"
    assert logged("the device %s is unknown", "phone-0001") == "the device phone-0001 is unknown"
    assert logged("%s", ValueError("not a number: 4539148803436467")) == "[removed: card number]"
    assert logged("anna@example.com asked") == "[removed: e-mail address]"
    assert "anna" not in logged("failed", error=ValueError("anna@example.com"))
    assert "sound" in logged("failed", error=ValueError("sound"))
    record = logging.LogRecord("wayside", logging.INFO, __file__, 1, "%(who)s", ({"who": "anna@example.com"},), None)
    LogFilter(Scanner()).filter(record)
    assert record.getMessage() == "[removed: e-mail address]"


def test_a_number_in_a_log_line_stays_a_number() -> None:
    assert logged("%d of %d", 4539148803436467, 1) == "[removed: card number]"
    assert logged("%.1f s", 2.5) == "2.5 s"


def test_a_campaign_with_personal_data_is_refused_with_its_place(tmp_path: Path) -> None:
    text = (WORLDS / "street" / "campaign.toml").read_text()
    (tmp_path / "campaign.toml").write_text(text.replace('title = "', 'title = "Call +49 30 1234567: ', 1))
    with pytest.raises(TomlFileError, match=r"campaign.toml:\d+: offers\[0\].title: the text has a phone number; leave it out"):
        load_campaign(tmp_path / "campaign.toml")


def test_an_id_with_personal_data_is_refused_with_its_place(tmp_path: Path) -> None:
    text = (WORLDS / "street" / "gw-a.toml").read_text()
    (tmp_path / "gw.toml").write_text(text.replace('gateway = "gw-a"', 'gateway = "de89370400440532013000"'))
    with pytest.raises(ConfigError, match=r"gw.toml:\d+: gateway: it looks like personal data \(IBAN\), and this id leaves the gateway"):
        load_config(tmp_path / "gw.toml")


# --- collected texts ------------------------------------------------------------------------------------------------


REACHED = {"IBAN": 0.98, "MAC address": 0.86, "card number": 0.93, "e-mail address": 0.92, "phone number": 0.98}
"""Recall on the collected texts. The misses are mostly invalid numbers, 16 hexadecimal digits, and comments within addresses."""


def test_the_recall_of_each_kind_on_collected_texts() -> None:
    found = pii_recall.measure(shared_path("data/pii"), pii_recall.ours())
    assert {kind for kind, least in REACHED.items() if found.recall(kind) < least} == set()
    assert (found.clean > 500, found.alarms_on_clean) == (True, 0)


def test_the_recall_on_generated_texts_is_over_99_percent() -> None:
    found = pii_recall.measure(pii_recall.generated(2), pii_recall.ours())
    lows = {kind: wilson(found.hits[kind], found.texts[kind]).low for kind in REACHED}
    assert min(lows.values()) >= 0.99, lows


def test_lines_of_a_gateway_stay() -> None:
    found = pii_recall.measure(pii_recall.traffic(2), pii_recall.ours())
    assert found.alarms_on_clean <= 0.001 * found.clean


def test_a_blind_finder_is_noticed() -> None:
    found = pii_recall.measure(pii_recall.generated(2), lambda _: set())
    assert max(found.recall(kind) for kind in REACHED) == 0
    eager = pii_recall.measure(pii_recall.traffic(2), lambda _: {"IBAN"})
    assert eager.alarms_on_clean == eager.clean
