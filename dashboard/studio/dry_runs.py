"""Dry runs of drafts: `wayside-sim trial` with the newest version and the draft, in the same days of the same simulated people.

A run has a deadline, and one desk runs one at a time. Progress and result are rows of the database, so any desk on it shows both.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, delete, insert, select, update
from starlette.concurrency import run_in_threadpool

from dashboard import limits
from dashboard.refusals import Refused
from dashboard.schema_desk import dry_runs
from dashboard.settings import Settings
from dashboard.store import Store
from gateway.adapters.bundle import public_key_line, redrafted, write_bundle
from gateway.core.bundle import Bundle, BundleError
from gateway.core.offers import Campaign, SignOff

log = logging.getLogger("wayside.dashboard")

PROGRAM = Path(sys.executable).with_name("wayside-sim")
DAYS, PEOPLE, CITIES = 3, 60, 3
UNSIGNED = SignOff("a dry run", may_offend=False, may_harm=False, uses_misfortune=False)


class OfferFigures(msgspec.Struct, frozen=True):
    """An offer in the simulated cities; `reasons` are moments by the reason of the gateway's decision."""

    messages: int
    people: int
    accepted: float
    reasons: dict[str, int]


class CampaignFigures(msgspec.Struct, frozen=True):
    """One campaign, by offer."""

    moments: int
    offers: dict[str, OfferFigures]


class Simulated(msgspec.Struct, frozen=True):
    """The output of `wayside-sim trial`; the draft is the last campaign. `stands_for` has the known offer of each new one."""

    days: int
    people: int
    cities: int
    stands_for: dict[str, str]
    campaigns: list[CampaignFigures]


class DryRun(NamedTuple):
    """A dry run; without result and fault it is under way."""

    id: str
    at_ms: int
    account: str
    base: int
    note: str
    text: str
    done: int
    fault: str
    result: str

    @property
    def simulated(self) -> Simulated | None:
        """The figures, None before the end."""
        return msgspec.json.decode(self.result, type=Simulated) if self.result else None


class DryRuns:
    """Starts dry runs; `close` ends the one under way."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._task: asyncio.Task[None] | None = None

    @property
    def missing(self) -> str:
        """The reason why nothing can be simulated here, empty if it can."""
        if not self._settings.world:
            return "This desk has no simulated city: start it with --world."
        return "" if PROGRAM.exists() else "The simulator is not installed beside this desk (wayside-sim)."

    async def start(self, made: DryRun, base: Bundle, campaigns: Sequence[Campaign]) -> None:
        """Keep a dry run, and begin the simulation if there is a city. Raises Refused (503) while another one is under way."""
        if self._task is not None and not self._task.done():
            raise Refused(503, "Another dry run is under way; wait for its end, at most two minutes.")
        await run_in_threadpool(self._keep, made)
        if not self.missing:
            self._task = asyncio.create_task(self._run(made.id, base, campaigns))

    async def close(self) -> None:
        """End the run under way, and wait until its program has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, name: str, base: Bundle, campaigns: Sequence[Campaign]) -> None:
        try:
            async with asyncio.timeout(limits.DRY_RUN_S_MAX):
                with tempfile.TemporaryDirectory() as folder:
                    options = await run_in_threadpool(_signed, Path(folder), base, campaigns)
                    await self._follow(name, options)
        except TimeoutError:
            await self._note(name, fault=f"The simulation was stopped: it was not done within {limits.DRY_RUN_S_MAX:.0f} s.")
        except (OSError, ValueError, BundleError) as fault:
            log.warning("dry run %s: %s", name, fault)
            await self._note(name, fault=f"The simulation ended without a result: {fault}")

    async def _follow(self, name: str, options: Sequence[str]) -> None:
        """Run the simulator and keep its output. Raises ValueError with its error."""
        size = ("--days", str(DAYS), "--people", str(PEOPLE), "--seeds", str(CITIES))
        arguments = ("trial", "--world", self._settings.world, *size, *options, "--json")
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(PROGRAM, *arguments, stdout=pipe, stderr=pipe, limit=limits.TEXT_BYTES_MAX)
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            async for line in process.stdout:
                found: dict[str, Any] = msgspec.json.decode(line)
                if "done" in found:
                    await self._note(name, done=found["done"])
                else:
                    await self._note(name, result=line.decode().strip())
            if await process.wait():
                raise ValueError((await process.stderr.read()).decode("utf-8", "replace").strip()[-400:])
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()  # until its pipes are closed

    async def _note(self, name: str, **values: Any) -> None:
        await run_in_threadpool(self._change, name, values)

    def _change(self, name: str, values: dict[str, Any]) -> None:
        with self._store.writing() as connection:
            connection.execute(update(dry_runs).where(dry_runs.c.id == name).values(values))

    def _keep(self, made: DryRun) -> None:
        with self._store.writing() as connection:
            old = select(dry_runs.c.id).order_by(dry_runs.c.at_ms.desc()).offset(limits.DRY_RUNS_ROWS_MAX - 1)
            connection.execute(delete(dry_runs).where(dry_runs.c.id.in_(list(connection.execute(old).scalars()))))
            connection.execute(insert(dry_runs), [made._asdict()])


def draft(account: str, base: int, note: str, text: str, now_ms: int) -> DryRun:
    """A new dry run of a text."""
    return DryRun(secrets.token_hex(8), now_ms, account, base, note[:400], text, 0, "", "")


def dry_run(connection: Connection, name: str, now_ms: int) -> DryRun:
    """A dry run; with a fault if its desk has ended. Raises Refused (404)."""
    row = connection.execute(select(dry_runs).where(dry_runs.c.id == name)).first()
    if row is None:
        raise Refused(404, "There is no such dry run; only the newest ones are kept.")
    found = DryRun(*row)
    is_lost = not found.result and not found.fault and now_ms > found.at_ms + 2_000 * limits.DRY_RUN_S_MAX
    return found._replace(fault="The desk ended meanwhile; try it again.") if is_lost else found


def _signed(folder: Path, base: Bundle, campaigns: Sequence[Campaign]) -> list[str]:
    """The options that name a bundle for each campaign, live at all times: the days of the city are not those of the campaign."""
    key, options = Ed25519PrivateKey.generate(), list[str]()
    for at, campaign in enumerate(campaigns):
        offers = tuple(msgspec.structs.replace(one, starts_ms=0, ends_ms=limits.WINDOW_START_MS_MAX) for one in campaign.offers)
        live = msgspec.structs.replace(campaign, offers=offers, sign_off=UNSIGNED)
        write_bundle(folder / f"{at}.bundle", key, redrafted(base, live, base.manifest.version))
        options += ["--bundle", str(folder / f"{at}.bundle")]
    (folder / "trial.pub").write_text(public_key_line(key.public_key()) + "\n", "utf-8")
    return [*options, "--key", str(folder / "trial.pub")]
