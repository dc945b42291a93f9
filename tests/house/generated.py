"""Tables of the documentation that are made from the code, and the JSON Schema of campaigns: `python -m tests.house.generated --write`.

Each table stands in its page, where it is found by its first line. Without `--write` the command names the files that are not current.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

from gateway.config import Config
from tests.house import reasons, schema_reference, settings, tree


class Page(NamedTuple):
    """A page of the documentation, and the function that makes its table."""

    path: str
    table: Callable[[], str]


PAGES = (
    Page("gateway/SETTINGS.md", lambda: settings.table(Config)),
    Page("gateway/REASONS.md", reasons.decisions),
    Page("gateway/REASONS.md", reasons.discards),
    Page("gateway/core/attributes/README.md", schema_reference.reference),
    Page("gateway/core/campaign/README.md", schema_reference.campaign_reference),
)


def with_table(text: str, table: str) -> str:
    """The text with its table replaced by a new one with the same first line. Raises ValueError if it has no such table, or two."""
    lines, new = text.split("\n"), table.split("\n")
    if lines.count(new[0]) != 1:
        raise ValueError(f"{lines.count(new[0])} tables begin with {new[0]!r}, instead of one")
    start = lines.index(new[0])
    end = next((at for at in range(start, len(lines)) if not lines[at].startswith("|")), len(lines))
    return "\n".join((*lines[:start], *new, *lines[end:]))


def stale() -> dict[str, str]:
    """The current text of each file that holds another one, by its path."""
    texts: dict[str, str] = {}
    for page in PAGES:
        text = texts.get(page.path) or (tree.ROOT / page.path).read_text(encoding="utf-8")
        texts[page.path] = with_table(text, page.table())
    texts[schema_reference.CAMPAIGN_SCHEMA.relative_to(tree.ROOT).as_posix()] = schema_reference.campaign_schema()
    return {path: text for path, text in texts.items() if text != (tree.ROOT / path).read_text(encoding="utf-8")}


if __name__ == "__main__":
    for path, text in stale().items():
        if "--write" in sys.argv:
            (tree.ROOT / path).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}: {'written' if '--write' in sys.argv else 'not current'}\n")
