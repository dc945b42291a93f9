"""Small releases for tests: a program that sends the notices of a gateway, in versions that work, end, or never become ready."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from gateway.update.archive import Release, here, pack
from gateway.update.repository import Repository

NOW = datetime.now(UTC)
HEAD = """\
import os, signal, socket, sys, time
open("version", "w").write(%r)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def notice(text): sender.sendto(text, os.environ["NOTIFY_SOCKET"])
"""
WORKS = 'while True: notice(b"READY=1\\nWATCHDOG=1\\nSTATUS=online, MQTT 5"); time.sleep(0.02)\n'
HOLDS = 'while True: notice(b"READY=1\\nWATCHDOG=1\\nSTATUS=holding, MQTT 5"); time.sleep(0.02)\n'
ENDS = "sys.exit(3)\n"


def site(folder: Path, version: str, body: str = WORKS) -> Path:
    """Site-packages of a version."""
    made = folder / f"site-{version}"
    (made / "gateway").mkdir(parents=True)
    (made / "gateway" / "__init__.py").write_text("")
    (made / "gateway" / "cli.py").write_text(HEAD % version + body)
    return made


def release(folder: Path, version: str, body: str = WORKS, *, python: str = here()[0], machine: str = here()[1]) -> Path:
    """The file of a release."""
    made = site(folder, version, body)
    file = pack(made, Release(version, python, machine), folder, 0)
    shutil.rmtree(made)
    return file


class Shop:
    """A repository in `folder/releases`, with keys in `folder/keys`."""

    def __init__(self, folder: Path, *versions: str, now: datetime = NOW) -> None:
        self.folder, self.place = folder, folder / "releases"
        self.signed = Repository(self.place, folder / "keys")
        self.signed.begin(now)
        for version in versions:
            self.add(version)

    def add(self, version: str, body: str = WORKS, *, now: datetime = NOW, machine: str = here()[1]) -> None:
        """Add a release."""
        self.signed.add(release(self.folder, version, body, machine=machine), now)

    def trusted_by(self, root: Path) -> Path:
        """A folder of versions that trusts this repository."""
        root.mkdir(exist_ok=True)
        shutil.copy(self.place / "metadata" / "1.root.json", root / "trusted.json")
        return root
