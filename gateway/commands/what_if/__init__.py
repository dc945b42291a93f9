"""`wayside what-if`: the decisions of the log again, with another campaign. The gateway may be running, and nothing is sent or stored."""

from __future__ import annotations

from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from gateway.adapters.clock import SystemClock
from gateway.adapters.onnx_scorer import OnnxScorer, load_scorer
from gateway.adapters.rules import compiled_rules
from gateway.adapters.toml_files import load_campaign
from gateway.build import EXPIRY_UNCHECKED, build_site, open_config_bundle
from gateway.build_store import SetupError, open_reader
from gateway.commands.options import CONFIG_FILE, ConfigOption, JsonOption, SetOption, command_app, load
from gateway.commands.results.text import interval
from gateway.commands.what_if.figures import figures
from gateway.commands.what_if.replay import replayed
from gateway.commands.what_if.simulate import Simulated, Size, simulated

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from gateway.commands.what_if.figures import WhatIf
    from gateway.config import Config
    from gateway.core.offers import Campaign

command = command_app()

DAY_MS = 86_400_000
DIFFERENCES_MAX = 12


@command.command("what-if")
def what_if(
    campaign: Annotated[Path, typer.Option("--campaign", help="the other campaign's TOML file")],
    config: ConfigOption = CONFIG_FILE,
    override: SetOption = None,
    log: Annotated[Path | None, typer.Option("--log", help="database with the log; default: store.path of the config")] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=800, help="days of the log, up to its last decision")] = 7,
    simulate: Annotated[
        str | None,
        typer.Option("--simulate", metavar="WORLD", help="run it in a simulated city instead: a world or a scenario's TOML file"),
    ] = None,
    people: Annotated[int, typer.Option("--people", min=1, max=10_000, help="people of the simulated city")] = 100,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=1_000, help="simulated cities, over which intervals are taken")] = 5,
    *,
    as_json: JsonOption = False,
) -> None:
    """Replay the decisions of the log with another campaign: offers by count, spend, caps hit, differences, and the effect.

    Example: `wayside what-if --campaign new.toml --config wayside.toml --days 14`
    """
    settings = load(config, [*(override or []), *([] if log is None else [f"store.path={log.resolve()}"])])
    if simulate is not None:
        _simulate(settings, campaign, simulate, Size(days, people, seeds), as_json=as_json)
        return
    found = compare(settings, campaign, days, show=not as_json)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        _show(found)


def _simulate(settings: Config, path: Path, world: str, size: Size, *, as_json: bool) -> None:
    """Print the figures of both campaigns in a simulated city."""

    def both() -> tuple[Simulated, Simulated]:
        bundle = open_config_bundle(settings, EXPIRY_UNCHECKED)
        return simulated(bundle, load_campaign(path, bundle.schema).campaign, world, size)

    with Console(stderr=True).status(f"simulating {world}") if not as_json else nullcontext():
        found = both()
    if as_json:
        typer.echo(msgspec.json.encode({"world": world, **size._asdict(), "campaigns": found}).decode())
        return
    rows = [(one.campaign, interval(one.margin_minor, 1), interval(one.accepted, 2), interval(one.messages, 2)) for one in found]
    title = f"{world}: {size.days} days, {size.people} people, {size.seeds} seeds; for each person"
    _table(Console(), title, ("campaign", "true margin, minor units (95 %)", "accepted offers", "messages"), rows)


class _Model:
    """The bundle's model as the scorer of a decision."""

    def __init__(self, scorer: OnnxScorer, version: str) -> None:
        self._scorer = scorer
        self.version = version

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The scores, (n,)."""
        return self._scorer.score(rows)

    def untreated(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Probabilities without the offer, (n,), or None."""
        return self._scorer.untreated(rows)


