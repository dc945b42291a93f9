"""Every bound of the gateway, and where it is enforced.

A bound is a name that ends in `_MAX`, in `gateway/core/limits.py` or at the top of any other module of the gateway. It is enforced where it
is compared, where it cuts (a slice, `min`, `range`), or where it is handed to something that bounds by it (`maxlen`, a type's
`max_length`, a deadline); the text of an error message enforces nothing.

`python -m tests.house.limits` prints the list.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.house import tree

HOME = "gateway.core.limits"
SUFFIX = "_MAX"


class Limit(NamedTuple):
    """A bound: where it is declared, its value as written, and the places that enforce it (`path:line`)."""

    name: str
    declared: str
    value: str
    enforced: tuple[str, ...]


def limits(root: Path) -> list[Limit]:
    """All bounds of the checkout at `root`, by the place of their declaration."""
    modules = [module for module in tree.modules(root, "gateway") if "/conformance/" not in module.path]
    places: dict[tuple[str, str], list[str]] = {}
    for module in modules:
        for key, line in _enforcing(module):
            places.setdefault(key, []).append(f"{module.path}:{line}")
    found = []
    for module in modules:
        for name, line, value in _declared(module):
            enforced = tuple(dict.fromkeys(places.get((module.name, name), ())))
            found.append(Limit(name, f"{module.path}:{line}", value, enforced))
    return found


def _declared(module: tree.Module) -> Iterator[tuple[str, int, str]]:
    """Name, line and value of the bounds at the top of a module."""
    for node in module.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            names = [one for target in targets for one in (target.elts if isinstance(target, ast.Tuple) else [target])]
            values = node.value.elts if isinstance(node.value, ast.Tuple) and len(names) > 1 else [node.value] * len(names)
            for one, value in zip(names, values, strict=True):
                if isinstance(one, ast.Name) and one.id.endswith(SUFFIX):
                    yield one.id, node.lineno, ast.unparse(value)


def _enforcing(module: tree.Module) -> Iterator[tuple[tuple[str, str], int]]:
    """(module, name) of each bound that is used other than in a text, an import, or among the bounds themselves; and the line."""
    if module.name == HOME:
        return
    known = _names(module)
    skipped = {id(inner) for node in ast.walk(module.tree) if isinstance(node, ast.JoinedStr) for inner in ast.walk(node)}
    for node in ast.walk(module.tree):
        if id(node) in skipped or not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            home, name = known.get(node.value.id, ("", ""))
            home, name = (f"{home}.{name}" if name else home), node.attr
        else:
            home, name = known.get(node.id, (module.name, node.id)) if isinstance(node, ast.Name) else ("", "")
        if name.endswith(SUFFIX):
            yield (home, name), node.lineno


def _names(module: tree.Module) -> dict[str, tuple[str, str]]:
    """What imported names stand for: module, and name in it."""
    found: dict[str, tuple[str, str]] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.asname or alias.name: (alias.name, "") for alias in node.names}
    return found


def main() -> None:
    """Print each bound with its value and the first places that enforce it."""
    found = limits(tree.ROOT)
    for one in found:
        more = f" and {len(one.enforced) - 2} more" if len(one.enforced) > 2 else ""
        sys.stdout.write(f"{one.name} = {one.value}: {', '.join(one.enforced[:2]) or 'nowhere'}{more}\n")
    sys.stdout.write(f"{len(found)} bounds, {sum(not one.enforced for one in found)} not enforced\n")


if __name__ == "__main__":
    main()
