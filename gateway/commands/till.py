"""`wayside till`: stands in for a till. It checks coupons offline, keeps the redeemed ones, and publishes the sales when it can.

A code is checked with public keys alone. The sale waits in the till's file until the broker has acknowledged it, so neither a restart
nor an absent broker loses it. While there is a connection the till learns which codes other tills of the site have redeemed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from gateway.adapters.clock import SystemClock
from gateway.adapters.coupon_keys import CouponKeys, read_keys
from gateway.adapters.till_store import TillStore, TillStoreError
from gateway.commands.broker import BrokerError, Connection, connect
from gateway.commands.options import JsonOption, command_app, warn
from gateway.core import limits
from gateway.core.coupons import Coupon, CouponError, check, read
from gateway.core.refusal import WrongUse
from gateway.core.types import Message, Redeemed
from gateway.decoders.contract import DecodeError
from gateway.decoders.formats.wayside_v1 import decode

PAUSE_S = 2.0  # between two attempts to reach the broker
FLUSH_S_MAX = 10.0  # for the last sales, when the input has ended
AMOUNT_CHARS_MAX = 10

command = command_app()


@command.command()
def till(
    key: Annotated[list[Path], typer.Option("--key", help="public keys of the gateways that issue coupons (the .pub beside the key_file)")],
    shop: Annotated[str, typer.Option(help="the zone of this shop, as in the campaign")],
    code: Annotated[
        list[str] | None, typer.Argument(help="codes to redeem; default: one a line from stdin, with the amount after it")
    ] = None,
    name: Annotated[str | None, typer.Option("--till", help="name of the till in topics; default: till-SHOP")] = None,
    broker: Annotated[str | None, typer.Option(help="the broker, as mqtt://host:port; without it the sales wait")] = None,
    site: Annotated[str | None, typer.Option(help="the site in topics, needed with --broker")] = None,
    store: Annotated[Path, typer.Option(help="file of redeemed coupons and waiting sales")] = Path("till.db"),
    amount: Annotated[int, typer.Option(min=0, help="amount of a sale in minor units, where a line states none")] = 0,
    *,
    as_json: JsonOption = False,
) -> None:
    """Check coupons offline as a till does, and publish the sales; stands in for a till.

    Exit code 1 if a code was refused.

    Example: `wayside till 04ABC-... --key gw-a.coupons.pub --shop cafe`
    """
    if broker is not None and site is None:
        raise WrongUse("--broker needs --site, because the site stands in the topics", "add --site SITE")
    try:
        keys, kept = read_keys(key), TillStore(store, SystemClock().now_ms())
    except (OSError, ValueError, TillStoreError) as error:
        raise WrongUse(str(error)) from None
    machine = Till(keys, shop, name or f"till-{shop}", kept, amount)
    link = None if broker is None else Link(machine, broker, site or "")
    try:
        is_fine = asyncio.run(_serve(machine, link, code, as_json=as_json))
    finally:
        kept.close()
    if not is_fine:
        raise typer.Exit(1)


class Till:
    """Checks and redeems codes; every decision is in `store` before it is printed."""

    def __init__(self, keys: CouponKeys, shop: str, name: str, store: TillStore, amount_minor: int) -> None:
        self.name, self.store = name, store
        self._keys, self._shop, self._amount_minor = keys, shop, amount_minor

    def redeem(self, line: str, now_ms: int) -> Coupon:
        """Redeem the code of a line. Raises CouponError with the reason against it."""
        text, _, stated = line.strip().partition(" ")
        code = read(text)
        coupon = check(code, self._keys, self._shop, now_ms)
        known = self.store.redeemed(coupon.decision)
        if known is not None:
            moment = datetime.fromtimestamp(known[1] / 1000, UTC)
            raise CouponError("redeemed", f"the coupon was redeemed at {known[0]} at {moment:%Y-%m-%d %H:%M} UTC")
        self.store.redeem(text, coupon, self._amount(stated.strip()), self.name, now_ms)
        return coupon

    def _amount(self, stated: str) -> int:
        if not stated:
            return self._amount_minor
        if not (stated.isascii() and stated.isdigit() and len(stated) <= AMOUNT_CHARS_MAX):
            raise CouponError("malformed", "a line is a code, a space and the amount in minor units as digits")
        return int(stated)

    def take(self, message: Message) -> None:
        """Note the redemptions at other tills, and print a clash that a gateway has found."""
        if message.topic.endswith("/coupon"):
            with suppress(msgspec.DecodeError):
                warn(f"this coupon was redeemed twice: {msgspec.json.decode(message.payload)}")
            return
        with suppress(DecodeError):
            for observation in decode(message):
                for one in observation.redemptions if isinstance(observation, Redeemed) else ():
                    self.store.note(one.decision, one.till, one.at_ms, one.expires_at_ms)


class Link:
    """Publishes the waiting sales whenever the broker answers."""

    def __init__(self, machine: Till, broker: str, site: str) -> None:
        self._till, self._broker, self._site = machine, broker, site
        self._wanted = asyncio.Event()
        self._ended = asyncio.Event()

    def nudge(self) -> None:
        """There is a new sale."""
        self._wanted.set()

    def end(self) -> None:
        """Publish the waiting sales, and return from `run`."""
        self._ended.set()
        self._wanted.set()

    async def run(self) -> None:
        """Connect again and again until `end`; a sale is published until its acknowledgement."""
        trouble, is_over = "", False
        while not is_over:
            is_last = self._ended.is_set()
            try:
                async with connect(self._broker, self._till.take) as connection:
                    trouble = ""
                    await self._connected(connection)
                    is_over = True
            except BrokerError as error:
                if str(error) != trouble:
                    trouble = str(error)
                    warn(f"{trouble}; sales wait in the till's file")
                is_over = is_last
            if not is_over:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), PAUSE_S)

    async def _connected(self, connection: Connection) -> None:
        await connection.subscribe(f"wayside/v1/{self._site}/up/+/redeemed")
        await connection.subscribe(f"wayside/v1/{self._site}/reply/{self._till.name}/coupon")
        topic = f"wayside/v1/{self._site}/up/{self._till.name}/purchase"
        while True:
            self._wanted.clear()
            is_last = self._ended.is_set()
            sales = self._till.store.waiting()
            for sale in sales:
                connection.publish(topic, sale.payload)
            await connection.acknowledged()
            self._till.store.acknowledged(sales)
            if is_last:
                return
            await connection.until(self._wanted.wait())


async def _serve(machine: Till, link: Link | None, codes: list[str] | None, *, as_json: bool) -> bool:
    """Redeem all codes; whether none was refused."""
    clock, is_fine = SystemClock(), True
    sending = None if link is None else asyncio.create_task(link.run())
    lines = _typed() if codes is None else iter(codes)
    while (line := await asyncio.to_thread(next, lines, None)) is not None:
        result = _redeemed(machine, line, clock.now_ms())
        is_fine = is_fine and result["outcome"] == "accepted"
        text = f"accepted: {result['offer']}, {result['decision']}" if "offer" in result else f"refused: {result['reason']}"
        typer.echo(msgspec.json.encode(result).decode() if as_json else text)
        if link is not None:
            link.nudge()
    if link is not None and sending is not None:
        link.end()
        with suppress(TimeoutError):
            await asyncio.wait_for(sending, FLUSH_S_MAX)
    waiting = len(machine.store.waiting())
    if waiting:
        warn(f"{waiting} sales wait for the broker; they are sent at the next start with --broker")
    return is_fine


def _redeemed(machine: Till, line: str, now_ms: int) -> dict[str, Any]:
    try:
        coupon = machine.redeem(line, now_ms)
    except CouponError as error:
        return {"outcome": "refused", "code": error.reason, "reason": str(error)}
    return {"outcome": "accepted", "decision": coupon.decision, "offer": coupon.offer, "expires_s": coupon.expires_s}


def _typed() -> Iterator[str]:
    """Lines of stdin, without empty ones."""
    lines: Iterable[str] = iter(lambda: sys.stdin.readline(2 * limits.COUPON_CHARS_MAX), "")
    return (line for line in lines if line.strip())
