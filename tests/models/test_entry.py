"""The list of commands is that of the command line, and is printed without the libraries behind it."""

from __future__ import annotations

import subprocess
import sys

from typer.main import get_command

from models import entry
from models.cli import app

HEAVY = {"sklearn", "scipy", "pandas", "skl2onnx", "onnxruntime", "matplotlib"}


def test_the_list_is_that_of_the_command_line() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    first = {name: (command.help or "").split("\n\n")[0].replace("\n", " ").strip() for name, command in commands.items()}
    assert first == entry.COMMANDS
    assert get_command(app).help == entry.HELP


def test_help_imports_no_library_of_models() -> None:
    script = (
        "import sys; sys.argv = ['wayside-models', '--help']\nfrom models import entry\ntry:\n entry.main()\nfinally:\n print(*sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60).stdout
    assert "bundle" in shown
    assert not HEAVY & {name.partition(".")[0] for name in shown.split()}
