"""`wayside …`: the table of commands. A command's module in `gateway/commands/` is imported when the command is used.

`wayside --help` therefore imports neither the model runtime nor the MQTT library. Exit codes: 0 fine, 1 found faults, 2 wrong use.
An error is one line on stderr that names the cause and the way out.
"""

from __future__ import annotations

import errno
from importlib import import_module
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup
from typer.main import get_command

from gateway.core.refusal import Refusal
from gateway.system_errors import of_system

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer._click import Command, Context

COMMANDS: dict[str, str] = {
    "run": "Run the gateway in the foreground until SIGINT or SIGTERM.",
    "check": "Validate a config, a schema or a campaign without starting anything.",
    "init": "Make a config that runs: listen to the broker, assign the scanners that are heard to zones, and check the result.",
    "doctor": "Find the cause if no offer arrives: config, clock, disk, certificates, broker, and each step from message to offer.",
    "status": "Show the numbers of the running gateway, from the broker to the offers, and each source's last message.",
    "watch": "Show the numbers of the running gateway again and again; with --json one report a line.",
    "decode": "Decode captured MQTT messages: read JSON lines from stdin, write one JSON line for each to stdout.",
    "replay": "Publish captured messages to a broker, each with QoS 1, and wait until the broker has acknowledged all of them.",
    "discover": "Subscribe to all topics of a broker for a time and print a config for the devices that publish.",
    "calibrate": "Measure path loss and each anchor's offset with a tag at known distances, and print them as TOML for the config.",
    "acl": "Print the access list of Mosquitto for these gateways: each device publishes and receives under its own name only.",
    "pki": "The site's own certificate authority: one certificate a device, by which the broker knows it.",
    "devices": "The devices of a site, from the counter: enrol a phone with a QR code, list all, revoke one.",
    "tags": "Print the code of each tag, to be issued with it: a consent that states the code links the tag to its person.",
    "page": "Print the address of the person's page with a QR code for the counter, and the address of each zone's screen.",
    "subject": "Show, export, change or erase a person at the operator's desk, with roles and an audit log.",
    "till": "Check coupons offline as a till does, and publish the sales; stands in for a till.",
    "incident": "Declare an incident, which silences a zone, or its end.",
    "why": "Explain a decision: each offer, the rule that excluded it or its rank, and the attributes that changed its score most.",
    "results": "Measure the offers of a gateway: funnel, lift against the holdout, money, fairness, and why nothing was offered.",
    "what-if": "Replay the decisions of the log with another campaign: offers by count, spend, caps hit, differences, and the effect.",
    "bundle": "Verify, show, install or roll back a signed bundle (model, offers and contact policy in one file).",
    "backup": "Back up a gateway, which may be running, into one encrypted file.",
    "restore": "Restore a stopped gateway from a backup; withdrawals since the backup are carried out.",
    "update": "Install the newest signed release for this machine, and try it out: it stays if the gateway proves itself with it.",
    "release": "Make a repository of signed releases for `wayside update`: a folder for a web server or a USB stick.",
    "privacy": "Look for personal data in texts, state the numbers that leave, and check the noise and the ledger.",
    "history": "Export visits, offers, answers and purchases as training data.",
    "demo": "Run a complete demonstration: broker, simulated world, two gateways and dashboard.",
    "bench": "Measure throughput and latency on this machine, of each part and end to end.",
}
"""Command name -> summary. The command is `command` (a Typer app) of the module of that name, with _ for -, in `gateway.commands`."""


class _LazyGroup(TyperGroup):
    """A group of stubs with summaries; `resolve_command` replaces a stub by the command of its module."""

    def invoke(self, ctx: Context) -> object:
        """Run the command; a refusal, or an error of the operating system, is rendered and ends it."""
        try:
            return super().invoke(ctx)
        except Refusal as error:
            refused = error
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of the output has ended, which Typer handles
                raise
            refused = of_system(error)
        for line in str(refused).splitlines():
            typer.echo(f"wayside: {line}", err=True)
        raise typer.Exit(refused.exit_code)

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        name, stub, rest = super().resolve_command(ctx, args)
        return name, load(name) if name and stub else stub, rest


def load(name: str) -> Command:
    """Import the module of a command of COMMANDS and build its parser."""
    command = get_command(import_module(f"gateway.commands.{name.replace('-', '_')}").command)
    command.name = name
    return command


app = typer.Typer(
    cls=_LazyGroup, name="wayside", help="The Wayside gateway.", no_args_is_help=True, add_completion=False, rich_markup_mode="markdown"
)


def _stub(name: str, summary: str) -> Callable[[], None]:
    return app.command(name, help=summary)(lambda: None)


for _name, _summary in COMMANDS.items():
    _stub(_name, _summary)


def main() -> None:
    """Entry point."""
    app(prog_name="wayside")


if __name__ == "__main__":
    main()
