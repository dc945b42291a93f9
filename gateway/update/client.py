"""Reads a repository of signed releases: from a web server, or from a folder such as a USB stick, without a network.

`trusted.json` in the folder of the versions is the root metadata that came with the device. Everything newer is proven by it: TUF's rules
refuse metadata that is unsigned, expired (withheld updates), older than the newest seen (rollback), and files that do not fit it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from gateway.adapters.http_client import ClientError, HttpTarget
from gateway.update.archive import Release, ReleaseError, here
from gateway.update.device import FIRST
from gateway.update.repository import BUNDLES, EVERY_DEVICE, INDEX, SHARE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuf.api.metadata import TargetFile

FILE_BYTES_MAX = 200_000_000
FETCH_S_MAX = 1_800.0
READ_BYTES = 65_536
CAUSES: dict[type[Exception], str] = {
    ExpiredMetadataError: "its metadata has expired, and newer releases may be withheld: use a newer copy, or `wayside release renew`",
    BadVersionNumberError: "it is older than what this device has seen: use a newer copy",
    LengthOrHashMismatchError: "a file was changed, or was not copied whole: copy it again",
    UnsignedMetadataError: "it is not signed by the keys that this device trusts",
    DownloadError: "it cannot be read, or lacks a file",
    RepositoryError: "its metadata is not valid",
}
"""Error of TUF -> cause and way out, the special before the general."""


class Source:
    """A repository at an address or in a folder."""

    def __init__(self, place: str, root: Path, ca_file: Path | None = None) -> None:
        """`root` is the folder of the versions. Raises ReleaseError without trusted metadata."""
        self._place = place.rstrip("/")
        base = self._place if "://" in self._place else Path(self._place).resolve().as_uri()
        metadata, targets = root / "metadata", root / "download"
        metadata.mkdir(parents=True, exist_ok=True)
        targets.mkdir(exist_ok=True)
        trusted = root / "trusted.json"
        if not trusted.exists():
            raise ReleaseError(
                f"{trusted} does not exist: put the file metadata/1.root.json of the repository there, from a hand you trust"
            )
        self._fetcher = _Fetcher(ca_file)
        try:
            self._updater = Updater(
                str(metadata), f"{base}/metadata/", str(targets), f"{base}/targets/", self._fetcher, bootstrap=trusted.read_bytes()
            )
            self._updater.refresh()
        except (RepositoryError, DownloadError, OSError, ValueError) as error:
            raise ReleaseError(f"{self._place}: {_cause(error)}") from None
        finally:
            os.sync()  # metadata that was seen is not forgotten in a power cut

    def newest(self, place: int = FIRST) -> Release | None:
        """The newest release for this machine, or None without any. Raises ReleaseError if all are for other machines.

        `place` is that of the device in the order of a staged release (`place_of`); FIRST takes each release, of any share.
        """
        listed = msgspec.json.decode(self.fetch(INDEX).read_bytes(), type=list[Release])
        fitting = [one for one in listed if one.fits]
        if listed and not fitting:
            kinds = ", ".join(sorted({f"Python {one.python} on {one.machine}" for one in listed}))
            raise ReleaseError(f"{self._place} has releases for {kinds}, and none for this machine: Python {here()[0]} on {here()[1]}")
        return max((one for one in fitting if place < self._share(one.file)), key=lambda one: one.order, default=None)

    def bundle(self, name: str, place: int = FIRST) -> Path | None:
        """The file of a bundle, or None if it is not meant for a device at this place yet. Raises ReleaseError without one of that name."""
        target = f"{BUNDLES}/{name}.bundle"
        return self.fetch(target) if place < self._share(target) else None

    def _share(self, target: str) -> int:
        share = (self._info(target).custom or {}).get(SHARE, EVERY_DEVICE)
        return share if isinstance(share, int) else 0

    def _info(self, target: str) -> TargetFile:
        try:
            info = self._updater.get_targetinfo(target)
        except (RepositoryError, DownloadError, OSError, ValueError) as error:
            raise ReleaseError(f"{self._place}: {_cause(error)}") from None
        if info is None:
            raise ReleaseError(f"{self._place} lists no {target}")
        return info

    def fetch(self, target: str) -> Path:
        """A file that fits the metadata. Raises ReleaseError."""
        info = self._info(target)
        try:
            return Path(self._updater.find_cached_target(info) or self._updater.download_target(info))
        except (RepositoryError, DownloadError, OSError, ValueError) as error:
            raise ReleaseError(f"{self._place}: {_cause(error)}") from None


class _Fetcher(FetcherInterface):
    """Files by `file:`, and everything else by the gateway's own client."""

    def __init__(self, ca_file: Path | None) -> None:
        self._ca_file = ca_file

    def _fetch(self, url: str) -> Iterator[bytes]:
        if url.startswith("file://"):
            path = Path(url.removeprefix("file://"))
            if not path.exists():
                raise DownloadHTTPError(f"{path} does not exist", 404)
            return _parts(path)
        target = HttpTarget(url, ca_file=self._ca_file, deadline_s=FETCH_S_MAX, body_bytes_max=FILE_BYTES_MAX)
        answer = target.exchange("GET", {})
        if answer.status != 200:
            raise DownloadHTTPError(f"{url} answers {answer.status}", answer.status)
        return iter([answer.body])


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(READ_BYTES):
            yield part


def _cause(error: Exception) -> str:
    text = next((text for kind, text in CAUSES.items() if isinstance(error, kind)), str(error))
    inner: BaseException | None = error
    with suppress(AttributeError):
        while inner is not None and not isinstance(inner, ClientError | OSError):
            inner = inner.__cause__
    return f"{text} ({inner if inner is not None else error})"
