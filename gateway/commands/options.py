"""Shared by the commands: common options, loading a config, and errors as one line on stderr."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from gateway.build import FAULTS
from gateway.config import Config, ConfigError, load_config

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

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


def fail(message: str, code: int = 1) -> NoReturn:
    """Print each fault in one line on stderr and leave with exit code `code`."""
    warn(message)
    raise typer.Exit(code)


def load(path: Path, overrides: list[str] | None = None) -> Config:
    """The config at `path` with overrides `name=value`; an error in it ends the program with exit code 2."""
    try:
        return load_config(path, overrides or [])
    except ConfigError as error:
        fail(str(error), 2)


def guarded(action: Callable[[], T]) -> T:
    """The result of a set-up step; one of its known faults (`gateway.build.FAULTS`) ends the program with exit code 1."""
    try:
        return action()
    except FAULTS as error:
        fail(str(error))
