"""`wayside subject`: a person at the operator's desk. Reads go to the database, changes through the running gateway; each is logged.

Roles bind the commands. They do not bind an account of the machine that can read the database key.
"""

from __future__ import annotations

import os
import secrets
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args
from zoneinfo import ZoneInfo

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from gateway.adapters.clock import SystemClock
from gateway.adapters.desk_client import post
from gateway.adapters.desk_people import Action, Audit, DeskError, Entry, check_allowed, role_of
from gateway.build_services import desk_audit, desk_socket
from gateway.build_store import open_reader
from gateway.commands.options import CONFIG_FILE, ConfigOption, JsonOption, SetOption, command_app, load
from gateway.core import limits
from gateway.core.refusal import Refusal, WrongUse
from gateway.core.types import Purpose
from gateway.decoders.values.radio_ids import canonical_id
from gateway.page import export as exports
from gateway.page.control import mean_of
from gateway.page.kept import Kept, kept

if TYPE_CHECKING:
    from gateway.adapters.store.reader import Reader
    from gateway.config import Config
    from gateway.core.context import SubjectContext

TOKEN = "WAYSIDE_DESK_TOKEN"  # noqa: S105 - the name of a variable
LISTED_MOST = 50
command = command_app("Show, export, change or erase a person at the operator's desk, with roles and an audit log.")

AsOption = Annotated[str, typer.Option("--as", help=f"who acts: a name of desk.people_file; the token is in {TOKEN}")]
SubjectArgument = Annotated[str, typer.Argument(help="the subject's id, a device or a tag of the person")]


class Desk(NamedTuple):
    """An action that is allowed: the settings, the member of the staff, and the audit log."""

    settings: Config
    who: str
    role: str
    audit: Audit

    def note(self, action: Action, subject: str, outcome: str) -> None:
        """Append to the audit log; without it nothing may be done, so a fault ends the program."""
        self.audit.append(Entry(SystemClock().now_ms(), self.who, self.role, action, self.audit.subject(subject), outcome))


def _desk(config: Path, override: list[str] | None, who: str, action: Action) -> Desk:
    """The desk for an action; it ends the program if the member of the staff may not take it."""
    settings = load(config, override)
    if settings.desk is None:
        raise WrongUse(f"{config} has no [desk]", "add it with `people_file`, and start the gateway again")
    audit = desk_audit(settings)
    try:
        role = role_of(settings.desk.people_file, who, os.environ.get(TOKEN, ""))
    except (OSError, DeskError) as error:
        Desk(settings, who[:64], "", audit).note(action, "", "refused")
        raise Refusal(str(error), place="desk.people_file") from None
    desk = Desk(settings, who, role, audit)
    try:
        check_allowed(role, action)
    except DeskError:
        desk.note(action, "", "refused")
        raise
    return desk


def _found(reader: Reader, named: str) -> SubjectContext:
    """The person of a subject id, a device or a tag; it ends the program if there is none."""
    person = reader.person(named) or reader.person(reader.subject_of(canonical_id(named)) or "")
    if person is None:
        raise Refusal(f"nothing is kept of {named!r}", "`wayside subject list` prints the ids")
    return person


