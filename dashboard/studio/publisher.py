"""Publishes versions as signed bundles, and states the desired state of each gateway: its bundle, and the offers that are stopped.

The bundle is the base bundle (model and schema, made elsewhere) with the campaign of the version, signed with the campaign key. A
gateway that refuses a bundle, or takes it back, halts the publication: each gateway of it is ordered back to its bundle of before.
"""

from __future__ import annotations

import hashlib
import math
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sqlalchemy import Connection, delete, func, insert, select, update

from dashboard import quarantine
from dashboard.fleet.desired_settings import wish_of
from dashboard.refusals import Refused
from dashboard.schema import bundles, desired, reported, stops
from dashboard.studio import versions
from dashboard.studio.check import check, signed_off
from gateway.adapters.bundle import open_bundle, read_content, read_public_keys, redrafted, write_bundle
from gateway.core.bundle import Bundle, BundleError
from gateway.core.desired import DOMAIN, SETTINGS_FAULTS, Desired, DesiredBundle, Reported, SignedDesired
from gateway.core.nearest import nearest

ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class StudioError(RuntimeError):
    """The base bundle or the campaign key cannot be used; the text names the file."""


class Standing(NamedTuple):
    """Desired and reported state of one gateway; `seconds` from the order to the report, None while it is on its way."""

    gateway: str
    wanted: str
    runs: str
    fault: str
    seconds: float | None
    seen_ms: int | None


