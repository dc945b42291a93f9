"""Files that are written by hand, in TOML: schemas and campaigns. Every fault is reported with file, line and path."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gateway.adapters.personal_data import Scanner
from gateway.adapters.rules import rule_faults
from gateway.core.attributes.convert import Fault
from gateway.core.attributes.schema import Schema, SchemaError, parse
from gateway.core.campaign.compile import CampaignError, compile_campaign
from gateway.core.campaign.never import never_sent
from gateway.core.offers import Campaign
from gateway.core.refusal import Refusal
from gateway.core.toml_lines import Path as TomlPath
from gateway.core.toml_lines import line_of

BYTES_MAX = 16_777_216
COLUMNS = "columns"
"""Key of a schema file that maps columns of a training table to attributes. Only the workstation reads it; no bundle has it."""


class TomlFileError(Refusal, ValueError):
    """The file cannot be used; one line for each fault, with its place in the file."""


class TomlFile(NamedTuple):
    """A decoded file and its lines."""

    path: Path
    table: dict[str, Any]
    lines: Sequence[str]

    def placed(self, faults: Sequence[Fault]) -> str:
        """One line a fault: file, line if known, path, message."""
        found = [(line_of(self.lines, fault.path), fault) for fault in faults]
        return "\n".join(f"{self.path}:{line}: {fault}" if line else f"{self.path}: {fault}" for line, fault in found)


class Silent(NamedTuple):
    """Offers that can never be sent: the number, and one line for each reason with file, line and cause."""

    offers: int
    lines: Sequence[str]


class CampaignFile(NamedTuple):
    """A valid campaign and the file in which it is written."""

    campaign: Campaign
    file: TomlFile

    def never_sent(self, zones: Collection[str] | None, now_ms: int) -> Silent:
        """The offers that can never be sent in `zones` (None: in any zone) from `now_ms` on; see `gateway.core.campaign.never`."""
        faults = never_sent(self.campaign, zones, now_ms)
        everything = any(fault.path[0] != "offers" for fault in faults)
        silent = len(self.campaign.offers) if everything else len({fault.path[1] for fault in faults})
        return Silent(silent, [self.file.placed([fault]) for fault in faults])


def load_schema(path: Path) -> Schema:
    """The schema in the TOML file at `path`, without COLUMNS. Raises TomlFileError with every fault."""
    file = read_toml(path)
    try:
        return parse({key: value for key, value in file.table.items() if key != COLUMNS})
    except SchemaError as error:
        raise TomlFileError(file.placed(error.faults)) from None


def load_campaign(path: Path, schema: Schema | None = None) -> CampaignFile:
    """The campaign in the TOML file at `path`, checked against `schema` if given. Raises TomlFileError with every fault."""
    return checked_campaign(read_toml(path), schema)


def checked_campaign(file: TomlFile, schema: Schema | None = None) -> CampaignFile:
    """The campaign in a decoded file, checked against `schema` if given. Raises TomlFileError with every fault."""
    try:
        campaign = compile_campaign(file.table, schema)
    except CampaignError as error:
        raise TomlFileError(file.placed(error.faults)) from None
    faults = [*personal_faults(campaign), *(rule_faults(campaign, schema) if schema else [])]
    if faults:
        raise TomlFileError(file.placed(faults))
    return CampaignFile(campaign, file)


def personal_faults(campaign: Campaign) -> Iterator[Fault]:
    """Ids and wordings of offers with personal data: they are sent to all people who get the offer, and ids leave in records."""
    scan = Scanner()
    for at, offer in enumerate(campaign.offers):
        fields: list[tuple[TomlPath, str]] = [(("id",), offer.id), (("title",), offer.title), (("body",), offer.body)]
        for number, creative in enumerate(offer.creatives):
            fields += [(("creatives", number, "title"), creative.title), (("creatives", number, "body"), creative.body)]
        for place, text in fields:
            kind = scan(text)
            if kind is not None:
                yield Fault(
                    ("offers", at, *place), f"the text has a {kind}; leave it out, because it would be stored and sent to many people"
                )


def read_toml(path: Path) -> TomlFile:
    """The TOML file at `path`, in UTF-8, with or without a byte order mark. Raises TomlFileError with the cause."""
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise TomlFileError(f"{path} cannot be read ({error.strerror})") from None
    if len(content) > BYTES_MAX:
        raise TomlFileError(f"{path} is over {BYTES_MAX} bytes, too large for a file of settings")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise TomlFileError(f"{path}: the file is UTF-16; save it as UTF-8") from None
        raise TomlFileError(f"{path}:{line}: a character is not UTF-8 (byte {content[error.start]:#04x}); save the file as UTF-8") from None
    return toml_text(path, text)


def toml_text(path: Path, text: str) -> TomlFile:
    """The TOML in `text`, which faults call `path`. Raises TomlFileError with the cause."""
    try:
        return TomlFile(path, tomllib.loads(text), text.splitlines())
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise TomlFileError(_no_toml(path, text, str(error))) from None


def _no_toml(path: Path, text: str, error: str) -> str:
    """File, line and cause of a text that is not TOML, with the most likely way out."""
    cause, _, place = error.partition(" (at ")
    number = re.match(r"line (\d+), column (\d+)", place)
    line = text.splitlines()[int(number[1]) - 1].strip() if number and int(number[1]) <= len(text.splitlines()) else ""
    at, column = (f":{number[1]}", f" in column {number[2]} of {line[:60]!r}") if number else ("", "")
    return f"{path}{at}: not valid TOML: {cause}{column}; {_hint(text, cause, line.partition('#')[0])}"


def _hint(text: str, cause: str, line: str) -> str:
    """The most likely way out, by the line of the fault."""
    if text.lstrip().startswith("{"):
        return "TOML, not JSON, is expected"
    value = line.partition("=")[2].strip()
    found = (hint for pattern, hint in _HINTS if re.search(pattern, value))
    if hint := next(found, ""):
        return hint
    if cause.startswith(("Cannot overwrite", "Cannot declare")):
        return "it occurs a second time: keep one; [[name]] begins the next entry of a list, [name] a single table"
    return 'texts stand in quotes: name = "value"' if cause == "Invalid value" else "write name = value, or [table]"


_HINTS = (
    ("[\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb]", 'texts stand in straight quotes: name = "value"'),
    ("^(True|TRUE|False|FALSE|yes|no|on|off)$", "write true or false, in lower case"),
    (r"^[-+]?\d+,\d+$", "decimals have a point: 1.5"),
    (r"^0\d+$", "a number has no leading zero"),
)
"""Patterns of values that other notations allow, and the way out."""
