"""What no file of ours contains, and what every test does.

Paths and package hosts of one machine are worth nothing on another. A file that nobody can hold in their head should be
two. A test that asserts nothing, sleeps, or replaces our own code by a mock shows that the test runs, not that the code does.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import tree

LINES_MAX = 600

# In pieces, so that this file does not find itself.
FOREIGN = re.compile(
    "|".join(
        (
            "py" + r"pi\.org",
            "python" + r"hosted\.org",
            "registry" + r"\.npmjs",
            "deb" + r"\.debian\.org",
            r"(?<![\w/.$}~-])/(work|tmp|root|home/\w+)" + "/",
            r"\.py" + "env/",
            r"\.lib" + "rary/",
        )
    )
)
CHECKING = re.compile(r"^(assert|check|expect|raises|warns|fail|verify|must)")


def foreign(path: Path) -> list[str]:
    """Lines of a text file that name a package host or a path of one machine."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return []
    return [f"{path.name}:{number}: {line.strip()[:120]}" for number, line in enumerate(text.splitlines(), 1) if FOREIGN.search(line)]


def _functions(module: tree.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in tree.nodes(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def asserting(module: tree.Module) -> set[str]:
    """The module's functions that assert something, themselves or through another function of the module."""
    called: dict[str, set[str]] = {}
    found: set[str] = set()
    for function in _functions(module):
        names = {_last_name(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
        called[function.name] = called.get(function.name, set()) | names
        if any(isinstance(node, ast.Assert) for node in ast.walk(function)) or any(CHECKING.match(name.lstrip("_")) for name in names):
            found.add(function.name)
    while more := {name for name, names in called.items() if name not in found and names & found}:
        found |= more
    return found


def empty_tests(root: Path) -> list[str]:
    """Test functions that assert nothing."""
    return [
        f"{module.path}:{function.lineno}: {function.name} asserts nothing"
        for module in tree.modules(root, "tests")
        for good in [asserting(module)]
        for function in _functions(module)
        if function.name.startswith("test_") and function.name not in good
    ]


def _yields_only(use: tree.Use) -> bool:
    """Whether this is `asyncio.sleep(0)`, which lets others run and waits for nothing."""
    arguments = use.call.args if use.call else []
    return use.name == "asyncio.sleep" and len(arguments) == 1 and isinstance(arguments[0], ast.Constant) and arguments[0].value == 0


def lazy_tests(root: Path) -> list[str]:
    """Sleeps and mocks in tests."""
    return [
        f"{module.path}:{use.line}: {use.name}: tests own time, and our code is not patched"
        for module in tree.modules(root, "tests")
        for use in tree.uses(module)
        if any(tree.below(use.name, name) for name in ("time.sleep", "asyncio.sleep", "unittest.mock")) and not _yields_only(use)
    ]


def undescribed(root: Path) -> list[str]:
    """Packages with neither a README nor a docstring, and modules with code and no docstring."""
    wrong: list[str] = []
    for module in tree.modules(root, *tree.OURS, "tests"):
        has_readme = module.is_package and (root / module.path).with_name("README.md").exists()
        if not has_readme and not ast.get_docstring(module.tree):
            wrong.append(f"{module.path}: does not open with why it is there")
    return wrong


def too_long(root: Path, lines_max: int) -> list[str]:
    """Python files that are longer than anyone reads."""
    counted = ((path, path.read_bytes().count(b"\n")) for path in tree.files(root) if path.suffix == ".py")
    return [f"{path.relative_to(root)}: {lines} lines, over {lines_max}" for path, lines in counted if lines > lines_max]


def test_no_file_names_this_machine() -> None:
    files = tree.files(tree.ROOT)
    assert len(files) >= 50, "hardly any file was found: does the walk still see the tree?"
    wrong = [line for path in files for line in foreign(path)]
    assert not wrong, "\n".join(wrong)


def test_files_are_short() -> None:
    wrong = too_long(tree.ROOT, LINES_MAX)
    assert not wrong, "\n".join(wrong)


def test_everything_says_why_it_is_there() -> None:
    wrong = undescribed(tree.ROOT)
    assert not wrong, "\n".join(wrong)


def test_every_test_asserts() -> None:
    count = sum(function.name.startswith("test_") for module in tree.modules(tree.ROOT, "tests") for function in _functions(module))
    assert count >= 50, "hardly any test was found: does the walk still see them?"
    wrong = empty_tests(tree.ROOT)
    assert not wrong, "\n".join(wrong)


def test_tests_neither_sleep_nor_patch() -> None:
    wrong = lazy_tests(tree.ROOT)
    assert not wrong, "\n".join(wrong)


# --- these checks can fail ----------------------------------------------------------------------
@pytest.mark.parametrize("line", ["see https://py" + "pi.org/x", "cd /wo" + "rk/main", "'/tm" + "p/x'", "FROM deb.deb" + "ian.org"])
def test_a_foreign_line_is_caught(tmp_path: Path, line: str) -> None:
    page = tmp_path / "page.txt"
    page.write_text(f"fine\n{line}\na framework/thing, $HOME/homework/x\n", encoding="utf-8")
    assert len(foreign(page)) == 1


@pytest.mark.parametrize(
    "source", ["def test_x(): f()", "async def test_x():\n    await f()", "class TestA:\n    def test_x(self): self.f()"]
)
def test_an_empty_test_is_caught(tmp_path: Path, source: str) -> None:
    assert len(empty_tests(tree.plant(tmp_path, tests__x=source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "def test_x():\n    with pytest.raises(ValueError): f()",
        "def test_x(): check_decoder(d)",
        "def _sure(): assert f()\ndef _twice(): _sure()\ndef test_x(): _twice()",
    ],
)
def test_a_test_that_asserts_passes(tmp_path: Path, source: str) -> None:
    assert not empty_tests(tree.plant(tmp_path, tests__x=source))


@pytest.mark.parametrize(
    "source",
    ["import time\ntime.sleep(1)", "from asyncio import sleep\nawait sleep(0.1)", "from unittest.mock import patch\npatch('gateway.x')"],
)
def test_a_lazy_test_is_caught(tmp_path: Path, source: str) -> None:
    assert len(lazy_tests(tree.plant(tmp_path, tests__x=source))) == 1


def test_letting_others_run_is_no_sleep(tmp_path: Path) -> None:
    assert not lazy_tests(tree.plant(tmp_path, tests__x="import asyncio\nawait asyncio.sleep(0)"))


def test_a_silent_or_long_file_is_caught(tmp_path: Path) -> None:
    tree.plant(tmp_path, gateway__x="x = 1\n" * 4, gateway__core____init__="")
    assert len(undescribed(tmp_path)) == 2
    assert too_long(tmp_path, 4) == []
    assert len(too_long(tmp_path, 3)) == 1
