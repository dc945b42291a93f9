"""Docstrings and comments are plain: wordy families only become rarer, and public functions name what they raise."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import prose, tree

# Room -> the most per 1,000 words of (people, speech, what). These numbers may only fall: a room that has become plainer
# by more than SLACK must lower its row in the same change.
CEILINGS: dict[str, tuple[float, float, float]] = {
    "gateway": (4.4, 0.0, 0.1),
    "models": (1.8, 0.0, 0.2),
    "firmware_sim": (2.8, 0.1, 0.1),
    "dashboard": (2.7, 0.0, 0.4),
}
SLACK = 0.4

# Public functions that raise and do not name it in their docstring yet, by room; may only fall.
UNSTATED: dict[str, int] = {"gateway": 0, "models": 0, "firmware_sim": 0, "dashboard": 0}


def unstated(root: Path, room: str) -> Iterator[str]:
    """Public functions whose docstring does not name an exception that they raise themselves."""
    for module in tree.modules(root, room):
        for function in _public_functions(module.tree):
            document = ast.get_docstring(function) or ""
            missing = sorted(name for name in _raised(function) if name not in document)
            if missing:
                yield f"{module.path}:{function.lineno}: {function.name} raises {', '.join(missing)} and its docstring does not name it"


def _public_functions(parent: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in getattr(parent, "body", ()):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public_functions(node)


def _raised(function: ast.AST) -> set[str]:
    """Names of exceptions constructed or named in `raise`, without those of nested functions."""
    found: set[str] = set()
    for node in ast.iter_child_nodes(function):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Raise) and node.exc is not None:
            target = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            name = target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""
            if name[:1].isupper() and name != "Exit":  # typer's way to set the exit code; the docstring is the help text there
                found.add(name)
        found |= _raised(node)
    return found


@pytest.mark.parametrize("room", CEILINGS)
def test_wordy_families_only_become_rarer(room: str) -> None:
    figures = prose.measure(list(prose.sources(room).values()))
    assert figures.words > 1_000, f"hardly any prose was found in {room}: does the walk still see it?"
    for family, most, now in zip(prose.FAMILIES, CEILINGS[room], figures[1:], strict=True):
        hint = f"`python -m tests.house.prose --by-file {room}` shows where"
        assert now <= most, f"{room}: {now} of the family {family!r} per 1,000 words, at most {most} are allowed; {hint}"
        assert now >= most - SLACK, f"{room}: {family!r} has fallen to {now}; lower its ceiling {most} in this change"


@pytest.mark.parametrize("room", UNSTATED)
def test_public_functions_name_what_they_raise(room: str) -> None:
    found = list(unstated(tree.ROOT, room))
    assert len(found) == UNSTATED[room], f"{len(found)} (allowed: exactly {UNSTATED[room]}, may only fall)\n" + "\n".join(found)


def test_the_counter_counts() -> None:
    figures = prose.measure(['"""Whoever said what they had."""\nx = 1  # nobody tells `what`\n'])
    assert figures == (7, 428.6, 285.7, 142.9)


def test_a_raise_without_mention_is_caught(tmp_path: Path) -> None:
    source = (
        'def f():\n    """Do it."""\n    if x:\n        raise ValueError("no")\n'
        'def g():\n    """Do it. Raises ValueError."""\n    raise ValueError("no")\n'
        'def h():\n    """Do it."""\n    try:\n        f()\n    except KeyError as error:\n        raise error\n'
        'def _private():\n    raise ValueError("no")\n'
    )
    assert [line.split(":")[1] for line in unstated(tree.plant(tmp_path, gateway__x=source), "gateway")] == ["1"]
