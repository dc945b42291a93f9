"""The desired state: signed, newer, for this gateway; a bundle that fails its trial is taken back, and a stopped offer stays stopped."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.adapters.bundle_store import BundleStore, digest
from gateway.adapters.desired import AppliedFile, DesiredError, verified
from gateway.core.condition import Condition
from gateway.core.desired import DOMAIN, Applied, Desired, DesiredBundle, Reported, SignedDesired
from gateway.runtime import desired as room
from gateway.runtime.desired import DesiredThread, Running

OLD, NEW = b"the old bundle", b"the new bundle"
CONDITION = Condition("0.1.0", connected=True)
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def sha(content: bytes, folder: Path) -> str:
    path = folder / "hash"
    path.write_bytes(content)
    return digest(path)


class FakeDesk:
    """Answers with the orders that are given to it, one an exchange."""

    def __init__(self, *orders: Desired | Exception | None) -> None:
        self.orders = list(orders)
        self.reports: list[Reported] = []

    def exchange(self, report: Reported) -> Desired | None:
        self.reports.append(report)
        order = self.orders.pop(0) if self.orders else None
        if isinstance(order, Exception):
            raise order
        return order

    def bundle(self, sha256: str) -> bytes:
        del sha256
        return NEW


class Street:
    """A gateway whose model slot loads the active bundle at once, if it can."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = BundleStore(folder / "active.bundle")
        self.store.install(OLD, "street", 1)
        self.loads = self.checks = True
        self.memory = AppliedFile(self.store.active)

    def thread(self, desk: FakeDesk) -> DesiredThread:
        return DesiredThread(
            Running("gw-a", ("plaza",), self.version, self.check, lambda: CONDITION), desk, self.store, self.memory, (ValueError,)
        )

    def version(self) -> str:
        return "street-2" if self.loads and self.store.active.read_bytes() == NEW else "street-1"

    def check(self, content: bytes) -> None:
        if not self.checks:
            raise ValueError(f"bad_signature of {len(content)} bytes")

    def order(self, serial: int, *stopped: str, gateway: str = "gw-a") -> Desired:
        return Desired(gateway, serial, DesiredBundle("street", 2, sha(NEW, self.folder)), stopped)


@pytest.fixture
def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Street:
    monkeypatch.setattr(room, "POLL_S", 0.001)
    monkeypatch.setattr(room, "LOAD_S_MAX", 0.003)
    monkeypatch.setattr(room, "HOME_S_MAX", 0.003)
    return Street(tmp_path)


def test_a_new_bundle_is_installed_tried_and_reported(street: Street) -> None:
    desk = FakeDesk(street.order(7, "tea"))
    thread = street.thread(desk)
    assert thread.step()
    assert street.store.active.read_bytes() == NEW
    assert street.memory.read() == Applied(7, ("tea",))
    first, last = desk.reports[0], thread.report()
    assert (first.serial, first.bundle, first.zones) == (0, "street-1", ("plaza",))
    assert (last.serial, last.bundle, last.stopped, last.fault) == (7, "street-2", ("tea",), "")


def test_an_older_order_changes_nothing(street: Street) -> None:
    street.memory.write(Applied(7))
    assert street.thread(FakeDesk(street.order(7))).step()
    assert street.store.active.read_bytes() == OLD


def test_a_refused_bundle_stays_away_and_its_stops_count(street: Street) -> None:
    street.checks = False
    thread = street.thread(FakeDesk(street.order(7, "tea"), street.order(7, "tea")))
    assert thread.step()
    assert street.store.active.read_bytes() == OLD
    assert "bad_signature of 14 bytes" in thread.report().fault
    assert (thread.report().serial, thread.report().stopped) == (7, ("tea",))
    street.checks = True
    thread.step()  # the same serial is not tried again
    assert street.store.active.read_bytes() == OLD


def test_a_bundle_that_is_not_loaded_is_taken_back(street: Street) -> None:
    street.loads = False
    thread = street.thread(FakeDesk(street.order(7)))
    thread.step()
    assert street.store.active.read_bytes() == OLD
    assert "taken back: the gateway has not loaded it" in thread.report().fault


def test_a_bundle_with_which_the_desk_is_out_of_reach_is_taken_back(street: Street) -> None:
    thread = street.thread(FakeDesk(street.order(7), *(OSError("no route") for _ in range(50))))
    thread.step()
    assert street.store.active.read_bytes() == OLD
    assert "out of reach" in thread.report().fault


def test_a_trial_goes_on_after_a_restart(street: Street) -> None:
    street.store.install(NEW, "street", 2)
    street.memory.write(Applied(7, trial="street-2"))
    thread = street.thread(FakeDesk())
    thread._try_out()
    assert (street.memory.read(), street.store.active.read_bytes()) == (Applied(7), NEW)
    street.loads = False
    street.memory.write(Applied(7, trial="street-2"))
    street.thread(FakeDesk())._try_out()
    assert street.store.active.read_bytes() == OLD


def test_an_order_may_lead_back_to_an_older_version(street: Street) -> None:
    thread = street.thread(FakeDesk(street.order(7)))
    thread.step()
    back = Desired("gw-a", 8, DesiredBundle("street", 1, sha(OLD, street.folder)), ())
    desk = FakeDesk(back)
    desk.bundle = lambda sha256: OLD  # type: ignore[method-assign]  # noqa: ARG005  the old bytes
    thread = street.thread(desk)
    assert thread.step()
    assert (street.store.active.read_bytes(), thread.report().bundle, thread.report().fault) == (OLD, "street-1", "")


def test_a_stop_reloads_the_bundle_and_survives_a_restart(street: Street) -> None:
    changed_ns = street.store.changed_at_ns()
    assert street.thread(FakeDesk(Desired("gw-a", 3, None, ("tea",)))).step()
    assert street.store.changed_at_ns() > changed_ns
    assert street.store.is_checked()
    assert street.thread(FakeDesk()).report().stopped == ("tea",)


def test_without_an_answer_the_gateway_goes_on(street: Street) -> None:
    thread = street.thread(FakeDesk(OSError("no route"), DesiredError("not signed"), street.order(1)))
    assert [thread.step() for _ in range(3)] == [False, False, True]
    assert street.store.active.read_bytes() == NEW


@pytest.mark.parametrize("harm", ["payload", "signature", "key", "domain", "gateway"])
def test_an_order_that_is_not_signed_for_this_gateway_is_refused(harm: str) -> None:
    payload = msgspec.json.encode(Desired("gw-b" if harm == "gateway" else "gw-a", 1, None, ()))
    signature = KEY.sign((b"" if harm == "domain" else DOMAIN) + payload)
    signed = SignedDesired(payload + b" " if harm == "payload" else payload, bytes(64) if harm == "signature" else signature)
    keys = [Ed25519PrivateKey.generate().public_key()] if harm == "key" else [KEY.public_key()]
    with pytest.raises(DesiredError):
        verified(signed, keys, "gw-a")
    assert (
        verified(SignedDesired(payload, KEY.sign(DOMAIN + payload)), [KEY.public_key()], "gw-b" if harm == "gateway" else "gw-a").serial
        == 1
    )
