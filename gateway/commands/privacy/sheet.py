"""`wayside privacy sheet`: the numbers that leave a gateway and their protection, for people, for print and for the OpenDP registry."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import typer
from rich.console import Console

from gateway.build import EXPIRY_UNCHECKED, build_site, open_config_bundle
from gateway.commands.options import CONFIG_FILE, ConfigOption, JsonOption, SetOption, load
from gateway.commands.privacy import exits, texts
from gateway.commands.privacy.facts import ATTACKS, Facts, facts, registry

if TYPE_CHECKING:
    from collections.abc import Sequence

STYLE = """
:root { color-scheme: light; } @page { size: A4; margin: 15mm; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2430; background: #fff; max-width: 44rem; margin: 0 auto; padding: 1.5rem 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 1rem; } h2 { font-size: 1.1rem; margin: 1.4rem 0 .3rem; } p, ul { margin: .3rem 0; }
table { border-collapse: collapse; } th, td { text-align: right; padding: .2rem .8rem; border-bottom: 1px solid #767676; }
section { break-inside: avoid; } .note { border: 2px solid #1f2430; padding: .5rem .8rem; }
@media print { html { font-size: 12px; } body { font-size: 1rem; line-height: 1.35; padding: 0; max-width: none; } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


class Section(NamedTuple):
    """A heading with its paragraphs, a list, and a table whose first row are the headings."""

    title: str
    lines: Sequence[str] = ()
    items: Sequence[str] = ()
    table: Sequence[Sequence[str]] = ()


def sheet(
    config: ConfigOption = CONFIG_FILE,
    override: SetOption = None,
    language: Annotated[texts.Language, typer.Option("--language", help="language of the sheet")] = "en",
    html: Annotated[Path | None, typer.Option("--html", help="write the sheet for print to this file")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """State the numbers that leave a gateway: unit of protection, epsilon, bounds, tables, retention, and the attacks that are tested.

    JSON has the fields of the OpenDP registry of deployments.

    Example: `wayside privacy sheet --config wayside.toml --language de --html privacy.html`
    """
    settings = load(config, override)
    site = build_site(settings, open_config_bundle(settings, EXPIRY_UNCHECKED))
    found = facts(site, settings.cloud.url if settings.cloud else "", exits.exits(settings, site))
    if html is not None:
        html.write_text(page(found, language), "utf-8")
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(registry(found)), indent=2).decode())
    elif html is None:
        _show(found, language)


def sections(found: Facts, language: texts.Language) -> list[Section]:
    """The sheet in a language."""
    values = msgspec.structs.asdict(found) | {
        "offers_by": texts.OFFERS_BY[found.sums_zones, found.weekly][language],
        "factor": f"{math.exp(found.epsilon):.3g}",
    }
    made = [Section(title[language], [line[language].format(**values) for line in lines]) for title, lines in texts.SECTIONS.values()]
    sent = (texts.SENT_TO if found.cloud else texts.NOT_SENT)[language].format(**values)
    others = {texts.CONTROL[language]: found.control_epsilon, texts.VISITORS[language]: found.visitors_epsilon}
    made[2] = made[2]._replace(lines=[*made[2].lines, *(line.format(**values) for line, share in others.items() if share), sent])
    if found.visitors_epsilon:
        made[0] = made[0]._replace(lines=[texts.ONLY_CONSENTING[language], *made[0].lines[1:]])
    made.insert(
        3, Section(exits.TITLE[language], [exits.ABOUT[language], exits.OPERATOR[language]], list(exits.rows(found.exits, language)))
    )
    columns = texts.DAYS_COLUMNS[language].split(" | ")
    days = [[str(number), f"{epsilon:g}", f"{100 * most:.0f} %"] for number, epsilon, most in found.days]
    made.append(Section(texts.DAYS[language], [texts.DAYS_ABOUT[language]], table=[columns, *days]))
    columns = texts.FLEET_COLUMNS[language].split(" | ")
    made.append(Section(texts.FLEET[language], table=[columns, *([str(number), f"{epsilon:g}"] for number, epsilon in found.fleet)]))
    made.append(Section(texts.ATTACKS[language], items=[texts.ATTACK_TITLES[attack][language] for attack in ATTACKS]))
    if found.demonstration:
        made.insert(0, Section("", [texts.DEMONSTRATION[language].format(**values)]))
    return made


def page(found: Facts, language: texts.Language) -> str:
    """The sheet as one HTML page without outside parts, for print; the same facts give the same text."""
    title = escape(texts.TITLE[language].format(gateway=found.gateway))
    body = "\n".join(_html(section) for section in sections(found, language))
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>\n<h1>{title}</h1>\n{body}\n</main></body></html>\n"
    )


def _html(section: Section) -> str:
    head = f"<h2>{escape(section.title)}</h2>" if section.title else ""
    kind = "" if section.title else ' class="note"'
    lines = "".join(f"<p>{escape(line)}</p>" for line in section.lines)
    items = "".join(f"<li>{escape(item)}</li>" for item in section.items)
    rows = [
        "<tr>" + "".join(f"<{cell}>{escape(text)}</{cell[:2]}>" for text in row) + "</tr>"
        for cell, row in zip(('th scope="col"', *["td"] * len(section.table)), section.table, strict=False)
    ]
    tail = (f"<ul>{items}</ul>" if items else "") + (f"<table>{''.join(rows)}</table>" if rows else "")
    return f"<section{kind}>{head}{lines}{tail}</section>"


def _show(found: Facts, language: texts.Language) -> None:
    console = Console()
    console.print(texts.TITLE[language].format(gateway=found.gateway), style="bold", highlight=False, markup=False)
    for section in sections(found, language):
        console.print(f"\n{section.title}", style="bold", highlight=False, markup=False)
        table = ["   ".join(row) for row in section.table]
        for line in (*section.lines, *(f"- {item}" for item in section.items), *table):
            console.print(line, highlight=False, markup=False)
