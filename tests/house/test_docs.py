"""What the documents say is so: their blocks run, their links lead somewhere, and every setting is explained.

A code block of a README, or of a page in READMES, runs where its reader would be, at the root of the repository, but in a folder of its
own that holds only links to what stands there; what a block writes is thrown away. Blocks of one README share that folder, in order.

    ```python            runs; as a doctest if it starts with >>>
    ```sh                runs in bash and must succeed
    ```console           each `$ command` runs, and prints what stands below it ("..." stands for anything)
    ```sh no-run         does not run (it would serve for ever, or call this test); its make targets must exist
"""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pydantic
import pytest

from tests.house import generated, settings, tree

RUN = frozenset({"python", "sh", "bash", "console"})
BLOCKS_RUN_MIN = 3
DOCUMENTS = tuple(path for path in tree.files(tree.ROOT) if path.suffix == ".md")
READMES = tuple(path for path in DOCUMENTS if path.name in {"README.md", "BRING_YOUR_OWN.md"})


class Block(NamedTuple):
    """A fenced block: where it opens, its language, whether it runs, and its text."""

    line: int
    language: str
    runs: bool
    text: str


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a Markdown text that are in a language of RUN."""
    for match in re.finditer(r"^([ ]*)```(\w+)([^\n]*)\n(.*?)^\1```[ ]*$", text, re.MULTILINE | re.DOTALL):
        indent, language, info, body = match.groups()
        if language in RUN:
            line = text.count("\n", 0, match.start()) + 1
            yield Block(line, language, "no-run" not in info, re.sub(f"^{indent}", "", body, flags=re.MULTILINE))


def _playground(root: Path, folder: Path) -> Path:
    for entry in root.iterdir():
        if not entry.name.startswith("."):
            (folder / entry.name).symlink_to(entry)
    return folder


def _call(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.prefix, 'bin')}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(tree.ROOT)}
    environment |= {"COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL
    )


def _commands(text: str) -> list[tuple[str, str]]:
    """Each command of a console block with the output that stands below it."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert not parts[0].strip(), f"a console block starts with '$ ': {parts[0]!r}"
    found: list[tuple[str, str]] = []
    for part in parts[1:]:
        command, output = re.match(r"((?:[^\n]*\\\n)*[^\n]*)\n?(.*)", part, re.DOTALL).groups()  # type: ignore[union-attr]  # matches anything
        found.append((command, output))
    return found


def _fits(expected: str, actual: str) -> bool:
    escaped = re.sub(r"([\[\]?*])", r"[\1]", "\n".join(line.rstrip() for line in expected.strip().splitlines()))
    return fnmatch.fnmatchcase("\n".join(line.rstrip() for line in actual.strip().splitlines()), escaped.replace("...", "*"))


def run(block: Block, folder: Path) -> list[str]:
    """Run a block; what went wrong, for people."""
    if block.language == "console":
        steps = [(["bash", "-c", command], output) for command, output in _commands(block.text)]
    elif block.language == "python" and block.text.startswith(">>>"):
        path = folder / "block.txt"
        path.write_text(block.text, encoding="utf-8")
        steps = [([sys.executable, "-m", "doctest", path.name], "...")]
    elif block.language == "python":
        steps = [([sys.executable, "-c", block.text], "...")]
    else:
        steps = [(["bash", "-euo", "pipefail", "-c", block.text], "...")]
    wrong: list[str] = []
    for command, expected in steps:
        done = _call(command, folder)
        if block.language != "console" and done.returncode:
            wrong.append(f"line {block.line}: exit {done.returncode}: {done.stdout[-500:]}{done.stderr[-1500:]}")
        elif block.language == "console" and not _fits(expected, done.stdout + done.stderr):
            wrong.append(f"line {block.line}: {command[-1]!r} printed\n{done.stdout}{done.stderr}\ninstead of\n{expected}")
    return wrong


def missing_targets(block: Block, makefile: str) -> list[str]:
    """Targets that a block asks make for and the Makefile does not have."""
    asked = re.findall(r"\bmake +([a-z]+)", block.text)
    return [target for target in asked if not re.search(rf"^{target}:", makefile, re.MULTILINE)]


