"""What the house tests read: our own files and, of the Python ones, what they import and which names they use.

Everything is read from syntax trees and nothing is imported, so half-made or faulty code can be looked at as well, and
a reference counts even where it is not called (`clock=time.monotonic` reads the clock as surely as a call does).
"""

from __future__ import annotations

import ast
import functools
import os
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
OURS = ("gateway", "models", "firmware_sim", "dashboard")
_NOT_OURS = {"build", "dist", "node_modules", "__pycache__"}
_HIDDEN_OURS = {".ci", ".gitignore", ".github"}


class Module(NamedTuple):
    """A Python file: its path below the root with forward slashes, its dotted name and its syntax tree."""

    path: str
    name: str
    tree: ast.Module
    is_package: bool


class Import(NamedTuple):
    """One imported thing, by its full dotted name: `from a.b import c` imports `a.b.c`."""

    line: int
    target: str


class Use(NamedTuple):
    """A name that is read, resolved through the module's imports: `np.zeros` is `numpy.zeros`.

    `call` is the call of that very name, if it is one. Naming `random.Random` as a type draws nothing: `is_type`.
    """

    line: int
    name: str
    call: ast.Call | None
    is_type: bool


def below(name: str, prefix: str) -> bool:
    """Whether the dotted `name` is `prefix` or lies in it."""
    return name == prefix or name.startswith(prefix + ".")


def _is_ours(name: str) -> bool:
    return name not in _NOT_OURS and not name.endswith(".egg-info") and (not name.startswith(".") or name in _HIDDEN_OURS)


@functools.cache
def files(root: Path) -> tuple[Path, ...]:
    """Every file that is the project's own: no environment, no cache, no build."""
    found: list[Path] = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if _is_ours(name))
        found.extend(Path(folder) / name for name in sorted(names) if _is_ours(name))
    return tuple(found)


@functools.cache
def _module(root: Path, path: Path) -> Module:
    relative = path.relative_to(root)
    is_package = relative.stem == "__init__"
    dotted = ".".join(relative.parent.parts if is_package else relative.with_suffix("").parts)
    return Module(relative.as_posix(), dotted, ast.parse(path.read_bytes(), str(path)), is_package)


@functools.cache
def modules(root: Path, *tops: str) -> tuple[Module, ...]:
    """The Python files below the folders `tops` of `root`; a file is parsed once, however many callers ask for it."""
    folders = tuple(f"{top}/" for top in tops)
    return tuple(
        _module(root, path) for path in files(root) if path.suffix == ".py" and path.relative_to(root).as_posix().startswith(folders)
    )


@functools.cache
def nodes(module: Module) -> tuple[ast.AST, ...]:
    """Every node of the module's syntax tree, outer nodes before inner ones."""
    return tuple(ast.walk(module.tree))


def _base(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    kept = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*kept, node.module] if node.module else kept)


@functools.cache
def imports(module: Module) -> tuple[Import, ...]:
    """Everything that the module imports, wherever in it, for types only or not."""
    found: list[Import] = []
    for node in nodes(module):
        if isinstance(node, ast.Import):
            found.extend(Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.extend(Import(node.lineno, f"{_base(module, node)}.{alias.name}") for alias in node.names)
    return tuple(found)


def _aliases(module: Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in nodes(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = alias.name if alias.asname else alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            names.update({alias.asname or alias.name: f"{_base(module, node)}.{alias.name}" for alias in node.names})
    return names


def _annotations(module: Module) -> set[int]:
    marked: set[int] = set()
    for node in nodes(module):
        annotation = node.returns if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else getattr(node, "annotation", None)
        if isinstance(annotation, ast.expr):
            marked.update(id(part) for part in ast.walk(annotation))
    return marked


def _chain(node: ast.expr) -> list[str] | None:
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        head = _chain(node.value)
        return [*head, node.attr] if head else None
    return None


@functools.cache
def uses(module: Module) -> tuple[Use, ...]:
    """Every name and every dotted chain of names that the module reads."""
    aliases = _aliases(module)
    types = _annotations(module)
    skipped: set[int] = set()
    calls = {id(node.func): node for node in nodes(module) if isinstance(node, ast.Call)}
    found: list[Use] = []
    for node in nodes(module):
        if id(node) in skipped or not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        chain = _chain(node)
        if chain:
            # The head of a longer chain would be seen again by itself; it says nothing new.
            skipped.update(id(part) for part in ast.walk(node))
            name = ".".join([aliases.get(chain[0], chain[0]), *chain[1:]])
            found.append(Use(node.lineno, name, calls.get(id(node)), id(node) in types))
    return tuple(found)


def plant(root: Path, **sources: str) -> Path:
    """Write a small tree for a negative control; `gateway__core__x` becomes the file `gateway/core/x.py`."""
    for name, source in sources.items():
        path = root.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return root
