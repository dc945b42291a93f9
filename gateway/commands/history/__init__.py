"""`wayside history export`: the history of people who consented to learning, as one SQLite file or as two CSV tables.

Subjects, decisions and purchases have pseudonyms of this export (see `rows.py`), so ids of two exports cannot be joined. Times can be:
two exports of the same days hold the same times, and an export is personal data for as long as it exists.

`wayside-models history` reads both forms. Both state schema and columns of the scored values, so that no model learns
from columns with another meaning, and both have the history log, from which attributes at a past decision are worked out again.
"""

from __future__ import annotations

import os
import pwd
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec
import typer

from gateway.adapters.clock import SystemClock
from gateway.adapters.desk_people import DeskError, Entry
from gateway.build import EXPIRY_UNCHECKED, open_config_bundle
from gateway.build_services import desk_audit
from gateway.build_store import SetupError, open_reader
from gateway.commands.history.csv_tables import write_csv
from gateway.commands.history.rows import Description, Totals, counted, read_people
from gateway.commands.history.sqlite_file import write_sqlite
from gateway.commands.options import CONFIG_FILE, ConfigOption, JsonOption, command_app, load
from gateway.core.attributes.read import ReadPlan

if TYPE_CHECKING:
    from gateway.adapters.store.reader import Reader
    from gateway.config import Config

command = command_app("Export visits, offers, answers and purchases as training data.")

Form = Literal["sqlite", "csv"]
WRITERS = {"sqlite": write_sqlite, "csv": write_csv}


@command.callback()
def _group() -> None:
    """Keep `export` a subcommand although it is the only one."""


@command.command("export")
def export(
    out: Annotated[Path, typer.Option("--out", help="folder for history.sqlite, or for the CSV tables, facts.jsonl and history.json")],
    config: ConfigOption = CONFIG_FILE,
    form: Annotated[Form, typer.Option("--format", help="sqlite: one file with typed tables; csv: two tables")] = "sqlite",
    *,
    as_json: JsonOption = False,
) -> None:
    """Write the history of people who consented to learning, under new pseudonyms in each export. The gateway may be running.

    An export is personal data. With a desk it is noted in the log of `wayside subject audit`, by the account of the machine.

    Example: `wayside history export --config wayside.toml --out history`
    """
    settings = load(config)
    exported = export_history(settings, out, form)
    if as_json:
        typer.echo(msgspec.json.encode(exported).decode())
        return
    interactions = ", ".join(f"{count} {what}" for what, count in exported.interactions.items()) or "none yet"
    typer.echo(f"{exported.subjects} people who consented to learning; interactions: {interactions}; purchases: {exported.baskets}")
    typer.echo(f"written: {', '.join(exported.files)}")


class Site(NamedTuple):
    """The kind of place by zone, the plan of the active model, and the time zone."""

    kinds: dict[str, str]
    plan: ReadPlan
    timezone: str

    def description(self) -> Description:
        """The description of the scored columns."""
        return Description(self.plan.columns, self.plan.digest, self.plan.schema, self.timezone)


class Exported(msgspec.Struct, frozen=True):
    """Number of subjects, of interactions by type and of purchases in the export, and the paths of its files."""

    subjects: int
    interactions: dict[str, int]
    baskets: int
    files: tuple[str, ...]


def export_history(settings: Config, folder: Path, form: Form) -> Exported:
    """Write the history into `folder`. Raises one of `gateway.build.FAULTS`."""
    bundle = open_config_bundle(settings, EXPIRY_UNCHECKED)
    plan = ReadPlan(bundle.schema, bundle.manifest.model.columns, (), {}, mined=bundle.mined)
    kinds = {zone.id: zone.kind or "" for zone in settings.zones}
    with closing(open_reader(settings)) as reader:
        _note(settings, "asked")
        exported = write(reader, Site(kinds, plan, settings.timezone), folder, SystemClock().now_ms(), form)
    _note(settings, f"{exported.subjects} people")
    return exported


def _note(settings: Config, outcome: str) -> None:
    """Note the export in the desk's audit log, by the account of the machine; nothing without a desk. Raises SetupError, OSError."""
    if settings.desk is None:
        return
    account = os.getuid()
    try:
        name = pwd.getpwuid(account).pw_name
    except KeyError:
        name = str(account)
    try:
        desk_audit(settings).append(Entry(SystemClock().now_ms(), name, "machine", "history export", "", outcome))
    except DeskError as error:
        raise SetupError(str(error)) from None


def write(reader: Reader, site: Site, folder: Path, now_ms: int, form: Form) -> Exported:
    """Write the history as of one commit. Raises SetupError, OSError."""
    totals = Totals()
    with reader.snapshot():
        people = counted(read_people(reader, site.kinds, site.plan, now_ms), totals)
        files = WRITERS[form](people, site.description(), folder, now_ms)
    return Exported(totals.subjects, dict(totals.interactions), totals.purchases, tuple(str(file) for file in files))