def _slugs(text: str) -> set[str]:
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ +(.+?)\s*$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dead_links(path: Path) -> list[str]:
    """Relative links of a document that lead to no file, or to no heading of it."""
    text = path.read_text(encoding="utf-8")
    prose = re.sub(r"^[ ]*```.*?^[ ]*```", "", text, flags=re.MULTILINE | re.DOTALL)
    wrong: list[str] = []
    for link in re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)", prose):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        file = path.parent / target if target else path
        if not file.exists():
            wrong.append(f"{path.name}: {link} leads nowhere")
        elif anchor and file.suffix == ".md" and anchor not in _slugs(file.read_text(encoding="utf-8")):
            wrong.append(f"{path.name}: {link}: there is no such heading")
    return wrong


def _name(path: Path) -> str:
    return path.relative_to(tree.ROOT).as_posix()


@pytest.mark.parametrize("path", READMES, ids=_name)
def test_blocks_run(path: Path, tmp_path: Path) -> None:
    folder = _playground(tree.ROOT, tmp_path)
    wrong = [line for block in blocks(path.read_text(encoding="utf-8")) if block.runs for line in run(block, folder)]
    assert not wrong, "\n".join(wrong)


def test_enough_blocks_run() -> None:
    found = [(_name(path), block) for path in READMES for block in blocks(path.read_text(encoding="utf-8"))]
    shown = "\n".join(f"{name}:{block.line}: {block.language} does not run" for name, block in found if not block.runs)
    assert sum(block.runs for _, block in found) >= BLOCKS_RUN_MIN, f"too few blocks of any README run\n{shown}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_make_targets_exist(path: Path) -> None:
    makefile = (tree.ROOT / "Makefile").read_text(encoding="utf-8")
    wrong = [target for block in blocks(path.read_text(encoding="utf-8")) for target in missing_targets(block, makefile)]
    assert not wrong, f"no such target in the Makefile: {wrong}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_links_lead_somewhere(path: Path) -> None:
    wrong = dead_links(path)
    assert not wrong, "\n".join(wrong)


def test_generated_tables_are_current() -> None:
    assert not generated.stale(), "run: python -m tests.house.generated --write"


@pytest.mark.parametrize("page", generated.PAGES, ids=lambda page: f"{page.path}")
def test_generated_tables_have_rows(page: generated.Page) -> None:
    assert len(page.table().splitlines()) > 10, "hardly any row was found"


# --- these checks can fail ----------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "```python\nraise SystemExit(3)\n```",
        "```python\n>>> 1 + 1\n3\n```",
        "```sh\nfalse\n```",
        "```sh\nfalse | true\n```",
        "- a list\n\n  ```sh\n  exit 1\n  ```",
        "```console\n$ echo one\ntwo\n```",
        "```console\n$ echo fine\nfine\n$ echo [1]\n1\n```",
    ],
)
def test_a_faulty_block_is_caught(tmp_path: Path, text: str) -> None:
    (block,) = blocks(text)
    assert len(run(block, tmp_path)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "```python\nimport gateway\n```",
        "```python\n>>> 1 + 1\n2\n```",
        "```console\n$ echo one; \\\n  echo [2]\none\n[2]\n$ date\n...\n```",
    ],
)
def test_a_true_block_passes(tmp_path: Path, text: str) -> None:
    (block,) = blocks(text)
    assert not run(block, tmp_path)


def test_a_block_that_does_not_run_is_known_as_such() -> None:
    (block,) = blocks("```sh no-run\nmake demo\nmake tea\n```\n```text\nmake\n```\n")
    assert not block.runs
    assert missing_targets(block, "demo: x\n") == ["tea"]


def test_dead_links_are_caught(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A title, so\n[a](gone.md) [b](#nowhere) [c](#a-title-so) [d](https://example.org/x) [e](page.md#a-title-so)\n")
    assert len(dead_links(page)) == 2


def test_settings_are_found_in_depth() -> None:
    class Source(pydantic.BaseModel):
        topic: str = pydantic.Field(description="where | what")

    class Site(pydantic.BaseModel):
        name: str = pydantic.Field("a", description="its name")
        sources: tuple[Source, ...] = ()
        cloud: Source | None = None

    assert settings.table(Site).splitlines()[2:] == [
        "| `name` | `a` | its name |",
        "| `sources[].topic` | required | where \\| what |",
        "| `cloud.topic` | required | where \\| what |",
    ]


def test_a_stale_table_is_caught() -> None:
    assert generated.with_table("a\n| x |\n| old |\n\nb", "| x |\n| new |\n| more |") == "a\n| x |\n| new |\n| more |\n\nb"
    for text in ("no table", "| x |\n\n| x |"):
        with pytest.raises(ValueError, match="tables begin with"):
            generated.with_table(text, "| x |")