class Publisher:
    """The campaign key, the base bundle, and the orders in the database."""

    def __init__(self, base: Bundle, content: bytes, base_keys: Sequence[Ed25519PublicKey], key: Ed25519PrivateKey) -> None:
        """`content` are the bytes of the bundle `base`, which one of `base_keys` signed."""
        self._keys = [*base_keys, key.public_key()]
        self.base = base
        self._content = content
        self._key = key

    @classmethod
    def load(cls, bundle: Path, public_key: Path, key: Path) -> Publisher:
        """Read the files. Raises StudioError."""
        try:
            content = read_content(bundle)
            base_keys = read_public_keys(public_key)
            base = open_bundle(content, base_keys, None)
            private = load_pem_private_key(key.read_bytes(), None)
        except (OSError, ValueError, TypeError, BundleError) as fault:
            raise StudioError(f"the studio needs --bundle, --bundle-key and --campaign-key: {fault}") from fault
        if not isinstance(private, Ed25519PrivateKey):
            raise StudioError(f"{key} is no Ed25519 key; make one with `wayside-models keygen`")
        return cls(base, content, base_keys, private)

    def begin(self, connection: Connection, text: str, note: str, now_ms: int) -> None:
        """Save the text of the base bundle's campaign as version 1, if there is no version yet; a roll back may lead there."""
        if versions.newest(connection) is None:
            number = versions.save(connection, "", note, text, now_ms)
            sha256 = hashlib.sha256(self._content).hexdigest()
            row = {"version": self.base.manifest.version, "campaign": number, "halted": "", "content": self._content}
            connection.execute(insert(bundles), [{"sha256": sha256, **row}])

    def publish(self, connection: Connection, number: int, gateways: Sequence[str], now_ms: int) -> str:
        """Have `gateways` run a version; the SHA-256 of its bundle. Raises Refused (409) if it may not be published."""
        row = connection.execute(select(bundles.c.sha256, bundles.c.halted).where(bundles.c.campaign == number)).first()
        if row is not None and row.halted:
            raise Refused(409, f"This version was halted: {row.halted}. Save a corrected one.")
        sha256 = row.sha256 if row is not None else self._make(connection, number, now_ms)
        offers = [offer.id for offer in self._bundle(connection, sha256).campaign.offers]
        for gateway in gateways:
            self._order(connection, gateway, sha256, now_ms)
            quarantine.learn(connection, gateway, (), offers)
        return sha256

    def stop(self, connection: Connection, offer: str, account: str, now_ms: int, gateways: Sequence[str]) -> None:
        """Stop an offer on all gateways. Raises Refused: 409 if it is stopped already, 422 for no possible id of an offer."""
        if not ID.fullmatch(offer):
            raise Refused(422, "Choose an offer.")
        if connection.execute(select(stops.c.offer).where(stops.c.offer == offer)).first() is not None:
            raise Refused(409, "This offer is stopped already.")
        connection.execute(insert(stops), [{"offer": offer, "at_ms": now_ms, "account": account}])
        self._renew(connection, gateways, now_ms)

    def resume(self, connection: Connection, offer: str, now_ms: int, gateways: Sequence[str]) -> None:
        """Allow a stopped offer again. Raises Refused (409) if it is not stopped."""
        if not connection.execute(delete(stops).where(stops.c.offer == offer)).rowcount:
            raise Refused(409, "This offer is not stopped.")
        self._renew(connection, gateways, now_ms)

    def take(self, connection: Connection, report: Reported, now_ms: int) -> bool:
        """Store a report; a fault halts the bundle that it is about. Whether other gateways have new orders."""
        held = connection.execute(select(reported).where(reported.c.gateway == report.gateway)).first()
        is_same = held is not None and held.serial == report.serial
        row = {
            "gateway": report.gateway,
            "serial": report.serial,
            "serial_at_ms": held.serial_at_ms if held is not None and is_same else now_ms,
            "fault": report.fault,
            "bundle": report.bundle,
            "sha256": report.sha256,
            "stopped": msgspec.json.encode(report.stopped).decode(),
            "zones": msgspec.json.encode(report.zones).decode(),
            "condition": "" if report.condition is None else msgspec.json.encode(report.condition).decode(),
            "settings": report.settings,
            "at_ms": now_ms,
        }
        connection.execute(delete(reported).where(reported.c.gateway == report.gateway))
        connection.execute(insert(reported), [row])
        is_of_bundle = bool(report.fault) and not report.fault.startswith(SETTINGS_FAULTS)
        return is_of_bundle and not is_same and self._halt(connection, report, now_ms)

    def order(self, connection: Connection, gateway: str, after: int) -> SignedDesired | None:
        """The signed desired state of a gateway, or None if it is not newer than the serial `after`."""
        row = connection.execute(select(desired).where(desired.c.gateway == gateway, desired.c.serial > after)).first()
        if row is None:
            return None
        wanted = None
        if row.sha256 is not None:
            version = connection.execute(select(bundles.c.version).where(bundles.c.sha256 == row.sha256)).scalar_one()
            wanted = DesiredBundle(self.base.manifest.name, version, row.sha256)
        wish = wish_of(connection, gateway)
        state = Desired(gateway, row.serial, wanted, tuple(stopped_offers(connection)), None if wish is None else wish.text)
        payload = msgspec.json.encode(state)
        return SignedDesired(payload, self._key.sign(DOMAIN + payload))

    def order_settings(self, connection: Connection, gateway: str, now_ms: int) -> None:
        """A new order with the settings that are now kept for a gateway; its bundle stays."""
        present = connection.execute(select(desired.c.sha256).where(desired.c.gateway == gateway)).scalar_one_or_none()
        self._order(connection, gateway, present, now_ms)

    def _make(self, connection: Connection, number: int, now_ms: int) -> str:
        """Sign the bundle of a version. Raises Refused (409) without its sign-off, or with a fault in it."""
        of = versions.version(connection, number)
        given = versions.approvals(connection, number)
        if missing := versions.missing_approval(given):
            raise Refused(409, missing)
        checked = check(of.text, self.base.schema, None, now_ms)
        if checked.campaign is None:
            raise Refused(409, f"The version has a fault: {checked.faults[0]}")
        campaign = signed_off(checked.campaign, versions.sign_off(given))
        newest = connection.execute(select(func.max(bundles.c.version))).scalar_one() or self.base.manifest.version
        ran = [name.rpartition("-")[2] for name in connection.execute(select(reported.c.bundle)).scalars()]
        version = max(newest, *(int(one) for one in ran if one.isdecimal()), 0) + 1
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "new.bundle"
            try:
                write_bundle(path, self._key, redrafted(self.base, campaign, version))
            except BundleError as fault:
                raise Refused(409, f"The bundle cannot be made: {fault}") from fault
            content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        row = {"sha256": sha256, "version": version, "campaign": number, "halted": "", "content": content}
        connection.execute(insert(bundles), [row])
        return sha256

    def _bundle(self, connection: Connection, sha256: str) -> Bundle:
        content = connection.execute(select(bundles.c.content).where(bundles.c.sha256 == sha256)).scalar_one()
        return open_bundle(bytes(content), self._keys, None)

    def _order(self, connection: Connection, gateway: str, sha256: str | None, now_ms: int) -> None:
        row = connection.execute(select(desired).where(desired.c.gateway == gateway)).first()
        if row is None:
            ran = select(bundles.c.sha256).join(reported, reported.c.sha256 == bundles.c.sha256).where(reported.c.gateway == gateway)
            before = connection.execute(ran).scalar_one_or_none()
            values = {"gateway": gateway, "serial": now_ms, "sha256": sha256, "before": before, "at_ms": now_ms}
            connection.execute(insert(desired), [values])
            return
        before = row.before if row.sha256 == sha256 else row.sha256
        # The serial begins with the time: after a loss of the database new orders are still newer than the last one.
        serial = max(row.serial + 1, now_ms)
        values = {"serial": serial, "sha256": sha256, "before": before, "at_ms": now_ms}
        connection.execute(update(desired).where(desired.c.gateway == gateway).values(values))

    def _renew(self, connection: Connection, gateways: Sequence[str], now_ms: int) -> None:
        """New orders with the bundles of the present ones."""
        present = {row.gateway: row.sha256 for row in connection.execute(select(desired.c.gateway, desired.c.sha256))}
        for gateway in sorted({*gateways, *present}):
            self._order(connection, gateway, present.get(gateway), now_ms)

    def _halt(self, connection: Connection, report: Reported, now_ms: int) -> bool:
        order = connection.execute(select(desired).where(desired.c.gateway == report.gateway)).first()
        if order is None or order.sha256 is None or order.serial != report.serial:
            return False
        reason = f"{report.gateway}: {report.fault}"
        connection.execute(update(bundles).where(bundles.c.sha256 == order.sha256).values(halted=reason))
        for row in connection.execute(select(desired).where(desired.c.sha256 == order.sha256)).all():
            self._order(connection, row.gateway, row.before, now_ms)
        return True


