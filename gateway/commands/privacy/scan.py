"""`wayside privacy scan`: personal data in files, in their names, and in the texts of a gateway. The findings are not printed."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from gateway.adapters.personal_data import CHARS_MAX, Kind, Scanner
from gateway.build import EXPIRY_UNCHECKED, open_config_bundle
from gateway.build_store import open_reader
from gateway.commands.options import JsonOption, SetOption, load
from gateway.core.offers import Campaign
from gateway.core.refusal import WrongUse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.config import Config

STDIN = "-"
OVERLAP_CHARS = 64  # a number that is cut at the end of a piece is whole in the next one


class Place(NamedTuple):
    """Where personal data was found, and of which kinds."""

    place: str
    kinds: tuple[Kind, ...]


def scan(
    files: Annotated[list[Path] | None, typer.Argument(help="text files, such as logs; - reads stdin")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="a gateway's TOML file: its ids, offers, dead letters and file names are looked at")
    ] = None,
    override: SetOption = None,
    region: Annotated[
        list[str] | None, typer.Option("--region", help="country whose phone numbers have no country code, such as DE")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Look for cards, IBANs, phone numbers, MAC and e-mail addresses and coordinates; exit code 1 if there are any.

    The place and the kind are printed, never the text. Names of people are not found. The network is not used.

    Example: `wayside privacy scan gateway.log --config wayside.toml`
    """
    if not files and config is None:
        raise WrongUse("nothing to look at", "name text files, or a gateway with --config")
    settings = load(config, override) if config is not None else None
    regions = region or (settings.privacy.phone_regions if settings else ())
    try:
        scanner = Scanner(tuple(regions))
    except ValueError as error:
        raise WrongUse(str(error), place="--region") from None
    found = [place for file in files or () for place in in_file(file, scanner)]
    if settings is not None:
        found += list(in_gateway(settings, scanner))
    if as_json:
        typer.echo(msgspec.json.encode(found and [one._asdict() for one in found]).decode())
    elif found:
        table = Table("place", "personal data")
        for one in found:
            table.add_row(one.place, ", ".join(one.kinds))
        Console().print(table)
    else:
        typer.echo("no personal data found")
    if found:
        raise typer.Exit(1)


def in_file(path: Path, scanner: Scanner) -> Iterator[Place]:
    """Personal data in the name and the lines of a text file. Raises OSError."""
    if str(path) != STDIN:
        yield from _found(f"the name of file {path.parent}/…", path.name, scanner)
    with sys.stdin.buffer if str(path) == STDIN else path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            text = line.decode("utf-8", "replace")
            pieces = [text[at : at + CHARS_MAX] for at in range(0, max(1, len(text)), CHARS_MAX - OVERLAP_CHARS)]
            kinds = dict.fromkeys(kind for piece in pieces for kind in scanner.kinds(piece))
            if kinds:
                name = "stdin" if str(path) == STDIN else scanner.clean(str(path))
                yield Place(f"{name}:{number}", tuple(kinds))


def in_gateway(settings: Config, scanner: Scanner) -> Iterator[Place]:
    """Personal data in the offers, dead letters, and names of files of a gateway. Raises one of `gateway.build.FAULTS`."""
    for place, text in texts_of(open_config_bundle(settings, EXPIRY_UNCHECKED).campaign):
        yield from _found(place, text, scanner)
    for name, path in _paths(settings.model_dump()):
        yield from _found(f"the name of the file of {name}", path.name, scanner)
    if settings.store.path.exists():
        with closing(open_reader(settings)) as reader:
            for detail in reader.dead_letter_details():
                yield from _found("a dead letter", detail, scanner)


def texts_of(campaign: Campaign) -> Iterator[tuple[str, str]]:
    """Places and texts of a campaign that people read, or that leave in records."""
    for offer in campaign.offers:
        yield f"the id of offer {offer.id}", offer.id
        for title, body in ((offer.title, offer.body), *((one.title, one.body) for one in offer.creatives)):
            yield f"a wording of offer {offer.id}", f"{title}\n{body}"


def _paths(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Path]]:
    for key, value in table.items():
        if isinstance(value, Path):
            yield f"{prefix}{key}", value
        elif isinstance(value, dict):
            yield from _paths(value, f"{prefix}{key}.")


def _found(place: str, text: str, scanner: Scanner) -> Iterator[Place]:
    kinds = tuple(scanner.kinds(text))
    if kinds:
        yield Place(place, kinds)
