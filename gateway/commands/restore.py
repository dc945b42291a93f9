"""`wayside restore`: a gateway's database from its backup, or a replacement device from a backup with keys."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.adapters.clock import SystemClock
from gateway.backup.container import BackupError
from gateway.backup.passphrase import read_passphrase
from gateway.backup.restore import described
from gateway.backup.restore import restore as restored
from gateway.commands.options import CONFIG_FILE, command_app

command = command_app()


@command.command()
def restore(
    file: Annotated[Path, typer.Argument(help="the file that `wayside backup` wrote")],
    config: Annotated[Path, typer.Option("--config", help="the gateway's TOML file; a backup with keys writes it")] = CONFIG_FILE,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", help="file that holds the passphrase; default: ask for it")
    ] = None,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="replace a database that can be read; it is set apart as *.damaged-N")] = False,
    check: Annotated[bool, typer.Option("--check", help="only read the whole backup and show its content")] = False,
) -> None:
    """Restore a stopped gateway from a backup; withdrawals since the backup are carried out.

    After a kill or a power cut the next start of the gateway, or the same command again, carries on.

    Example: `wayside restore /media/usb/shop.backup --config wayside.toml --passphrase-file backup.passphrase`
    """
    passphrase = read_passphrase(passphrase_file, is_new=False)
    if check:
        typer.echo(_content(file, passphrase))
        return
    done = restored(file, passphrase, config, SystemClock().now_ms(), replaces=replace)
    since = f"; {done.withdrawn} withdrew since the backup, and are erased" if done.withdrawn else ""
    typer.echo(f"{config}: restored, with {done.people} people{since}. Start the gateway.")


def _content(file: Path, passphrase: str) -> str:
    """A line about a backup that was read to its end. Raises BackupError."""
    try:
        found = described(file, passphrase)
    except OSError as error:
        raise BackupError(f"{file} cannot be read ({error.strerror})") from None
    made = datetime.fromtimestamp(found.made_at_ms / 1000, UTC).isoformat(timespec="seconds")
    kind = "with keys, without people: for a replacement device" if found.with_keys else "without keys: for the device that made it"
    return f"{file}: whole. {found.gateway} of {found.site}, {made}, Wayside {found.program}, schema {found.schema}, {kind}"
