"""`wayside check`: validate a config, a schema or a campaign; the network and the database are not opened."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.adapters.clock import SystemClock
from gateway.adapters.timezone_places import city_of
from gateway.adapters.toml_files import load_campaign, load_schema
from gateway.build import (
    EXPIRY_UNCHECKED,
    build_cloud,
    build_feeds,
    build_router,
    build_site,
    checked_bundle,
    open_config_bundle,
)
from gateway.build_broker import URGENT, Filters, build_bus, subscriptions
from gateway.build_store import SetupError
from gateway.commands.options import SetOption, command_app, load, warn
from gateway.core.places import overlaps, swapped
from gateway.core.refusal import Refusal, WrongUse
from gateway.core.site import local
from gateway.decoders.topics import meet, topic_matches, without_share
from gateway.runtime.mailbox import Mailbox
from gateway.runtime.sources import shared_ids

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.config import Config
    from gateway.core.attributes.schema import Schema
    from gateway.core.site import Site

command = command_app()


@command.command()
def check(
    config: Annotated[Path | None, typer.Option("--config", help="a gateway's TOML file")] = None,
    campaign: Annotated[
        Path | None, typer.Option("--campaign", help="a campaign's TOML file; it is held against --schema, --config and the clock")
    ] = None,
    schema: Annotated[Path | None, typer.Option("--schema", help="a schema's TOML file; default with --config: that of its bundle")] = None,
    override: SetOption = None,
) -> None:
    """Validate a config, a schema or a campaign without starting anything.

    A campaign is fine if at least one of its offers can be sent; offers that can never be sent are listed with the reason.

    Example: `wayside check --campaign campaign.toml --config wayside.toml`
    """
    if config is None and campaign is None and schema is None:
        raise WrongUse("nothing to check", "name a file with --config, --schema or --campaign")
    settings = declared = None
    if config is not None:
        settings = load(config, override)
        summary, site = checked(settings)
        if settings.mqtt.danger:
            raise Refusal(settings.mqtt.danger, place=settings.place("mqtt", "host"))
        for text in _never_known(site, SystemClock().now_ms()):
            warn(f"{config}: {text}")
        sources = build_router(settings).sources
        filters = subscriptions(settings, sources)
        for warning in (*shared_ids(sources), *_twice(filters), *_behind(settings, filters), *_unheard(settings)):
            warn(f"{config}: {warning}")
        for warning in (*_misplaced(settings), *_silent_sources(settings)):
            warn(warning)
        typer.echo(f"{config}: fine. {summary}")
    if schema is not None:
        declared = load_schema(schema)
        typer.echo(f"{schema}: fine. {len(declared.attributes)} attributes, {len(declared.columns)} columns")
    elif settings is not None and campaign is not None:
        declared = open_config_bundle(settings, EXPIRY_UNCHECKED).schema
    if campaign is not None:
        zones = [zone.id for zone in settings.zones] if settings else None
        _check_campaign(campaign, declared, zones, settings.neighbours if settings else ())


def _check_campaign(path: Path, schema: Schema | None, zones: Sequence[str] | None, neighbours: Sequence[str]) -> None:
    """Print the offers that can never be sent, the verdict, and where caps and budgets hold.

    Ends with exit code 1 for a fault, or if no offer can be sent.
    """
    loaded = load_campaign(path, schema)
    campaign = loaded.campaign
    silent = loaded.never_sent(zones, SystemClock().now_ms())
    for line in silent.lines:
        warn(line)
    sent = len(campaign.offers) - silent.offers
    if not sent:
        raise Refusal(f"none of its {len(campaign.offers)} offers can be sent", "correct the rules that are named above", place=str(path))
    draft = "" if campaign.sign_off else "; a draft: it can be signed when it has a [sign_off]"
    typer.echo(f"{path}: fine. {sent} of {len(campaign.offers)} offers can be sent{draft}")
    typer.echo(f"{path}: {_reach(neighbours, campaign.policy.per_person_day_max)}")


def _reach(neighbours: Sequence[str], most: int) -> str:
    """Over which gateways caps and budgets hold; `most` are the offers to one person on one day."""
    if neighbours:
        return f"caps hold together with {', '.join(neighbours)}; budgets hold on each gateway alone"
    return (
        "caps and budgets hold on each gateway alone: two gateways may send a person "
        f'{2 * most} offers a day, not {most}, unless they list each other in devices (kind = "gateway")'
    )


def _misplaced(settings: Config) -> Iterator[str]:
    """Zones that overlap, and zones whose latitude and longitude seem to be exchanged."""
    zones, number = [part.zone() for part in settings.zones], {part.id: at for at, part in enumerate(settings.zones)}
    for one, other in overlaps(zones):
        yield f"{settings.place('zones', number[other])}: {other!r} overlaps {one!r}: a position in both counts for both"
    city = city_of(settings.timezone)
    for name in swapped(zones, city) if city is not None else ():
        yield (
            f"{settings.place('zones', number[name])}: {name!r} is far from {settings.timezone}, and near it with latitude and "
            "longitude exchanged: the latitude stands first"
        )


def _twice(filters: Filters) -> Iterator[str]:
    """Filters of which some, but not all, topics match another one: their messages arrive twice, and count twice without an envelope."""
    for one, other in combinations(filters.every, 2):
        if meet(one, other):
            yield f"topics that match both {one!r} and {other!r} arrive twice: narrow one of them"


def _behind(settings: Config, filters: Filters) -> Iterator[str]:
    """Filters that bring consents and wishes together with other messages."""
    topics = [f"wayside/v1/{settings.site}/up/a/{kind}" for kind in sorted(URGENT)]
    for one in (*filters.queued, *filters.unqueued):
        if any(topic_matches(without_share(one), topic) for topic in topics):
            yield f"withdrawals wait at the broker behind all else that matches {one!r}: subscribe to wayside/v1/{settings.site}/up/+/+"


def _unheard(settings: Config) -> Iterator[str]:
    """Neighbours whose contacts no source brings."""
    router = build_router(settings)
    for name in settings.neighbours:
        topic = f"wayside/v1/{settings.site}/up/{name}/contact"
        if not router.has_source(topic):
            yield f"the caps of {name!r} are not shared: no source has the topic {topic}"


def _silent_sources(settings: Config) -> Iterator[str]:
    """Sources to which no message can come: the topic is that of an earlier one, is of another site, or has a blank at an end."""
    seen: dict[str, int] = {}
    own = f"wayside/v1/{settings.site}/"
    for number, one in enumerate(settings.sources):
        where = settings.place("sources", number, "topic")
        if one.topic in seen:
            yield f"{where}: sources.{seen[one.topic]} has the topic {one.topic!r} too, and takes all of its messages"
        seen.setdefault(one.topic, number)
        if one.topic.startswith("wayside/v1/") and not one.topic.startswith((own, "wayside/v1/+/")):
            yield f"{where}: {one.topic!r} is of another site than {settings.site!r}, whose topics begin with {own!r}"
        if one.topic != one.topic.strip():
            yield f"{where}: {one.topic!r} begins or ends with a blank, which belongs to the topic"


def _never_known(site: Site, now_ms: int) -> Iterator[str]:
    """Attributes in use that the config leaves unknown at all times."""
    year = local(now_ms, site.timezone).year
    missing = {
        "minutes_to_close": "no zone states opening_hours" if not any(zone.opening_hours for zone in site.zones.values()) else None,
        "holiday": f"holidays lists no date of {year}" if all(day.year != year for day in site.holidays) else None,
    }
    for one in site.plan.used:
        if one.clock is not None and (cause := missing.get(one.clock.field)):
            yield f"the attribute {one.name!r} stays unknown: {cause}"


def _check_services(settings: Config) -> None:
    """Raises SetupError for tokens, certificates or a webhook that cannot be used."""
    if settings.http or settings.metrics or settings.page or settings.webhook:
        from gateway import build_services as services  # noqa: PLC0415 - servers and pages, which most configs do without

        services.http_tokens(settings)
        services.check_certificates(settings)
        services.build_webhook(settings)


def _check_store(settings: Config) -> None:
    """Raises SetupError if no database can be at the place of the config; nothing is made."""
    path = settings.store.path
    if path.is_dir():
        raise SetupError(f"{settings.place('store', 'path')}: {path} is a folder: name a file in it, such as {path / 'wayside.db'}")
    if not path.parent.is_dir():
        raise SetupError(f"{settings.place('store', 'path')}: the folder {path.parent} does not exist: make it, or name another one")


def checked(settings: Config) -> tuple[str, Site]:
    """Check a config as `run` does, without network and database; a summary in one line, and the site.

    Raises one of `gateway.build.FAULTS`.
    """
    bundle = checked_bundle(settings, SystemClock().now_ms())
    site = build_site(settings, bundle)
    build_bus(settings, build_router(settings).sources, SystemClock())
    build_cloud(settings)
    _check_services(settings)
    _check_store(settings)
    build_feeds(settings, Mailbox(1), SystemClock())
    offers = len(site.campaign.offers)
    name = f"{bundle.manifest.name} {bundle.manifest.version}"
    return f"{len(site.zones)} zones, {len(settings.sources)} sources, bundle {name} with {offers} offers", site
