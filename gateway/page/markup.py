"""HTML from plain functions: `el("p", "text", class_="note")`. A text is escaped unless it is `Html`, so no input can become markup."""

from __future__ import annotations

from html import escape
from typing import TypeAlias

VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})


class Html(str):
    """Markup, which is not escaped again."""

    __slots__ = ()


Child: TypeAlias = "str | int | list[Html] | None"
"""A text or a number, markup, a list of markup, or nothing."""


def join(*children: Child) -> Html:
    """The children one after the other."""
    return Html("".join(_text(child) for child in children))


def el(tag: str, *children: Child, **attributes: str | int | bool | None) -> Html:
    """An element. Names of attributes have `_` for `-` and may end in `_` (`class_`).

    True is an attribute without a value; None and False are left out.
    """
    stated = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{tag}{stated}>") if tag in VOID else Html(f"<{tag}{stated}>{join(*children)}</{tag}>")


def _text(child: Child) -> str:
    if isinstance(child, Html):
        return child
    if isinstance(child, list):
        return "".join(child)
    return "" if child is None else escape(str(child))
