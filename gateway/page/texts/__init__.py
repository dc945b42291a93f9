"""The texts of the page by language: one TOML file each, all with the same keys. A new language is a new file."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import NamedTuple

DEFAULT = "en"
CONSENT_VERSION = 1
"""Version of the texts of the purposes. A change of their meaning raises it; the register keeps it with each consent."""


class Texts(NamedTuple):
    """The texts of one language, by dotted key."""

    language: str
    by_key: dict[str, str]

    def __call__(self, key: str, **values: str | int) -> str:
        """The text of a key with its placeholders filled in. Raises KeyError for an unknown key or a missing value."""
        return self.by_key[key].format(**values)

    @property
    def wording(self) -> str:
        """The id of the text of the purposes, as the register keeps it."""
        return f"page-{CONSENT_VERSION}-{self.language}"


@cache
def all_texts() -> dict[str, Texts]:
    """Texts by language code, the default first."""
    folder = resources.files("gateway.page.texts")
    names = sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))
    found = {name: Texts(name, _flat(tomllib.loads(folder.joinpath(f"{name}.toml").read_text("utf-8")))) for name in names}
    return {DEFAULT: found.pop(DEFAULT), **found}


def preferred(accepted: str) -> str:
    """The language to begin with, from the header Accept-Language: the first known one by weight."""
    weighted = []
    for part in accepted.split(",")[:32]:
        code, _, weight = part.strip().partition(";q=")
        try:
            weighted.append((-float(weight or 1), code.partition("-")[0].lower()))
        except ValueError:
            continue
    return next((code for _, code in sorted(weighted, key=lambda one: one[0]) if code in all_texts()), DEFAULT)


def _flat(table: dict[str, object], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = str(value)
    return found
