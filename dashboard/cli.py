"""`wayside-dashboard`: its commands and options. `dashboard.serving` starts the server."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from dashboard import limits
from dashboard.database import StoreError
from dashboard.map.plans import PlanError, read_plans
from dashboard.people.accounts import Accounts
from dashboard.people.audit import AuditKeyError, read_key, verify
from dashboard.people.provider import ProviderError, load_provider
from dashboard.people.roles import ROLES
from dashboard.serving import ServeError, demonstration_links, own_hosts, read_campaign, run
from dashboard.settings import SettingsError, load_settings, store_place, wall_clock_ms
from dashboard.store import Store
from dashboard.studio.publisher import Publisher, StudioError

SERVE_HELP = """Serve the collector and the web pages until SIGINT or SIGTERM.

The token file has one line `gateway-id token` for each gateway.

Example: wayside-dashboard serve --port 8080 --store street.db --token-file tokens.txt
"""

cli = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Wayside dashboard: collects count records from gateways and shows their totals."
)


@cli.callback()
def _root() -> None:
    """Without a callback, typer would make the only command the program itself."""


@cli.command(help=SERVE_HELP)
def serve(
    *,
    store: Annotated[str, typer.Option(help="SQLite file for the records, created if absent; or postgresql://USER@HOST/DATABASE.")],
    token_file: Annotated[Path, typer.Option(help="File with one line `gateway-id token` per gateway.")],
    host: Annotated[str, typer.Option(help="Address to listen on. Beyond this machine, put a proxy with TLS before it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 picks a free one.")] = 8080,
    time_zone: Annotated[str, typer.Option(help="Time zone of the times on the pages, such as Europe/Berlin.")] = "UTC",
    public_url: Annotated[str, typer.Option(help="Address of the desk for people, such as https://desk.example.")] = "",
    audit_key: Annotated[Path | None, typer.Option(help="File with the key of the audit log; by default beside a SQLite file.")] = None,
    oidc: Annotated[Path | None, typer.Option(help="TOML file of an OpenID Connect provider that accounts may log in by.")] = None,
    alarm_url: Annotated[str, typer.Option(help="Address that new alarms of the fleet are posted to as JSON.")] = "",
    keep_days: Annotated[
        int | None, typer.Option(min=limits.KEEP_DAYS_MIN, help="Delete months that ended so many days ago; by default none.")
    ] = None,
    people_max: Annotated[
        int, typer.Option(min=1, help="Most people in one zone and window of a gateway; larger counts are quarantined.")
    ] = limits.PEOPLE_MAX,
    campaign: Annotated[Path | None, typer.Option(help="Campaign of --bundle in TOML, the first version of a new desk.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Base bundle; published bundles take its model and schema.")] = None,
    bundle_key: Annotated[Path | None, typer.Option(help="Public key of --bundle.")] = None,
    campaign_key: Annotated[
        Path | None, typer.Option(help="Private key that signs published bundles and orders; gateways trust its public half.")
    ] = None,
    plan: Annotated[
        list[Path] | None, typer.Option(help="Plan of a site: GeoJSON with the property `zone`, or a gateway's config; may be repeated.")
    ] = None,
    world: Annotated[str, typer.Option(help="Simulated city of dry runs: street, mall, station or a scenario's file.")] = "",
    demonstration: Annotated[
        bool, typer.Option(help="Make two accounts and print links that log in without a password; on loopback only.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the address as one JSON line.")] = False,
) -> None:
    """Bind the socket, print the address and the link of the first account, serve."""
    os.umask(0o077)
    with _plain_faults():
        links = demonstration_links(host) if demonstration else {}
        place = store_place(store, audit_key)
        settings = load_settings(
            place,
            token_file,
            time_zone,
            public_url=public_url,
            people_max=people_max,
            keep_days=keep_days,
            alarm_url=alarm_url,
            world=world,
            plans=read_plans(plan or ()),
            hosts=own_hosts(host),
            audit_key=read_key(place.audit_key),
            demonstration_links=links,
            campaign=read_campaign(campaign),
        )
        publisher = Publisher.load(bundle, bundle_key, campaign_key) if bundle and bundle_key and campaign_key else None
        provider = load_provider(oidc, settings.now_ms) if oidc else None
        run(settings, place.shown, (host, port), publisher, provider, as_json=as_json)


account = typer.Typer(no_args_is_help=True, help="Accounts of the desk, from the machine that it runs on.")
audit = typer.Typer(no_args_is_help=True, help="The audit log of the desk.")
cli.add_typer(account, name="account")
cli.add_typer(audit, name="audit")
StoreOption = Annotated[str, typer.Option(help="The SQLite file of the desk, or postgresql://USER@HOST/DATABASE.")]
KeyOption = Annotated[Path | None, typer.Option("--audit-key", help="File with the key of the audit log, with PostgreSQL.")]


@account.command("link")
def account_link(
    name: Annotated[str, typer.Argument(help="Name of the account, new or known.")],
    store: StoreOption,
    role: Annotated[str, typer.Option(help="Role of a new account.")] = "admin",
    audit_key: KeyOption = None,
) -> None:
    """Print the path of a one-time link that sets the password of an account, also of a locked-out admin.

    Example: wayside-dashboard account link ines --role marketer --store street.db
    """
    if role not in ROLES:
        _fail(f"--role {role}: choose one of {', '.join(ROLES)}", 2)
    typer.echo(f"/welcome/{_local(store, audit_key).invite(name, role, '')}")


@account.command("token")
def account_token(
    name: Annotated[str, typer.Argument(help="Name of the account; made as a viewer if it is new.")],
    store: StoreOption,
    audit_key: KeyOption = None,
) -> None:
    """Print a token with which a program reads as an account.

    Example: wayside-dashboard account token grafana --store street.db
    """
    accounts = _local(store, audit_key)
    if name not in {one.name for one in accounts.all()}:
        accounts.make(name, "viewer", secrets.token_urlsafe(24))
    typer.echo(accounts.program_token(name))


@audit.command("verify")
def audit_verify(
    store: StoreOption,
    expect: Annotated[str, typer.Option(help="NUMBER:HEAD that an earlier verification printed.")] = "",
    audit_key: KeyOption = None,
) -> None:
    """Walk the audit log and print NUMBER:HEAD of its last entry; exit code 1 if an entry was changed or removed.

    Example: wayside-dashboard audit verify --store street.db
    """
    number, _, head = expect.partition(":")
    if expect and not (number.isdecimal() and head):
        _fail("--expect: write NUMBER:HEAD, as this command prints it", 2)
    opened, key = _opened(store, audit_key)
    with opened.reading() as connection:
        verdict = verify(connection, key, (int(number), head) if expect else None)
    if verdict.fault:
        _fail(f"{store_place(store, audit_key).shown}: {verdict.fault}", 1)
    typer.echo(f"{verdict.entries}:{verdict.head}")


def _local(store: str, audit_key: Path | None) -> Accounts:
    """The accounts in a store. Ends the program if it cannot be used."""
    return Accounts(*_opened(store, audit_key), wall_clock_ms)


def _opened(store: str, audit_key: Path | None) -> tuple[Store, bytes]:
    """An existing store, and the key of its audit log. Ends the program if it cannot be used."""
    if "://" not in store and not Path(store).is_file():
        _fail(f"--store: there is no file {store}; `wayside-dashboard serve` makes one", 2)
    try:
        place = store_place(store, audit_key)
    except SettingsError as fault:
        _fail(str(fault), 2)
    try:
        return Store(place.url), read_key(place.audit_key)
    except (StoreError, AuditKeyError) as fault:
        _fail(f"{place.shown}: {fault}", 1)


def main() -> None:
    """Entry point of the program."""
    cli()


@contextmanager
def _plain_faults() -> Iterator[None]:
    """End the program with one line for a fault of an option (code 2) or of the machine (code 1)."""
    try:
        yield
    except (SettingsError, PlanError, ProviderError) as fault:
        _fail(str(fault), 2)
    except (AuditKeyError, StudioError, ServeError) as fault:
        _fail(str(fault), 1)


def _fail(line: str, code: int) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(f"wayside-dashboard: {line}", style="red", markup=False, highlight=False)
    raise typer.Exit(code)


if __name__ == "__main__":
    main()
