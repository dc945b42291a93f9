"""The person's page of a whole gateway with a broker in memory, and visitors with a cookie jar and no JavaScript."""

from __future__ import annotations

import re
import ssl
import threading
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec

from gateway.build import build
from gateway.core.offers import Campaign
from gateway.page.service import PageService
from gateway.runtime.app import App
from tests.kit.bundles import make_bundle, tiny_campaign
from tests.kit.fake_bus import FakeBroker, FakeBus
from tests.kit.gateways import settings_of, write_config

PAGE = """
[coupons]
key_file = "coupons.key"

[page]
port = 0
operator = "Market Street"
incentive = { en = "a coffee", de = "ein Kaffee" }
"""
ALL = ("presence", "offers", "learning", "measurement")


def page_campaign(**policy: Any) -> Campaign:
    """The offer of the plaza, with a coupon and without a holdout."""
    made = tiny_campaign(**({"holdout": 0.0} | policy))
    return msgspec.structs.replace(made, offers=tuple(msgspec.structs.replace(one, coupon=True) for one in made.offers))


def page_config(folder: Path, campaign: Campaign | None = None, port: int = 1883, more: str = PAGE) -> Path:
    """A config with a page on a free port."""
    return write_config(folder, port, make_bundle(folder, campaign=campaign or page_campaign()), more)


class ServedPage:
    """A running gateway with a page; `tls` trusts its certificate, if it has one."""

    def __init__(self, config: Path, tls: ssl.SSLContext | None = None) -> None:
        self.config, self.tls = config, tls
        self.app: App = build(settings_of(config))
        self.broker = FakeBroker(self.app.clock.now_ms)
        self.app.bus = FakeBus(self.broker)
        (service,) = (one for one in self.app.services if isinstance(one, PageService))
        self.page = service.page
        self.address = f"http://127.0.0.1:{service.port}" if tls is None else f"https://localhost:{service.port}"
        self._visitors: list[Visitor] = []
        self._thread = threading.Thread(target=self.app.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for visitor in self._visitors:
            visitor.browser.close()
        self.app.stop()
        self._thread.join()

    def visitor(self, language: str = "en") -> Visitor:
        """A person who opens the page for the first time."""
        visitor = Visitor(self.address, language, self.tls)
        self._visitors.append(visitor)
        return visitor


class Visitor:
    """A browser without JavaScript."""

    def __init__(self, address: str, language: str = "en", tls: ssl.SSLContext | None = None) -> None:
        self.language = language
        headers = {"Accept-Language": language, "Origin": address}
        self.browser = httpx.Client(base_url=address, headers=headers, follow_redirects=True, timeout=30, verify=tls or True)

    def open(self, path: str = "") -> httpx.Response:
        """Open a page of the visitor's language."""
        return self.browser.get(f"/{self.language}/{path}")

    def send(self, path: str, **fields: Any) -> httpx.Response:
        """Send a form."""
        return self.browser.post(f"/{self.language}/{path}", data=fields)

    def agree(self, *purposes: str, **more: str) -> httpx.Response:
        """Agree to purposes, all without any."""
        return self.send("consent", purpose=list(purposes or ALL), days="365", **more)


def text(page: httpx.Response) -> str:
    """The text of a page without markup, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.text))
