"""A gateway on a device of its own: a folder with config, keys and bundle, and the agent without a broker."""

from __future__ import annotations

import shutil
from pathlib import Path

from gateway.backup.make import Manifest, make
from gateway.backup.restore import Restored, restore
from gateway.build import build
from gateway.build_store import open_store
from gateway.core.types import Message
from gateway.runtime.app import App
from tests.kit.gateways import message, settings_of, store_of, walk_in, write_config

PASSPHRASE = "a passphrase of tests"
NOW_MS = 1_781_000_000_000
COUNTED = ("contexts", "identities", "facts", "decisions", "presences", "register")


def silent(_: float) -> None:
    """No progress."""


class Device:
    """One device; `app` is its running agent, or None."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = write_config(folder)
        self.app: App | None = None

    def start(self) -> App:
        """Start the agent."""
        self.app = build(settings_of(self.config))
        return self.app

    def take(self, *messages: Message) -> None:
        """Process messages, one batch each."""
        assert self.app is not None
        for one in messages:
            self.app.mailbox.deliver([one])
            self.app.turn(0.0)

    def stop(self) -> None:
        """Stop in order."""
        assert self.app is not None
        self.app.store.close()
        self.app = None

    def crash(self) -> None:
        """End as at a power cut: files stay as they are."""
        assert self.app is not None
        kept = self.folder.with_name(f"{self.folder.name}.kept")
        shutil.copytree(self.folder, kept)
        self.app.store.close()
        self.app = None
        shutil.rmtree(self.folder)
        kept.rename(self.folder)

    def rows(self) -> dict[str, int]:
        """Rows by table: of the running agent, or of the store as the next start opens it."""
        store = store_of(self.app) if self.app is not None else open_store(settings_of(self.config))
        found = {table: int(store.people.one(f"SELECT count(*) FROM {table}")) for table in COUNTED}  # noqa: S608 - names from COUNTED
        if self.app is None:
            store.close()
        return found

    def backup(self, name: str = "one.backup", *, with_keys: bool = False) -> Path:
        """A backup beside the device's folder."""
        out = self.folder.parent / name
        self.made: Manifest = make(settings_of(self.config), self.config, out, PASSPHRASE, NOW_MS, silent, with_keys=with_keys)
        return out

    def restore(self, file: Path, passphrase: str = PASSPHRASE, *, replaces: bool = False) -> Restored:
        """Restore a backup here."""
        return restore(file, passphrase, self.config, NOW_MS, replaces=replaces)

    def lose_database(self) -> None:
        """Lose the database and its log; keys and marks stay."""
        for file in self.folder.glob("gw-t.db*"):
            if not file.name.endswith((".withdrawn", ".released")):
                file.unlink()

    def lose(self) -> None:
        """Lose the whole disk."""
        shutil.rmtree(self.folder)


def inhabited(folder: Path) -> Device:
    """A running device with two people, visits, decisions and a sale."""
    device = Device(folder)
    device.start()
    device.take(*walk_in("phone-0001"), *walk_in("phone-0002", 10))
    device.take(message("till-cafe", "purchase", 1, amount_minor=450, kind="coffee_house"))
    return device


def no(device: str = "phone-0001", seq: int = 90) -> Message:
    """The withdrawal of a person."""
    return message(device, "consent", seq, purposes=[], version=1)
