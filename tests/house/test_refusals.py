"""All errors of commands are refusals, which `gateway/cli.py` renders: `wayside: place: cause: way out`, one line for each fault.

A class of errors that no command can meet is listed with the place that handles it.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import gateway
from gateway.cli import COMMANDS, load
from gateway.core.refusal import Refusal
from tests.commands.terminal import wayside
from tests.house.tree import ROOT

HANDLED = {
    "BrokenDecoderError": "build_router: SetupError",
    "BusyError": "page: status 503",
    "CampaignError": "toml_files: TomlFileError",
    "ColumnsError": "bundle: BundleError",
    "CouponError": "till and gateway: the reason of a refused code",
    "DecodeError": "router: a dead letter",
    "DecoderNotFoundError": "build_router: SetupError",
    "ExpiredCodeError": "claims: the reason of a refused code",
    "FeedError": "build_feeds: SetupError",
    "FormError": "page: status 400",
    "GraphError": "onnx_scorer: ScorerError",
    "IncompleteLogError": "what-if: a decision that is left out",
    "NotConformingError": "tests of decoders",
    "OpeningHoursError": "config and toml_files: an error with its place",
    "PlacedError": "config: ConfigError",
    "ProtocolFaultError": "mqtt: the trouble of a connection",
    "RuleError": "toml_files: TomlFileError",
    "SchemaError": "toml_files: TomlFileError",
    "StoredZipError": "bundle: BundleError",
    "WrongCodeError": "claims: the reason of a refused code",
}
"""Name -> the place that handles it, and its result."""
COMMANDS_FOLDER = ROOT / "gateway" / "commands"


def _modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(gateway.__path__, "gateway."):
        yield importlib.import_module(found.name)


def test_every_class_of_errors_is_a_refusal_or_handled() -> None:
    own = {
        kind
        for module in _modules()
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Exception) and kind.__module__.startswith("gateway.")
    }
    refused = {kind.__name__ for kind in own if issubclass(kind, Refusal)}
    others = {kind.__name__ for kind in own if not issubclass(kind, Refusal | OSError)}  # errors of the system are rendered as they are
    assert {"ConfigError", "SetupError", "StoreError", "BackupError", "CertificateError"} < refused
    assert others == set(HANDLED)


def _calls(path: Path, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in names:
            yield node


def test_no_command_renders_an_error_itself() -> None:
    """Only `cli.py` writes `wayside: …` of an error; a fault that a command was asked to find is its result, with exit code 1."""
    seen = 0
    for path in sorted(COMMANDS_FOLDER.rglob("*.py")):
        for call in _calls(path, "exit", "SystemExit", "print_exc", "secho"):
            pytest.fail(f"{path}:{call.lineno}: raise a Refusal")
        for call in _calls(path, "Refusal", "WrongUse"):
            seen += 1
            literal = isinstance(call.args[0], ast.Constant | ast.JoinedStr)
            assert len(call.args) > 1 or not literal, f"{path}:{call.lineno}: name a way out"
    assert seen > 20


def _leaves() -> Iterator[tuple[str, ...]]:
    for name in COMMANDS:
        command = load(name)
        for leaf in getattr(command, "commands", {}) or [""]:
            yield (name, leaf) if leaf else (name,)


def _command(words: tuple[str, ...]) -> Any:
    command = load(words[0])
    return command if len(words) == 1 else getattr(command, "commands", {})[words[1]]


VALUES = {"--purposes": "presence", "--broker": "mqtt://127.0.0.1:1", "--passphrase-file": "/dev/null"}
WITH_CONFIG = [words for words in _leaves() if words != ("restore",) and any("--config" in one.opts for one in _command(words).params)]


@pytest.mark.parametrize("words", WITH_CONFIG, ids=" ".join)
def test_a_config_that_is_wrong_is_refused_by_every_command_in_the_same_words(words: tuple[str, ...], tmp_path: Path) -> None:
    """`doctor` states it as its first finding; `restore` makes the config."""
    wrong = tmp_path / "wayside.toml"
    wrong.write_text('site = "street"\nmqqt = 1\n', "utf-8")
    needed: list[str] = []
    for one in _command(words).params:
        if one.required and one.opts[0] != "--config":
            value = VALUES.get(one.opts[0], str(tmp_path / "new.json"))
            needed += [value] if one.param_type_name == "argument" else [one.opts[0], value]
    done = wayside(*words, *needed, "--config", wrong)
    expected = f"{wrong}:2: mqqt: unknown key; did you mean 'mqtt'?"
    assert done.code == (1 if words == ("doctor",) else 2), done
    assert expected in (done.out if words == ("doctor",) else done.err), done
    assert words == ("doctor",) or all(line.startswith("wayside: ") for line in done.err.splitlines())
