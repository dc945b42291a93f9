"""`wayside init`: from a broker to a config that runs, with a world's campaign as the starting point."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.broker import connect, login
from gateway.commands.check import checked
from gateway.commands.discover.findings import Findings
from gateway.commands.init.broker_address import find_broker, is_remote, local_timezone
from gateway.commands.init.secured import Secured, default_hosts, make_certificates, write_broker
from gateway.commands.init.start import Start, read_start
from gateway.commands.init.text import Answers, assigned, config_text
from gateway.commands.options import command_app, load, warn
from gateway.commands.pki import INSTALLED, now
from gateway.core.ids import checked_id
from gateway.core.refusal import Refusal, WrongUse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.commands.broker import Login

TICK_S = 0.25
UNITS = "wayside wayside-authority wayside-renew.timer"
SECURE_BROKER = "mqtts://127.0.0.1:8883"
command = command_app()


@command.command()
def init(
    folder: Annotated[Path, typer.Argument(help="folder of the config; it is made")] = Path(),
    site: Annotated[str, typer.Option(help="the world to start from (zones, offers, model): street, mall or station")] = "street",
    name: Annotated[str, typer.Option(help="the site's name in topics; default: that of the world")] = "",
    gateway: Annotated[str, typer.Option(help="this gateway's name")] = "gw-1",
    broker: Annotated[str, typer.Option(help="the broker, as mqtt://host:port or mqtts://host:port; default: on this machine")] = "",
    username: Annotated[str | None, typer.Option(help="user name at the broker")] = None,
    password_file: Annotated[Path | None, typer.Option(help="file that holds the password")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="certificate authority of a broker with TLS")] = None,
    state: Annotated[Path | None, typer.Option(help="folder of bundle, database and keys; default: that of the config")] = None,
    timezone: Annotated[str, typer.Option(help="the site's time zone; default: this machine's")] = "",
    zone: Annotated[list[str] | None, typer.Option(help="ZONE=SCANNER: the scanner or beacon of a zone; others are asked for")] = None,
    seconds: Annotated[float, typer.Option(min=0.25, help="seconds to listen")] = 20.0,
    *,
    plaintext: Annotated[bool, typer.Option(help="allow a broker on another machine without TLS")] = False,
    secure: Annotated[
        bool, typer.Option("--secure", help="set up Mosquitto of this machine: TLS 1.3, certificates and an access list")
    ] = False,
    host: Annotated[list[str] | None, typer.Option(help="with --secure: a name or address by which devices reach this machine")] = None,
    authority: Annotated[Path, typer.Option(help="with --secure: folder of the authority")] = INSTALLED,
    mosquitto: Annotated[Path, typer.Option(help="with --secure: folder of Mosquitto's configuration")] = Path("/etc/mosquitto"),
    yes: Annotated[bool, typer.Option("--yes", help="ask nothing, and take what was found")] = False,
) -> None:
    """Make a config that runs: listen to the broker, assign the scanners that are heard to zones, and check the result.

    With --secure it does not listen, but sets up this machine's Mosquitto, which then admits devices with a certificate only.

    Questions are asked on a terminal only; each has an option.

    Example: `wayside init shop --site mall --broker mqtt://127.0.0.1:1883 --zone atrium=scanner-1`
    """
    target = folder / "wayside.toml"
    if target.exists():
        raise Refusal(f"{target} exists, and is kept", "name another folder, or move it away")
    start = read_start(site)
    is_asking = sys.stdin.isatty() and not yes
    try:
        name, gateway = checked_id(name or start.site), checked_id(gateway)
    except ValueError as error:
        raise WrongUse(str(error)) from None
    here = Answers(name, gateway, timezone or local_timezone())
    files = Secured(authority, mosquitto, (state or folder) / "tls", host or default_hosts())
    if secure:
        ca_file, pair = make_certificates(files, name, gateway, now())
        answers, heard = here._replace(broker=SECURE_BROKER, ca_file=ca_file, pair_file=pair), Findings()
    else:
        address = _address(broker, plaintext=plaintext, is_asking=is_asking)
        heard = _heard(address, seconds, lambda: login(username, password_file, ca_file))
        answers = here._replace(broker=address, username=username, password_file=password_file, ca_file=ca_file, plaintext=plaintext)
    proposal = heard.config()  # decides on sources with a guessed decoder
    zones = assigned(start, heard.fixed(), _stated(zone or [], start))
    if is_asking:
        zones = _asked(start, heard, zones)
    target = _written(folder, state, start, lambda kept: config_text(start, answers, heard, zones, kept))
    _finish(target, proposal, files if secure else None)


def _finish(target: Path, proposal: str, secured: Secured | None) -> None:
    """Warn of doubtful sources, check the config, write the broker's files for it, and name the next steps."""
    for line in (one for one in proposal.splitlines() if one.startswith(("# Unsure", "# No decoder", "# Warning", "# Bytes"))):
        warn(line.removeprefix("# "))
    summary, _ = checked(load(target))
    typer.echo(f"{target}: fine. {summary}")
    if secured is None:
        typer.echo(f"next: wayside run --config {target}; then wayside doctor --config {target}")
        return
    write_broker(secured, target)
    broker, authority = secured.mosquitto, secured.authority
    typer.echo(f"{broker}: TLS 1.3 at port 8883, certificates, access list; only root may read the authority, {authority}")
    typer.echo(f"next: systemctl restart mosquitto && systemctl enable --now {UNITS}")
    typer.echo("then enrol each device: wayside devices add NAME")


