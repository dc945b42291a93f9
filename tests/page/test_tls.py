"""The page over TLS: cookie, forms, open page, codes of screens, and export; nothing without it."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core import signed_codes
from tests.adapters.test_http_server import certificate
from tests.kit.pages import PAGE, ServedPage, page_config, text


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedPage]:
    cert, key = certificate(tmp_path)
    more = PAGE + f'certificate_file = "{cert}"\nkey_file = "{key}"\n'
    with ServedPage(page_config(tmp_path, more=more), ssl.create_default_context(cafile=str(cert))) as made:
        yield made


def test_a_person_consents_sees_an_offer_exports_and_withdraws_over_tls(served: ServedPage) -> None:
    actions = served.page._do
    visitor = served.visitor()
    key = signed_codes.issue(actions._secret, "screen", "plaza", actions.now_ms() + 60_000)
    screen = visitor.browser.get("/en/screen", params={"key": key})
    found = re.search(r"(https://localhost:\d+)/in/([a-z0-9_.-]+)<", screen.text)
    assert found is not None, "the code on the screen leads to the page with TLS"
    assert found[1] == served.address
    ticket = re.search(r'name="here" value="([^"]+)"', visitor.browser.get(f"/in/{found[2]}").text)
    assert ticket is not None
    agreed = visitor.agree(here=ticket[1])
    (cookie,) = (one for step in agreed.history for name, one in step.headers.multi_items() if name == "set-cookie")
    assert cookie.startswith("__Host-wayside=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "A flat white, one euro off" in text(visitor.open("offers"))
    with visitor.browser.stream("GET", "/en/live") as live:
        assert "A flat white, one euro off" in next(part for part in live.iter_text() if "data:" in part)
    assert visitor.open("export.json").json()["consents"]
    assert "Nothing is kept of you any more" in text(visitor.send("stop"))
    assert not visitor.browser.cookies


@pytest.mark.parametrize("sent", [b"GET /en/ HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x00\x05hello"])
def test_without_tls_nothing_is_answered(served: ServedPage, sent: bytes) -> None:
    with socket.create_connection(("localhost", int(served.address.rpartition(":")[2])), timeout=10) as plain:
        plain.sendall(sent)
        assert not plain.recv(100).startswith(b"HTTP/")


def test_a_browser_that_does_not_know_the_authority_refuses_the_page(served: ServedPage) -> None:
    port = int(served.address.rpartition(":")[2])
    with socket.create_connection(("localhost", port), timeout=10) as plain, pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
