"""`wayside till`: codes are checked offline and once, also after a restart, and sales reach a broker that was away."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.till_store import TillStore
from gateway.core.coupons import ADVICE, Coupon, grouped, issue
from tests.commands.terminal import Said, wayside
from tests.kit.broker import MosquittoBroker, broker, free_port
from tests.kit.coupons import key_line, signer
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import until

__all__ = ["broker"]

SALES = "wayside/v1/street/up/till-cafe/purchase"
END_S = int(time.time()) + 3_600
COUPON = Coupon("gw-t.0f3a2b1c4d5e6f70", "flat-white", "cafe", END_S)
CODE = issue(COUPON, signer())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gw.pub").write_text(key_line(), "utf-8")
    return tmp_path


def till(*words: object, typed: str | None = None) -> Said:
    return wayside("till", *words, "--key", "gw.pub", "--shop", "cafe", typed=None if typed is None else typed.encode())


def test_a_code_is_redeemed_once_also_after_a_restart(here: Path) -> None:
    first = till(grouped(CODE).lower())
    assert (first.code, first.out) == (0, f"accepted: flat-white, {COUPON.decision}\n")
    again = till(CODE)
    assert again.code == 1
    assert again.out.startswith("refused: redeemed: the coupon was redeemed at till-cafe at 20")
    assert again.out.endswith(f"{ADVICE['redeemed']}\n")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (CODE[:-1], "malformed"),
        (issue(COUPON, signer(2)), "unknown_key"),
        (CODE[:-3] + ("A" if CODE[-3] != "A" else "B") + CODE[-2:], "altered"),
        (issue(COUPON._replace(shop="bar"), signer()), "other_shop"),
        (issue(COUPON._replace(expires_s=END_S - 7_200), signer()), "expired"),
        (f"{CODE} 3,50", "malformed"),
    ],
)
def test_a_refusal_has_its_name_and_its_next_step(here: Path, code: str, reason: str) -> None:
    result = till(code, "--json")
    assert result.code == 1
    refusal = json.loads(result.out)
    assert refusal["code"] == reason
    assert refusal["reason"].startswith(f"{reason}: ")
    assert "; " in refusal["reason"]
    assert TillStore(here / "till.db", 0).waiting() == []


def test_lines_of_stdin_have_amounts(here: Path) -> None:
    other = issue(COUPON._replace(decision="gw-t.0000000000000001"), signer())
    result = till("--amount", "120", "--json", typed=f"{CODE} 350\n\n{other}\n{CODE}\n")
    assert [json.loads(line)["outcome"] for line in result.out.splitlines()] == ["accepted", "accepted", "refused"]
    assert "2 sales wait for the broker" in result.err
    sales = [json.loads(sale.payload) for sale in TillStore(here / "till.db", 0).waiting()]
    assert [(sale["amount_minor"], sale["seq"], sale["coupon"]) for sale in sales] == [(350, 1, CODE), (120, 2, other)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--broker", "mqtt://127.0.0.1:1"], "--broker needs --site"),
        (["--store", "."], "name another one with --store"),
        (["--key", "none.pub"], "none.pub"),
        (["--key", "wrong.pub"], "wrong.pub:1: not a public key"),
    ],
)
def test_wrong_use_names_the_way_out(here: Path, words: list[str], expected: str) -> None:
    (here / "wrong.pub").write_text("a key\n", "utf-8")
    assert expected in till(CODE, *words).refusal(2)


@pytest.mark.broker
def test_sales_of_an_offline_till_are_sent_at_the_next_start(here: Path, broker: MosquittoBroker) -> None:
    assert till(CODE, "--broker", f"mqtt://127.0.0.1:{free_port()}", "--site", "street").code == 0
    with Subscriber(broker.host, broker.port, SALES) as subscriber:
        later = till("--broker", broker.url, "--site", "street", typed="")
        assert (later.code, later.err) == (0, "")
        (payload,) = subscriber.wait_for(SALES)
        assert json.loads(payload)["coupon"] == CODE
        assert subscriber.received[0].qos == 1
        till("--broker", broker.url, "--site", "street", typed="")
        assert len(subscriber.payloads(SALES)) == 1, "an acknowledged sale is not sent again"


@pytest.mark.broker
def test_a_till_survives_a_broker_that_goes_away_and_learns_what_others_redeemed(here: Path, tmp_path: Path) -> None:
    machine = MosquittoBroker(tmp_path)
    address = machine.start()
    command = [sys.executable, "-m", "gateway.cli", "till", "--key", "gw.pub", "--shop", "cafe", "--json"]
    process = subprocess.Popen(
        [*command, "--broker", address.url, "--site", "street"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=here
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def redeem(code: str) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{code}\n")
        process.stdin.flush()
        result: dict[str, Any] = json.loads(process.stdout.readline())
        return result

    with Subscriber(address.host, address.port, "wayside/#") as subscriber:
        assert redeem(CODE)["outcome"] == "accepted"
        subscriber.wait_for(SALES)
        other = COUPON._replace(decision="gw-t.0000000000000002")
        row = {"decision": other.decision, "till": "till-bar", "sale": "b.1", "at_ms": 1_790_000_000_000, "expires_at_ms": END_S * 1000}
        subscriber.publish("wayside/v1/street/up/gw-t/redeemed", json.dumps({"v": 1, "boot": "b", "seq": 1, "redeemed": [row]}))
        kept = TillStore(here / "till.db", 0)
        until(lambda: kept.redeemed(other.decision))
        assert redeem(issue(other, signer()))["code"] == "redeemed"
    machine.stop()
    assert redeem(issue(COUPON._replace(decision="gw-t.0000000000000003"), signer()))["outcome"] == "accepted"
    assert len(kept.waiting()) == 1
    machine.start()
    until(lambda: not kept.waiting(), 30.0)
    process.stdin.close()
    assert process.wait(30) == 1, "one code was refused"
    process.stdout.close()
    kept.close()
    machine.stop()