def compare(settings: Config, path: Path, days: int, *, show: bool) -> WhatIf:
    """The figures of the last `days` days with the campaign at `path`. Raises SetupError without a decision, and `gateway.build.FAULTS`."""
    bundle = open_config_bundle(settings, EXPIRY_UNCHECKED)
    campaign = load_campaign(path, bundle.schema).campaign
    logged = build_site(settings, bundle).plan
    with closing(open_reader(settings)) as reader, reader.snapshot():
        span = reader.span_ms()
        if span is None:
            raise SetupError(f"{settings.store.path}: no decision in the log; people with consent must come by first")
        since_ms, last_ms = max(span[0], span[1] - days * DAY_MS), span[1]
        campaign, moved = _in_days(campaign, since_ms, last_ms)
        other = msgspec.structs.replace(bundle, campaign=campaign, rules=compiled_rules(campaign, bundle.schema))
        model = _Model(load_scorer(bundle.model), f"{bundle.manifest.name}-{bundle.manifest.version}")
        with Progress(console=Console(stderr=True), disable=not show, transient=True) as progress:
            task = progress.add_task("decisions", total=reader.decisions_between(since_ms, last_ms + 1))
            found = replayed(
                reader, build_site(settings, other), model, logged, since_ms, SystemClock().now_ms(), lambda: progress.advance(task)
            )
    if not found.moments:
        raise SetupError(f"{settings.store.path}: nothing can be replayed; it needs decisions for people who consent to learning")
    return figures(found, campaign, moved, bundle.schema.currency)


def _in_days(campaign: Campaign, since_ms: int, last_ms: int) -> tuple[Campaign, list[str]]:
    """The campaign as if it ran in the days of the log: offers with dates outside are live throughout; and the ids of these."""
    moved = [offer.id for offer in campaign.offers if offer.ends_ms <= since_ms or offer.starts_ms > last_ms]
    offers = tuple(
        msgspec.structs.replace(offer, starts_ms=since_ms, ends_ms=max(offer.ends_ms, last_ms + 1)) if offer.id in moved else offer
        for offer in campaign.offers
    )
    return msgspec.structs.replace(campaign, offers=offers), moved


def _show(found: WhatIf) -> None:
    console = Console()
    console.print(f"{found.moments:,} moments of {found.people:,} people; {found.same:.1%} have the same result.", highlight=False)
    for reason, count in found.left_out.items():
        console.print(f"Left out: {count:,} moments, because {reason}.", highlight=False)
    if set(found.policies) - {found.policy}:
        console.print(
            f"The log was decided by {', '.join(found.policies)}; the replay is decided by {found.policy}, without learning.",
            highlight=False,
        )
    if found.moved:
        console.print(f"As if live in the days of the log: {', '.join(found.moved)}.", highlight=False)
    console.print(
        f"Spend, {found.currency} minor units: contacts {found.contact_cost:,.0f}, accepted offers {found.expected_cost:,.0f} (expected).",
        highlight=False,
    )
    _table(
        console,
        "offers, before the holdout",
        ("offer", "in the log", "with the campaign", "people", "expected acceptances"),
        [(one.offer, f"{one.logged:,}", f"{one.now:,}", f"{one.people:,}", f"{one.expected_accepted:,.1f}") for one in found.offers],
    )
    _table(
        console,
        "caps and budgets that were hit",
        ("reason", "in the log", "with the campaign", "meaning"),
        [(one.reason, f"{one.logged:,}", f"{one.now:,}", one.meaning) for one in found.caps],
    )
    _table(
        console,
        "most frequent differences",
        ("in the log", "with the campaign", "moments"),
        [(one.logged, one.now, f"{one.moments:,}") for one in found.differences[:DIFFERENCES_MAX]],
    )
    if found.effect.estimates is None:
        console.print(f"No estimate of the effect: {'; '.join(found.effect.refused)}.", highlight=False)
        return
    each = found.effect.estimates
    rows = {"IPS": each.ips, "SNIPS": each.snips, "DR": each.dr, "Switch-DR": each.switch_dr}
    listed = [] if found.effect.logged is None else [("the log itself", interval(found.effect.logged, 2))]
    listed += [(name, interval(one, 2)) for name, one in rows.items()]
    _table(console, f"margin less contacts, {found.currency} minor units a moment", ("estimate", "mean (95 %, by person)"), listed)


def _table(console: Console, title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    if not rows:
        return
    table = Table(*(Column(name, justify="left" if not at else "right", overflow="fold") for at, name in enumerate(columns)), title=title)
    for row in rows:
        table.add_row(*row)
    console.print(table)
