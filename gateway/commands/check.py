"""`wayside check`: validate a config, a schema or a campaign; the network and the database are not opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.adapters.bundle import parse_campaign
from gateway.adapters.clock import SystemClock
from gateway.adapters.mqtt import MqttBus
from gateway.adapters.schema_file import load_schema
from gateway.build import build_cloud, build_router, build_site, checked_bundle, mqtt_options
from gateway.commands.options import SetOption, command_app, fail, guarded, load

if TYPE_CHECKING:
    from gateway.config import Config

command = command_app()


@command.command()
def check(
    config: Annotated[Path | None, typer.Option("--config", help="a gateway's TOML file")] = None,
    campaign: Annotated[Path | None, typer.Option("--campaign", help="a campaign's JSON file")] = None,
    schema: Annotated[
        Path | None, typer.Option("--schema", help="a schema's TOML file; a campaign beside it is checked against it")
    ] = None,
    override: SetOption = None,
) -> None:
    """Validate a config, a schema or a campaign without starting anything.

    Example: `wayside check --config wayside.toml`
    """
    if config is None and campaign is None and schema is None:
        fail("nothing to check: name a file with --config, --schema or --campaign", 2)
    if config is not None:
        settings = load(config, override)
        typer.echo(f"{config}: fine. {guarded(lambda: checked(settings))}")
    declared = None
    if schema is not None:
        declared = guarded(lambda: load_schema(schema))
        typer.echo(f"{schema}: fine. {len(declared.attributes)} attributes, {len(declared.columns)} columns")
    if campaign is not None:
        offers = guarded(lambda: parse_campaign(campaign.read_bytes(), declared)).offers
        typer.echo(f"{campaign}: fine. {len(offers)} offers")


def checked(settings: Config) -> str:
    """Check a config as `run` does, without network and database; a summary in one line. Raises one of `gateway.build.FAULTS`."""
    bundle = checked_bundle(settings, SystemClock().now_ms())
    site = build_site(settings, bundle)
    build_router(settings)
    MqttBus(mqtt_options(settings), SystemClock().now_ms)
    build_cloud(settings)
    offers = len(site.campaign.offers)
    name = f"{bundle.manifest.name} {bundle.manifest.version}"
    return f"{len(site.zones)} zones, {len(settings.sources)} sources, bundle {name} with {offers} offers"
