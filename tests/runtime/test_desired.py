"""The desired state: signed, newer, for this gateway; a bundle that fails its trial is taken back, and a stopped offer stays stopped."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.adapters.bundle_store import BundleStore, digest
from gateway.adapters.desired import AppliedFile, DesiredError, verified
from gateway.core.condition import Condition
from gateway.core.desired import DOMAIN, Applied, Desired, DesiredBundle, Reported, SettingsTrial, SignedDesired
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
        self.loads = self.checks = self.connects = True
        self.restarts = 0
        self.memory = AppliedFile(self.store.active)

    def thread(self, desk: FakeDesk) -> DesiredThread:
        running = Running(
            "gw-a", ("plaza",), self.version, self.check, lambda: CONDITION, self.check_settings, lambda: self.connects, self.restart
        )
        return DesiredThread(running, desk, self.store, self.memory, (ValueError,))

    def restart(self) -> None:
        self.restarts += 1

    def check_settings(self, text: str) -> None:
        if "mqtt" in text:
            raise ValueError("mqtt is set on the gateway only")

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


# --- settings -------------------------------------------------------------------------------------------------

QUIET, LOUD = 'log_level = "error"', 'log_level = "debug"'


def wants(serial: int, settings: str | None) -> Desired:
    return Desired("gw-a", serial, None, (), settings)


def test_settings_are_kept_on_trial_and_stay_once_the_desk_is_reached(street: Street) -> None:
    street.thread(FakeDesk(wants(3, QUIET))).step()
    assert street.memory.read() == Applied(3, settings=QUIET, settings_trial=SettingsTrial(""))
    assert street.restarts == 1
    desk = FakeDesk()
    thread = street.thread(desk)  # after the restart
    thread._try_out_settings()
    assert street.memory.read() == Applied(3, settings=QUIET)
    assert thread.report().settings == hashlib.sha256(QUIET.encode()).hexdigest()
    street.thread(FakeDesk(wants(4, None))).step()
    assert street.memory.read() == Applied(4, settings=QUIET), "an order without settings leaves them"
    assert street.restarts == 1


def test_settings_that_do_not_fit_change_nothing(street: Street) -> None:
    street.memory.write(Applied(2, settings=QUIET))
    thread = street.thread(FakeDesk(wants(3, "[mqtt]")))
    thread.step()
    assert street.memory.read() == Applied(3, fault="the settings are refused: mqtt is set on the gateway only", settings=QUIET)
    assert street.restarts == 0


@pytest.mark.parametrize("lost", ["desk", "broker"])
def test_settings_with_which_the_gateway_is_cut_off_are_taken_back(street: Street, lost: str) -> None:
    street.memory.write(Applied(3, settings=LOUD, settings_trial=SettingsTrial(QUIET, 1)))
    street.connects = lost != "broker"
    orders = [OSError("no route")] * 50 if lost == "desk" else []
    thread = street.thread(FakeDesk(*orders))
    thread._try_out_settings()
    assert street.memory.read().settings == QUIET
    assert "taken back: broker or desk were out of reach" in thread.report().fault
    assert street.restarts == 1


# --- versions of both sides --------------------------------------------------------------------------------------


class NewerDesired(Desired, frozen=True):
    """As a newer desk states it."""

    hours: int = 7


class OlderReported(msgspec.Struct, frozen=True):
    """As an older desk reads it, and an older gateway writes it."""

    gateway: str
    serial: int
    fault: str
    bundle: str
    sha256: str
    stopped: tuple[str, ...]
    zones: tuple[str, ...]


def test_an_older_gateway_applies_the_part_of_a_newer_desk_that_it_knows() -> None:
    payload = msgspec.json.encode(NewerDesired("gw-a", 9, None, ("tea",), QUIET))
    signed = SignedDesired(payload, KEY.sign(DOMAIN + payload))
    assert verified(signed, [KEY.public_key()], "gw-a") == Desired("gw-a", 9, None, ("tea",), QUIET)


def test_gateways_and_desks_of_two_versions_read_each_others_reports(street: Street) -> None:
    new = street.thread(FakeDesk()).report()
    older = msgspec.json.decode(msgspec.json.encode(new), type=OlderReported)
    assert (older.gateway, older.zones) == ("gw-a", ("plaza",))
    assert msgspec.json.decode(msgspec.json.encode(older), type=Reported) == msgspec.structs.replace(new, condition=None)


def test_the_kept_state_of_another_version_is_read(street: Street) -> None:
    path = street.folder / "active.bundle.desired"
    path.write_text('{"serial":5,"stopped":["tea"],"later":1}')
    assert street.memory.read() == Applied(5, ("tea",))
