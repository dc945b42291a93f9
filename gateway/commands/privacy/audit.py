"""`wayside privacy audit`: the noise of this machine and the ledger of this gateway, checked from outside."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from gateway.adapters.store.entropy import SystemEntropy
from gateway.adapters.store.released import marks_path, read_marks
from gateway.build_store import open_reader
from gateway.commands.options import CONFIG_FILE, ConfigOption, JsonOption, SetOption, load
from gateway.core.privacy.audit import Z_MAX, day_loss, epsilon, noise_z, releases_min

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.config import Config
    from gateway.core.privacy.tables import Terms

DRAWS = 20_000
RELEASES = 20_000
LOSS_SHARE_MIN = 0.9  # of epsilon: less means that the measurement has no power, or that there is too much noise


class Check(NamedTuple):
    """A check, the value asked and the value found."""

    check: str
    asked: str
    found: str
    passed: bool


def audit(
    config: ConfigOption = CONFIG_FILE,
    override: SetOption = None,
    releases: Annotated[
        int | None,
        typer.Option(
            "--releases",
            min=1_000,
            max=10_000_000,
            help=f"days released with and without a person; default {RELEASES}, or as epsilon needs",
        ),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Check the distribution of the noise, the privacy loss of a day, and the ledger; exit code 1 if a check fails or shows nothing.

    Nothing is released: counts and days are made up. The gateway may be running; without a database the ledger is left out.

    Example: `wayside privacy audit --config wayside.toml --releases 200000`
    """
    settings = load(config, override)
    terms = settings.privacy.terms()
    most = min(10_000_000, max(RELEASES, releases_min(terms))) if releases is None else releases
    with Progress(console=Console(stderr=True), transient=True, disable=as_json) as progress:
        task = progress.add_task("releasing days with and without a person", total=most)
        found = list(of_noise(terms, most, lambda: progress.advance(task)))
    if settings.store.path.exists():
        found += list(of_ledger(settings))
    if as_json:
        typer.echo(msgspec.json.encode([one._asdict() for one in found]).decode())
    else:
        table = Table("check", "asked", "found", "")
        for one in found:
            table.add_row(one.check, one.asked, one.found, "passed" if one.passed else "FAILED")
        Console().print(table)
    if not all(one.passed for one in found):
        raise typer.Exit(1)


def of_noise(terms: Terms, releases: int, tick: Callable[[], object]) -> Iterator[Check]:
    """The sampler of this machine, and the loss of a day by the terms."""
    entropy = SystemEntropy()
    z = noise_z(terms, entropy, DRAWS)
    yield Check(f"chi-square of {DRAWS:,} draws, in standard deviations", f"at most {Z_MAX:g}", f"{z:.1f}", abs(z) <= Z_MAX)
    stated, loss = epsilon(terms), day_loss(terms, entropy, releases, tick=tick)
    passed, asked = loss.low <= stated and loss.high >= LOSS_SHARE_MIN * stated, f"meets {LOSS_SHARE_MIN * stated:g} to {stated:g}"
    if releases < releases_min(terms):  # it could not fail
        passed, asked = False, f"{asked}; needs --releases {releases_min(terms)}"
    yield Check(f"interval of the privacy loss of a day, on {releases:,} releases", asked, f"{loss.low:.3f} to {loss.high:.3f}", passed)


def of_ledger(settings: Config) -> Iterator[Check]:
    """Spending of the days of the database, and the marks beside it. Raises one of `gateway.build.FAULTS`."""
    with closing(open_reader(settings)) as reader:
        days, newest = reader.ledger(), reader.newest_release()
    over = [day for day in days if day.spent > day.budget]
    yield Check(f"service days that spent more than their epsilon, of {len(days)}", "0", str(len(over)), not over)
    marks = read_marks(marks_path(settings.store.path))
    lacks = newest is not None and newest not in {mark[:2] for mark in marks}
    yield Check("newest release without a mark beside the database", "0", str(int(lacks)), not lacks)
