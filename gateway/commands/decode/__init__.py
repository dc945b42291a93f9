"""`wayside decode`: decodes captured messages with the gateway's decoders, or with the sources of a config."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.decode.lines import decode_line, wire_payload
from gateway.commands.decode.listing import listing
from gateway.commands.decode.preview import Preview
from gateway.commands.options import command_app, warn
from gateway.config import ConfigError
from gateway.core.refusal import WrongUse

__all__ = ["command", "decode_line", "wire_payload"]

command = command_app()


@command.command()
def decode(
    source: Annotated[
        Path | None, typer.Option("--source", help="TOML file with [[sources]] (and [[codecs]]): decode by these, and show unused rows")
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="print all decoders, with an example each")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Decode captured MQTT messages: read JSON lines from stdin, write one JSON line for each to stdout.

    An input line is an object with `topic`, `payload` or `payload_hex`, and optionally `received_at_ms` and `decoder` (default: the
    decoder of the topic). An output line is `{"decoder", "observations"}`, or `{"error": {"reason", "detail"}}`. With --source the file
    is read again when it changes, so a mapping can be edited while messages arrive.

    Example: `echo '{"topic": "espresense/rooms/hall/status", "payload": "online"}' | wayside decode`
    """
    if show_list:
        for name, example in listing():
            typer.echo(f"{name:24} {example}")
        return
    try:
        preview = None if source is None else Preview(source)
    except ConfigError as error:
        raise WrongUse(str(error)) from None
    for line in sys.stdin.buffer:
        if not line.strip():
            continue
        sys.stdout.buffer.write((decode_line(line) if preview is None else preview.line(line)) + b"\n")
        sys.stdout.buffer.flush()
        for hint in preview.hints() if preview is not None else ():
            warn(f"{hint}")
    sys.stdout.buffer.flush()
