"""`wayside incident`: a desk declares an incident, which silences a zone, or its end. It waits for the gateways' replies."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer

from gateway.adapters.clock import SystemClock
from gateway.commands.broker import connect
from gateway.commands.options import JsonOption, command_app
from gateway.core import limits
from gateway.core.refusal import Refusal
from gateway.core.types import Message

REPLIES_S = 2.0
MINUTES_MAX = limits.INCIDENT_S_MAX // 60

BrokerOption = Annotated[str, typer.Option(help="the broker, as mqtt://host:port")]
SiteOption = Annotated[str, typer.Option(help="the site in topics")]
DeskOption = Annotated[str, typer.Option(help='name of this desk: the gateways list it in devices (kind = "desk")')]
ZoneOption = Annotated[str | None, typer.Option(help="the zone; default: that of the desk, which may be the whole site")]

command = command_app("Declare an incident, which silences a zone, or its end.")


@command.command()
def declare(
    broker: BrokerOption,
    site: SiteOption,
    desk: DeskOption,
    zone: ZoneOption = None,
    minutes: Annotated[int, typer.Option(min=1, max=MINUTES_MAX, help="the silence ends by itself after this time")] = 60,
    *,
    as_json: JsonOption = False,
) -> None:
    """Silence a zone at once: offers that wait are dropped, and only service messages for incidents are sent.

    Example: `wayside incident declare --broker mqtt://127.0.0.1:1883 --site street --desk desk-1 --zone plaza --minutes 30`
    """
    _state(broker, site, desk, {"state": "began", "zone": zone, "minutes": minutes}, as_json=as_json)


@command.command()
def end(broker: BrokerOption, site: SiteOption, desk: DeskOption, zone: ZoneOption = None, *, as_json: JsonOption = False) -> None:
    """End the silence of a zone.

    Example: `wayside incident end --broker mqtt://127.0.0.1:1883 --site street --desk desk-1 --zone plaza`
    """
    _state(broker, site, desk, {"state": "ended", "zone": zone}, as_json=as_json)


def _state(broker: str, site: str, desk: str, incident: dict[str, Any], *, as_json: bool) -> None:
    """Publish the incident and print the reply of each gateway; exit code 1 without one."""
    at_ms = SystemClock().now_ms()
    boot = f"{at_ms:x}"  # each start of the command is a new one of the desk
    payload = msgspec.json.encode({"v": 1, "boot": boot, "seq": 1, "at_ms": at_ms, **incident})
    replies = asyncio.run(_replies(broker, site, desk, payload, boot))
    if as_json:
        typer.echo(msgspec.json.encode(replies).decode())
    for one in [] if as_json else replies:
        place = "the whole site" if one["zone"] == "*" else one["zone"]
        until = one["until_ms"] and f"{datetime.fromtimestamp(one['until_ms'] / 1000).astimezone():%H:%M}"
        typer.echo(f"{one['gateway']}: {place} is silent until {until}" if until else f"{one['gateway']}: the silence of {place} has ended")
    if not replies:
        where = "" if incident["zone"] is None else f", and the zone {incident['zone']!r} in zones"
        raise Refusal(f"no gateway has taken it within {REPLIES_S:g} s", f'each lists {desk!r} in devices (kind = "desk"){where}')


async def _replies(broker: str, site: str, desk: str, payload: bytes, boot: str) -> list[dict[str, Any]]:
    """The replies to an incident within REPLIES_S, by gateway. Raises BrokerError."""
    found: dict[str, dict[str, Any]] = {}

    def receive(message: Message) -> None:
        reply = msgspec.json.decode(message.payload)
        if reply.get("boot") == boot:
            found[reply["gateway"]] = {name: reply[name] for name in ("gateway", "zone", "until_ms")}

    async with connect(broker, receive) as connection:
        await connection.subscribe(f"wayside/v1/{site}/reply/{desk}/incident")
        connection.publish(f"wayside/v1/{site}/up/{desk}/incident", payload)
        await connection.acknowledged()
        await connection.wait(REPLIES_S)
    return [found[name] for name in sorted(found)]
