"""`wayside backup`: one encrypted file with the gateway's database, config and bundle, made while the gateway runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from gateway.adapters.clock import SystemClock
from gateway.backup.make import make
from gateway.backup.passphrase import read_passphrase
from gateway.commands.options import CONFIG_FILE, SetOption, command_app, load

command = command_app()

PassphraseOption = Annotated[Path | None, typer.Option("--passphrase-file", help="file that holds the passphrase; default: ask for it")]


@command.command()
def backup(
    out: Annotated[Path, typer.Argument(help="the file to write; it must not exist")],
    config: Annotated[Path, typer.Option("--config", help="the gateway's TOML file")] = CONFIG_FILE,
    override: SetOption = None,
    passphrase_file: PassphraseOption = None,
    *,
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="for a replacement device: with keys, passwords and certificates, without people")
    ] = False,
) -> None:
    """Back up a gateway, which may be running, into one encrypted file.

    Without keys the file restores the database of this device. With keys it makes a replacement device of the same name, without people:
    a withdrawal after the backup would not be known there.

    Example: `wayside backup /media/usb/shop.backup --config wayside.toml --passphrase-file backup.passphrase`
    """
    settings = load(config, override)
    passphrase = read_passphrase(passphrase_file, is_new=True)
    screen = Console(stderr=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("copying the database", total=1.0)
        made = make(
            settings,
            config,
            out,
            passphrase,
            SystemClock().now_ms(),
            lambda share: bar.update(task, completed=share),
            with_keys=with_keys,
        )
    kind = "with keys, without people" if with_keys else "without keys"
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {len(made.members)} files of {made.gateway}, {kind}")
