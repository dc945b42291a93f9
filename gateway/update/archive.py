"""The file of a release: a tar.xz of `release.json` and the site-packages of one version, for one Python and one kind of machine."""

from __future__ import annotations

import io
import lzma
import platform
import sys
import tarfile
from compileall import compile_dir
from pathlib import Path, PurePosixPath
from py_compile import PycInvalidationMode
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from gateway.core.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

RELEASE = "release.json"
SITE = "site"
UNPACKED_BYTES_MAX = 600_000_000
RELEASE_BYTES_MAX = 65_536


class ReleaseError(Refusal):
    """A release cannot be made or used; the text names the cause and the way out."""


class Release(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """A version of the program for one Python (`3.11`) and one kind of machine (`aarch64`)."""

    version: Annotated[str, Meta(pattern=r"\A\d+\.\d+\.\d+\Z")]
    python: str
    machine: str

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"wayside-{self.version}-py{self.python}-{self.machine}.tar.xz"

    @property
    def order(self) -> tuple[int, ...]:
        """Rises with the version."""
        return tuple(int(part) for part in self.version.split("."))

    @property
    def fits(self) -> bool:
        """Whether it is for this Python and this machine."""
        return (self.python, self.machine) == here()


def here() -> tuple[str, str]:
    """Python and machine of this process."""
    return f"{sys.version_info.major}.{sys.version_info.minor}", platform.machine()


def pack(site: Path, release: Release, folder: Path, time_s: int) -> Path:
    """Write the file of a release to `folder`: the same bytes for the same content. Raises OSError."""
    out = folder / release.file
    with lzma.open(out, "wb") as packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, RELEASE, msgspec.json.encode(release), time_s)
        for file in sorted(site.rglob("*")):
            if file.is_file() and not file.is_symlink():
                _add(tar, f"{SITE}/{file.relative_to(site).as_posix()}", file.read_bytes(), time_s)
    return out


def _add(tar: tarfile.TarFile, name: str, content: bytes, time_s: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(content), time_s, 0o644
    tar.addfile(entry, io.BytesIO(content))


def read(file: Path) -> Release:
    """The release of a file. Raises ReleaseError."""
    name, content = next(_entries(file))
    return _release(file, name, content)


def unpack(file: Path, folder: Path, release: Release) -> None:
    """Make a virtual environment of this machine's Python from a file that must be of `release`. Raises ReleaseError, OSError.

    Modules are compiled here, because the gateway may not write to its program.
    """
    entries = _entries(file)
    found = _release(file, *next(entries))
    if found != release:
        raise ReleaseError(f"{file.name} holds {found.file}, not {release.file}: the release was made wrongly")
    if not release.fits:
        raise ReleaseError(f"{release.file} is for another machine: this one has Python {here()[0]} on {here()[1]}")
    site, written = folder / "lib" / f"python{release.python}" / "site-packages", 0
    for name, content in entries:
        parts = PurePosixPath(name).parts
        written += len(content)
        if parts[0] != SITE or ".." in parts or written > UNPACKED_BYTES_MAX:
            raise ReleaseError(f"{file.name} has an entry {name!r} that no release has: it was made wrongly")
        target = site.joinpath(*parts[1:])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    _make_environment(folder)
    compile_dir(site, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)  # a file that has no meaning shows in the trial


def _make_environment(folder: Path) -> None:
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(base)
    share = Path(sys.prefix, "share").resolve()
    if share.is_dir():  # starting points of `wayside init`: those of the package
        (folder / "share").symlink_to(share)
    (folder / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")


def _release(file: Path, name: str, content: bytes) -> Release:
    try:
        if name != RELEASE or len(content) > RELEASE_BYTES_MAX:
            raise ReleaseError(f"{file} is no release: its first entry must be {RELEASE}")
        return msgspec.json.decode(content, type=Release)
    except msgspec.DecodeError as error:
        raise ReleaseError(f"{file}: {RELEASE} cannot be read ({error})") from None


def _entries(file: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each regular file, in order. Raises ReleaseError."""
    try:
        with lzma.open(file, "rb") as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
            for entry in tar:
                content = tar.extractfile(entry) if entry.isreg() else None
                if content is None or entry.name.startswith("/"):
                    raise ReleaseError(f"{file} has an entry {entry.name!r} that is no plain file")
                yield entry.name, content.read()
    except (lzma.LZMAError, tarfile.TarError, EOFError) as error:
        raise ReleaseError(f"{file} is no release ({error})") from None