def _address(broker: str, *, plaintext: bool, is_asking: bool) -> str:
    """The broker's address: as stated, else that of this machine, else as answered; one that is not to be used ends the program."""
    address = broker or (find_broker() or (typer.prompt("broker (mqtt://host:port)") if is_asking else ""))
    if not address:
        raise Refusal("no broker answers on this machine at ports 1883 and 8883", "name yours with --broker mqtt://host:port")
    if is_remote(address) and not plaintext:
        raise Refusal(
            f"passwords and messages would cross the network to {address} in plain text", "use mqtts:// with --ca-file, or --plaintext"
        )
    return address


def _heard(address: str, seconds: float, user: Callable[[], Login]) -> Findings:
    """All that was heard at the broker; one that does not answer ends the program."""
    return asyncio.run(_listen(address, seconds, user()))


def _written(folder: Path, state: Path | None, start: Start, text: Callable[[str], str]) -> Path:
    """Write the config into `folder`, with the start's files in `state` (None: beside it); the config's path."""
    target, kept = folder / "wayside.toml", state or folder
    for one in (folder, kept):
        one.mkdir(parents=True, exist_ok=True)
    for file in start.files:
        if not (kept / file.name).exists():
            shutil.copyfile(file, kept / file.name)
            _hand_over(kept / file.name, kept)
    target.write_text(text("" if state is None else f"{state.resolve()}/"), encoding="utf-8")
    _hand_over(target, folder)
    return target


def _hand_over(file: Path, folder: Path) -> None:
    """Give a file of root to the owner and group of its folder: the gateway runs as another user."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(file, owner.st_uid, owner.st_gid)


async def _listen(broker: str, seconds: float, user: Login) -> Findings:
    """Listen to all topics, and show the first sighting of each scanner. Raises BrokerError."""
    findings, shown = Findings(), set[str]()
    typer.echo(f"listening at {broker} for {seconds:g} s: carry a tag or a phone past each scanner", err=True)
    async with connect(broker, findings.add, user) as connection:
        await connection.subscribe("#")
        for tick in range(max(1, int(seconds / TICK_S))):
            await connection.wait(TICK_S)
            for scanner in sorted(findings.hearers - shown):
                shown.add(scanner)
                typer.echo(f"  {(tick + 1) * TICK_S:>5.1f} s  first sighting by {scanner}", err=True)
    if not findings.messages and not findings.unknown:
        warn(f"no message arrived from {broker} in {seconds:g} s: zones and sources are those of the starting point")
    return findings


def _stated(zones: Sequence[str], start: Start) -> dict[str, str]:
    """Scanner -> zone of the options `--zone ZONE=SCANNER`; a wrong one ends the program."""
    stated = {}
    for one in zones:
        zone, equals, scanner = one.partition("=")
        if not equals or not scanner:
            raise WrongUse(
                "no zone with a scanner", f"write it as ZONE=SCANNER, such as {start.zone_ids[0]}=scanner-1", place=f"--zone {one}"
            )
        if zone not in start.zone_ids:
            raise WrongUse(start.unknown_zone(zone), f"the zones are {', '.join(start.zone_ids)}", place=f"--zone {one}")
        stated[scanner] = zone
    return stated


def _asked(start: Start, heard: Findings, zones: dict[str, str]) -> dict[str, str]:
    """The zones of the scanners, each confirmed on the terminal."""
    typer.echo(f"zones of the campaign: {', '.join(start.zone_ids)}", err=True)
    answered = dict(zones)
    for scanner in heard.fixed():
        while (zone := typer.prompt(f"zone of scanner {scanner}", default=zones[scanner], err=True)) not in start.zone_ids:
            warn(start.unknown_zone(zone))
        answered[scanner] = zone
    return answered
