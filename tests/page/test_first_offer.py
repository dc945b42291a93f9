"""A whole gateway with a real broker: from the code on the screen to the first offer, and a sale of its coupon at a till."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx
import pytest

from tests.commands.terminal import wayside
from tests.kit.broker import MosquittoBroker, broker, free_port
from tests.kit.gateways import GatewayProcess, message
from tests.kit.pages import PAGE, Visitor, page_config, text
from tests.kit.subscriber import Subscriber
from tests.kit.waiting import until

__all__ = ["broker"]

FIRST_OFFER_S_MAX = 60.0


@pytest.mark.broker
def test_from_the_code_to_the_first_offer_and_to_the_till(broker: MosquittoBroker, tmp_path: Path) -> None:
    port = free_port()
    config = page_config(tmp_path, port=broker.port, more=PAGE.replace("port = 0", f"port = {port}"))
    with GatewayProcess(config) as gateway, Subscriber(broker.host, broker.port) as till:
        gateway.start()
        said = wayside("page", "--config", config, "--json")
        assert said.code == 0, said
        screen = re.search(r'"plaza":"([^"]+)"', said.out)
        assert screen is not None
        began_s = time.monotonic()
        shown = re.search(r"(/in/[a-z0-9_.-]+)<", httpx.get(screen[1], timeout=30).text)
        assert shown is not None
        visitor = Visitor(f"http://127.0.0.1:{port}")
        with visitor.browser:
            ticket = re.search(r'name="here" value="([^"]+)"', visitor.browser.get(shown[1]).text)
            assert ticket is not None
            page = visitor.agree(here=ticket[1])
            seconds = time.monotonic() - began_s
            assert "A flat white, one euro off" in text(page)
            assert seconds <= FIRST_OFFER_S_MAX
            decision = re.search(r'name="decision" value="([^"]+)"', page.text)
            assert decision is not None
            coupon = re.search(r'class="code">([^<]+)<', visitor.send("answer", decision=decision[1], answer="accepted").text)
            assert coupon is not None
            sale = message("till-cafe", "purchase", 1, amount_minor=300, coupon=coupon[1])
            till.publish(sale.topic, sale.payload)
            until(lambda: "300" in str(visitor.open("export.json").json()["facts"]))
            assert "3.00" in text(visitor.open("kept"))
        assert gateway.stop() == 0
