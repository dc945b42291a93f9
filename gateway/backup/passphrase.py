"""The passphrase of a backup: from a file, or asked for at the terminal."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING

from gateway.backup.container import BackupError

if TYPE_CHECKING:
    from pathlib import Path


def read_passphrase(file: Path | None, *, is_new: bool) -> str:
    """The passphrase; a new one is asked for twice. Raises BackupError for a file that cannot be read, and without a terminal."""
    if file is not None:
        try:
            return file.read_text("utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BackupError(f"{file} cannot be read ({error}): name a file that holds the passphrase in one line") from None
    if not sys.stdin.isatty():
        raise BackupError("there is no terminal to ask for the passphrase: name a file with --passphrase-file")
    passphrase = getpass.getpass("passphrase: ")
    if is_new and getpass.getpass("once more: ") != passphrase:
        raise BackupError("the two passphrases differ: repeat the command")
    return passphrase
