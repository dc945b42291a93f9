"""Fetches the signed desired state from the desk, over the TLS connection of the cloud, and keeps the applied one in a file.

One request reports the state and asks for a newer desired one; the desk holds it open until there is one, so a stop arrives within a second
also behind NAT. The file `<bundle>.desired` survives a restart, so that a stopped offer stays stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from cryptography.exceptions import InvalidSignature

from gateway.adapters.http_client import ClientError, HttpTarget
from gateway.adapters.whole_file import write_whole
from gateway.core.desired import DOMAIN, Applied, Desired, Reported, SignedDesired
from gateway.core.refusal import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HOLD_S_MAX = 60.0  # the desk holds a request for at most half of it
BUNDLE_S_MAX = 120.0
BUNDLE_BYTES_MAX = 25_165_824


class DesiredError(Refusal, ValueError):
    """The desk's answer is not taken; the text names the cause."""


def verified(signed: SignedDesired, keys: Sequence[Ed25519PublicKey], gateway: str) -> Desired:
    """The desired state, signed by one of `keys` and for this gateway. Raises DesiredError."""
    for key in keys:
        try:
            key.verify(signed.signature, DOMAIN + signed.payload)
        except InvalidSignature:
            continue
        break
    else:
        raise DesiredError(f"the desired state is not signed by any of {len(keys)} trusted keys")
    try:
        desired = msgspec.json.decode(signed.payload, type=Desired)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DesiredError(f"the desired state cannot be read ({str(error)[:200]})") from error
    if desired.gateway != gateway:
        raise DesiredError("the desired state is for another gateway")
    return desired


class DeskTarget:
    """The desk of a gateway, at `{url}/v1/desired` and `{url}/v1/bundles/…`."""

    def __init__(self, url: str, token: str, keys: Sequence[Ed25519PublicKey], ca_file: Path | None = None) -> None:
        """Prepare; nothing is sent yet. Raises OSError for a certificate file that cannot be used."""
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._keys = keys
        self._ca_file = ca_file
        self._target = HttpTarget(f"{self._url}/v1/desired", ca_file=ca_file, deadline_s=HOLD_S_MAX, body_bytes_max=1_048_576)

    def exchange(self, report: Reported) -> Desired | None:
        """Report the state; the desired state if it is newer, else None. Raises DesiredError, and ClientError without an answer."""
        answer = self._target.exchange("POST", {**self._headers, "Content-Type": "application/json"}, msgspec.json.encode(report))
        if answer.status == 204:
            return None
        if answer.status != 200:
            raise ClientError(f"the desk answers {answer.status}; check cloud.url and the token")
        try:
            signed = msgspec.json.decode(answer.body, type=SignedDesired)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DesiredError("the desk's answer is no signed desired state") from error
        return verified(signed, self._keys, report.gateway)

    def bundle(self, sha256: str) -> bytes:
        """The bytes of a bundle. Raises DesiredError for another hash, and ClientError without an answer."""
        address = f"{self._url}/v1/bundles/{sha256}"
        target = HttpTarget(address, ca_file=self._ca_file, deadline_s=BUNDLE_S_MAX, body_bytes_max=BUNDLE_BYTES_MAX)
        answer = target.exchange("GET", self._headers)
        if answer.status != 200:
            raise ClientError(f"the desk answers {answer.status} for a bundle")
        if hashlib.sha256(answer.body).hexdigest() != sha256:
            raise DesiredError("the bundle that the desk sent has another hash than the desired one")
        return answer.body


class AppliedFile:
    """The applied desired state, beside the active bundle."""

    def __init__(self, active: Path) -> None:
        self._path = active.with_name(f"{active.name}.desired")

    def read(self) -> Applied:
        """The applied state; an empty one before the first. Raises DesiredError for a file that cannot be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Applied)
        except FileNotFoundError:
            return Applied()
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DesiredError(f"{self._path} cannot be read ({error}); remove it: the desk states the desired state again") from error

    def write(self, applied: Applied) -> None:
        """Write the whole file or leave the old one, also across a power cut. Raises OSError."""
        write_whole(self._path, msgspec.json.encode(applied) + b"\n")