@command.command("list")
def list_(
    who: AsOption,
    config: ConfigOption = CONFIG_FILE,
    override: SetOption = None,
    after: Annotated[str, typer.Option(help="begin after this id")] = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """List people by their random local id, with purposes, source and end of the consent.

    Example: `wayside subject list --as anna --config wayside.toml`
    """
    desk = _desk(config, override, who, "list")
    rows = []
    with closing(open_reader(desk.settings)) as reader:
        for subject in reader.subjects(LISTED_MOST, after):
            grants = reader.grants(subject)
            sources = sorted({grant.source for grant in grants})
            ends_ms = max((grant.expires_at_ms or 0 for grant in grants), default=0) or None
            rows.append({"subject": subject, "purposes": [grant.purpose for grant in grants], "sources": sources, "expires_at_ms": ends_ms})
    desk.note("list", "", f"{len(rows)} people")
    if as_json:
        typer.echo(msgspec.json.encode(rows).decode())
        return
    table = Table("subject", "purposes", "source", "until", title=f"{len(rows)} people; --after {after or 'ID'} lists the next")
    for row in rows:
        ends = _moment(desk, row["expires_at_ms"])  # type: ignore[arg-type]  # a time or None
        table.add_row(str(row["subject"]), ", ".join(row["purposes"]), ", ".join(row["sources"]), ends)  # type: ignore[arg-type]  # lists of texts
    Console().print(table)


@command.command()
def show(
    subject: SubjectArgument, who: AsOption, config: ConfigOption = CONFIG_FILE, override: SetOption = None, *, as_json: JsonOption = False
) -> None:
    """Show how much is kept of a person, by table, and the consents.

    Example: `wayside subject show 0f3a2b1c4d5e6f70 --as anna --config wayside.toml`
    """
    desk = _desk(config, override, who, "show")
    found = _kept(desk, subject)
    desk.note("show", found.subject, "shown")
    if as_json:
        typer.echo(msgspec.json.encode({"subject": found.subject, "consents": found.consents, "rows": found.rows}).decode())
        return
    table = Table("table", "rows", title=found.subject)
    for name, count in found.rows.items():
        table.add_row(name, str(count))
    Console().print(table)


@command.command()
def export(
    subject: SubjectArgument,
    out: Annotated[Path, typer.Option("--out", help="file to write: .json or .sqlite")],
    who: AsOption,
    config: ConfigOption = CONFIG_FILE,
    override: SetOption = None,
) -> None:
    """Write everything that is kept of a person into a file, as the person's page does.

    Example: `wayside subject export 0f3a2b1c4d5e6f70 --out person.sqlite --as anna --config wayside.toml`
    """
    writers = {".json": exports.as_json, ".sqlite": exports.as_sqlite}
    if out.suffix not in writers:
        raise WrongUse("no known kind of file", "name it .json or .sqlite", place=f"--out {out}")
    if out.exists():
        raise Refusal(f"--out {out} exists", "name a new file, or move the old one away")
    desk = _desk(config, override, who, "export")
    found = _kept(desk, subject)
    desk.note("export", found.subject, out.suffix)
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # never readable by others
        file.write(writers[out.suffix](found))
    typer.echo(f"{out}: {sum(found.rows.values())} rows of {found.subject}")


@command.command()
def consent(
    subject: SubjectArgument,
    purposes: Annotated[str, typer.Option(help=f"purposes that stand from now on, of {', '.join(get_args(Purpose))}")],
    wording: Annotated[str, typer.Option(help="id of the text that the person signed")],
    who: AsOption,
    version: Annotated[int, typer.Option(min=1, help="version of that text")] = 1,
    days: Annotated[int, typer.Option(min=1, max=800, help="days until the consent ends")] = 365,
    config: ConfigOption = CONFIG_FILE,
    override: SetOption = None,
) -> None:
    """Record a changed consent that a person gave at the desk. Only `erase` ends all purposes.

    Example: `wayside subject consent 0f3a2b1c4d5e6f70 --purposes presence,offers --wording paper-3 --as anna --config wayside.toml`
    """
    stated = [one.strip() for one in purposes.split(",") if one.strip()]
    unknown = sorted(set(stated) - set(get_args(Purpose)))
    if unknown or not stated:
        raise WrongUse(
            "unknown, or none",
            f"write one or more of {', '.join(get_args(Purpose))}; `wayside subject erase` ends all",
            place=f"--purposes {purposes}",
        )
    desk = _desk(config, override, who, "consent")
    receipt = _sent(desk, "consent", subject, purposes=stated, version=version, wording=wording, days=days)
    typer.echo(f"{receipt['outcome']}: change {receipt['change']}")


@command.command()
def erase(subject: SubjectArgument, who: AsOption, config: ConfigOption = CONFIG_FILE, override: SetOption = None) -> None:
    """Withdraw for a person and delete everything that is kept; prints the receipt.

    Example: `wayside subject erase 0f3a2b1c4d5e6f70 --as anna --config wayside.toml`
    """
    desk = _desk(config, override, who, "erase")
    found = _kept(desk, subject)
    receipt = _sent(desk, "erase", found.subject, purposes=[], version=1, wording="", days=1)
    typer.echo(f"{receipt['outcome']}: {', '.join(f'{count} {name}' for name, count in found.rows.items())} deleted")


@command.command()
def audit(who: AsOption, config: ConfigOption = CONFIG_FILE, override: SetOption = None, *, as_json: JsonOption = False) -> None:
    """Print the audit log, and check that no line was changed, or removed before the last.

    Keep the printed code of the last line elsewhere: lines removed at the end show only by it.

    Example: `wayside subject audit --as anna --config wayside.toml`
    """
    desk = _desk(config, override, who, "audit")
    desk.note("audit", "", "printed")
    entries, seal = desk.audit.entries(), desk.audit.seal()
    if as_json:
        typer.echo(msgspec.json.encode([entry._asdict() for entry in entries]).decode())
        return
    table = Table(Column("time", no_wrap=True), *Entry._fields[1:])
    for entry in entries:
        table.add_row(_moment(desk, entry.at_ms), *entry[1:])
    Console().print(table)
    typer.echo(f"{len(entries)} entries, none changed; code of the last one: {seal}")


@command.command()
def control(who: AsOption, config: ConfigOption = CONFIG_FILE, override: SetOption = None) -> None:
    """Print the mean of the two questions on perceived control, once enough people have answered. It leaves only as noised sums.

    Example: `wayside subject control --as anna --config wayside.toml`
    """
    desk = _desk(config, override, who, "control")
    with closing(open_reader(desk.settings)) as reader:
        stated = reader.details("control")
    desk.note("control", "", f"{len(stated)} answers")
    if len(stated) < limits.GROUP_SUBJECTS_MIN:
        raise Refusal(
            f"{len(stated)} answers", f"a mean is printed from {limits.GROUP_SUBJECTS_MIN} on, so that it describes no single person"
        )
    typer.echo(f"perceived control: {mean_of(stated):.1f} of 7, from {len(stated)} people")


def _moment(desk: Desk, at_ms: int | None) -> str:
    """A time at the site; empty without one."""
    return f"{datetime.fromtimestamp(at_ms / 1000, ZoneInfo(desk.settings.timezone)):%Y-%m-%d %H:%M}" if at_ms is not None else ""


def _kept(desk: Desk, named: str) -> Kept:
    with closing(open_reader(desk.settings)) as reader:
        return kept(reader, _found(reader, named), SystemClock().now_ms())


def _sent(desk: Desk, action: Action, named: str, **stated: Any) -> dict[str, Any]:
    """The receipt of a consent that the running gateway took; every failure ends the program and is in the audit log."""
    with closing(open_reader(desk.settings)) as reader:
        person = _found(reader, named)
    kept_on = {"tags": person.tags, "irks": person.irks, "eid_keys": person.eid_keys} if stated["purposes"] else {}
    body = {"device": person.device, "boot": secrets.token_hex(8), "change": (person.consent_change or 0) + 1, **stated, **kept_on}
    socket = desk_socket(desk.settings)
    desk.note(action, person.subject, "asked")
    try:
        status, reply = post(socket, body)
    except OSError as error:
        desk.note(action, person.subject, "unreachable")
        raise Refusal(
            f"no gateway listens at {socket} ({error.strerror or error})", "start it with `wayside run`, and repeat the command"
        ) from None
    if status != 200:
        desk.note(action, person.subject, "refused")
        raise Refusal(str(reply.get("detail", status)))
    desk.note(action, person.subject, str(reply.get("outcome")))
    return reply
