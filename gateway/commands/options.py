"""Shared by the commands: common options, loading a config, and warnings on stderr."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.config import Config, load_config

ConfigOption = Annotated[Path, typer.Option("--config", help="the gateway's TOML file")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="override one setting, such as mqtt.port=1884")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON instead of text")]
CONFIG_FILE = Path("wayside.toml")


def command_app(description: str | None = None) -> typer.Typer:
    """An empty Typer app for one command (`description` None) or for a group of subcommands."""
    return typer.Typer(no_args_is_help=description is not None, help=description, add_completion=False, rich_markup_mode="markdown")


def warn(message: str) -> None:
    """Print each line of `message` on stderr: place, cause, and allowed or nearest values or the next step."""
    for line in message.splitlines():
        typer.echo(f"wayside: {line}", err=True)


def load(path: Path, overrides: list[str] | None = None) -> Config:
    """The config at `path` with overrides `name=value`. Raises ConfigError."""
    return load_config(path, overrides or [])
