"""The folder of signed releases (The Update Framework, TUF 1.0), for a web server or a USB stick; made on the maintainer's machine.

Four keys: `root` names the others and stays offline; `release` signs releases; `timestamp` states at each change and every month that
nothing newer is withheld; `bundles` signs bundles of campaigns and nothing else (a delegated role). So bundles are published with `bundles`
and `timestamp`, which prove no program. A gateway refuses metadata that has expired, is older
than the metadata that it has seen, or does not fit the files.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from gateway.update.archive import Release, ReleaseError, read

INDEX = "wayside.json"
BUNDLES = "bundles"
SHARE = "share_percent"
EVERY_DEVICE = 100
DAYS = {"root": 1_095, "targets": 365, "snapshot": 365, "bundles": 365, "timestamp": 31}
"""How long the metadata of each role is valid."""
KEYS = {"root": "root", "targets": "release", "snapshot": "timestamp", "timestamp": "timestamp", "bundles": "bundles"}
"""Role -> its key."""


class Repository:
    """The folder `path` with `metadata/` and `targets/`, and the folder of the keys."""

    def __init__(self, path: Path, keys: Path) -> None:
        self._metadata, self._targets, self._keys = path / "metadata", path / "targets", keys

    def begin(self, now: datetime) -> None:
        """Make keys and an empty repository. Raises ReleaseError if there is one, and OSError."""
        if self._metadata.exists():
            raise ReleaseError(f"{self._metadata} exists: name a new folder")
        self._keys.mkdir(parents=True, exist_ok=True)
        for folder in (self._metadata, self._targets):
            folder.mkdir(parents=True)
        signers = {name: self._new_key(name) for name in sorted(set(KEYS.values()))}
        root = Root(expires=_until(now, "root"), consistent_snapshot=False)
        for role in ("root", "targets", "snapshot", "timestamp"):
            root.add_key(signers[KEYS[role]].public_key, role)
        bundles = signers[KEYS[BUNDLES]].public_key
        delegated = DelegatedRole(BUNDLES, [bundles.keyid], 1, terminating=True, paths=[f"{BUNDLES}/*"])
        targets = Targets(expires=_until(now, "targets"), delegations=Delegations({bundles.keyid: bundles}, {BUNDLES: delegated}))
        self._sign("root", Metadata(root), "1.root.json")
        self._write_index([], targets)
        self._sign("targets", Metadata(targets))
        self._sign(BUNDLES, Metadata(Targets(expires=_until(now, BUNDLES))))
        self._sign(
            "snapshot", Metadata(Snapshot(expires=_until(now, "snapshot"), meta={"targets.json": MetaFile(1), "bundles.json": MetaFile(1)}))
        )
        self._sign("timestamp", Metadata(Timestamp(expires=_until(now, "timestamp"))))

    def add(self, file: Path, now: datetime, share: int = EVERY_DEVICE) -> Release:
        """Add the file of a release for a share of the devices in percent, and return it. Raises ReleaseError and OSError."""
        release, metadata = read(file), self._load("targets")
        targets = metadata.signed
        assert isinstance(targets, Targets)
        listed = msgspec.json.decode((self._targets / INDEX).read_bytes(), type=list[Release])
        if release in listed:
            raise ReleaseError(f"{release.file} is there already, and a release never changes: count its version up")
        shutil.copyfile(file, self._targets / release.file)
        targets.targets[release.file] = _shared(TargetFile.from_file(release.file, str(file)), share)
        self._write_index(sorted([*listed, release]), targets)
        self._renew("targets", metadata, now)
        self._renew_snapshot(now, targets="targets")
        return release

    def widen(self, version: str, now: datetime, share: int) -> None:
        """Mean all files of a version for another share of the devices. Raises ReleaseError without such files, and OSError."""
        metadata = self._load("targets")
        assert isinstance(metadata.signed, Targets)
        files = [info for name, info in metadata.signed.targets.items() if name.startswith(f"wayside-{version}-")]
        if not files:
            raise ReleaseError(f"{self._targets} has no release {version}: add its file with `wayside release add`")
        for info in files:
            _shared(info, share)
        self._renew("targets", metadata, now)
        self._renew_snapshot(now, targets="targets")

    def add_bundle(self, file: Path, name: str, now: datetime, share: int = EVERY_DEVICE) -> None:
        """Add the bundle of a campaign for a share of the devices, or replace the one of that name. Raises ReleaseError and OSError."""
        metadata = self._load(BUNDLES)
        bundles = metadata.signed
        assert isinstance(bundles, Targets)
        place = f"{BUNDLES}/{name}.bundle"
        (self._targets / BUNDLES).mkdir(exist_ok=True)
        shutil.copyfile(file, self._targets / place)
        bundles.targets[place] = _shared(TargetFile.from_file(place, str(file)), share)
        self._renew(BUNDLES, metadata, now)
        self._renew_snapshot(now, targets=BUNDLES)

    def renew(self, now: datetime) -> None:
        """State anew that nothing newer is withheld; needs the key `timestamp` only. Raises ReleaseError and OSError."""
        self._renew_snapshot(now)

    def _renew_snapshot(self, now: datetime, targets: str | None = None) -> None:
        """Sign snapshot and timestamp anew, after a change of the files of a role."""
        metadata = self._load("snapshot")
        assert isinstance(metadata.signed, Snapshot)
        if targets is not None:
            metadata.signed.meta[f"{targets}.json"].version += 1
        self._renew("snapshot", metadata, now)
        stamp = self._load("timestamp")
        assert isinstance(stamp.signed, Timestamp)
        stamp.signed.snapshot_meta = MetaFile(metadata.signed.version)
        self._renew("timestamp", stamp, now)

    def _renew(self, role: str, metadata: Metadata[Any], now: datetime) -> None:
        metadata.signed.version += 1
        metadata.signed.expires = _until(now, role)
        self._sign(role, metadata)

    def _write_index(self, releases: list[Release], targets: Targets) -> None:
        content = msgspec.json.encode(releases)
        (self._targets / INDEX).write_bytes(content)
        targets.targets[INDEX] = TargetFile.from_data(INDEX, content)

    def _load(self, role: str) -> Metadata[Any]:
        try:
            return Metadata.from_file(str(self._metadata / f"{role}.json"))
        except (RepositoryError, OSError) as error:
            raise ReleaseError(f"{self._metadata} has no metadata of {role} ({error}): make it with `wayside release init`") from None

    def _sign(self, role: str, metadata: Metadata[Any], name: str = "") -> None:
        """Sign and write the metadata of a role. Raises ReleaseError without its key."""
        path = self._keys / f"{KEYS[role]}.pem"
        try:
            signer = CryptoSigner(load_pem_private_key(path.read_bytes(), None))
        except (OSError, ValueError) as error:
            raise ReleaseError(f"{path} is needed to sign {role}: {error}") from None
        metadata.sign(signer)
        (self._metadata / (name or f"{role}.json")).write_bytes(metadata.to_bytes())

    def _new_key(self, name: str) -> CryptoSigner:
        path, key = self._keys / f"{name}.pem", Ed25519PrivateKey.generate()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return CryptoSigner(key)


def _shared(info: TargetFile, share: int) -> TargetFile:
    """The entry of a file, meant for a share of the devices."""
    info.unrecognized_fields["custom"] = {SHARE: share}
    return info


def _until(now: datetime, role: str) -> datetime:
    return (now.astimezone(UTC) + timedelta(days=DAYS[role])).replace(microsecond=0)