def required(publisher: Publisher | None) -> Publisher:
    """The publisher. Raises Refused (404) on a desk without a campaign."""
    if publisher is None:
        raise Refused(404, "This desk has no campaign: start it with --bundle, --bundle-key, --campaign-key and --campaign.")
    return publisher


def ring(gateways: Sequence[str], name: str, chosen: str) -> list[str]:
    """The gateways of a ring: one, a tenth (always the same ones), or all. Raises Refused (422) for another name."""
    if name == "one":
        if chosen not in gateways:
            raise Refused(422, f"There is no gateway {chosen!r}{nearest(chosen, gateways)}" if chosen else "Enter the id of one gateway.")
        return [chosen]
    if name == "tenth":
        shuffled = sorted(gateways, key=lambda gateway: hashlib.sha256(gateway.encode()).digest())
        return shuffled[: math.ceil(len(gateways) / 10)]
    if name == "all":
        return list(gateways)
    raise Refused(422, "Choose one gateway, a tenth of them, or all.")


def stopped_offers(connection: Connection) -> list[str]:
    """The offers that are stopped, sorted."""
    return list(connection.execute(select(stops.c.offer).order_by(stops.c.offer)).scalars())


def standings(connection: Connection, gateways: Sequence[str]) -> list[Standing]:
    """Each gateway's desired and reported state: refused orders first, then those on the way."""
    orders = {row.gateway: row for row in connection.execute(select(desired))}
    reports = {row.gateway: row for row in connection.execute(select(reported))}
    campaigns = {row.sha256: row.campaign for row in connection.execute(select(bundles.c.sha256, bundles.c.campaign))}
    found = []
    for gateway in gateways:
        order, report = orders.get(gateway), reports.get(gateway)
        wanted = "" if order is None or order.sha256 is None else f"version {campaigns[order.sha256]}"
        runs = "" if report is None else f"version {campaigns[report.sha256]}" if report.sha256 in campaigns else report.bundle
        is_done = order is not None and report is not None and report.serial >= order.serial
        seconds = max(0, report.serial_at_ms - order.at_ms) / 1000 if is_done and order is not None and report is not None else None
        fault = "" if report is None else report.fault
        found.append(Standing(gateway, wanted, runs, fault, seconds, None if report is None else report.at_ms))
    return sorted(found, key=lambda one: (not one.fault, one.seconds is not None, one.gateway))


def known_zones(connection: Connection) -> list[str]:
    """The zones of all gateways that have reported, sorted."""
    reports = connection.execute(select(reported.c.zones)).scalars()
    return sorted({zone for zones in reports for zone in msgspec.json.decode(zones, type=list[str])})
