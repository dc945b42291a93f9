"""One word per idea: names that we coin in the gateway do not use the words that the house has given up.

Two words for one thing cost every reader a look. Only names that we define are looked at (modules, classes, functions,
arguments, variables, fields); other people's words are theirs, and the few we must repeat stand in a table.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import tree

# The word that is not used -> the word that is. Words that are also plain English or Python here ("data", "state",
# "package", "queue", "result") are left to the reader's sense.
GIVEN_UP: dict[str, str] = {
    "event": "message or observation",
    "packet": "message",
    "client": "device",
    "node": "device",
    "user": "subject",
    "customer": "subject",
    "area": "zone",
    "location": "zone or position",
    "session": "visit",
    "profile": "context",
    "advert": "offer",
    "notification": "trigger",
    "feedback": "answer",
    "telemetry": "record",
}

# Other people's words, by file: who calls what so.
THEIRS: dict[str, dict[str, str]] = {
    "gateway/adapters/mqtt.py": {"client": "paho's and MQTT's", "session": "MQTT's", "packet": "MQTT's"},
    "gateway/adapters/onnx_scorer.py": {"session": "ONNX Runtime's InferenceSession", "node": "a graph's, in ONNX"},
    "gateway/decoders/formats/espresense.py": {"telemetry": "a topic of ESPresense"},
    "gateway/decoders/formats/shelly_gen2_rpc.py": {"event": "a kind of message of Shelly"},
    "gateway/commands/broker.py": {"client": "aiomqtt's"},
    "gateway/decoders/formats/owntracks.py": {"location": "a message type of OwnTracks", "event": "a field of OwnTracks"},
}


def coined(module: tree.Module) -> Iterator[tuple[int, str]]:
    """Every name that the module defines, with its line."""
    yield 1, module.path.rsplit("/", maxsplit=1)[-1].removesuffix(".py")
    for node in tree.nodes(module):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name


def words(name: str) -> list[str]:
    """The words of a name, in lower case and singular: `UserEvents` -> user, event."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return [part.lower().removesuffix("s") for part in parts]


def violations(root: Path, theirs: dict[str, dict[str, str]]) -> list[str]:
    """Names that use a word given up, as lines for people."""
    return [
        f"{module.path}:{line}: {name!r} says {word!r}; here that is a {GIVEN_UP[word]}"
        for module in tree.modules(root, "gateway")
        for line, name in coined(module)
        for word in words(name)
        if word in GIVEN_UP and word not in theirs.get(module.path, {})
    ]


def test_words_given_up_are_not_used() -> None:
    names = {name for module in tree.modules(tree.ROOT, "gateway") for _, name in coined(module)}
    assert len(names) >= 300, "hardly any name was found: does the walk still see the gateway?"
    wrong = violations(tree.ROOT, THEIRS)
    assert not wrong, "\n".join(wrong)


def test_their_words_are_still_needed() -> None:
    found = {(line.split(":")[0], line.split("'")[3]) for line in violations(tree.ROOT, {})}
    idle = {(path, word) for path, theirs in THEIRS.items() for word in theirs} - found
    assert not idle, f"allowed and not used: {sorted(idle)}"


@pytest.mark.parametrize(
    "source",
    [
        "class TriggerEvent: ...",
        "def f(user_id): ...",
        "for customer in x: ...",
        "self.notifications = 1",
        "async def send_feedback(): ...",
        "SESSIONS = 3",
        "with f() as client: ...",
        "class A:\n    userName: str",
    ],
)
def test_a_wrong_word_is_caught(tmp_path: Path, source: str) -> None:
    assert len(violations(tree.plant(tmp_path, gateway__core__x=source), {})) == 1


@pytest.mark.parametrize("source", ["asyncio.Event().set()", "def eventual(reused): ...", "shareable = 1", "import user as theirs"])
def test_their_words_and_parts_of_words_pass(tmp_path: Path, source: str) -> None:
    assert not violations(tree.plant(tmp_path, gateway__core__x=source), {})


def test_a_word_of_theirs_passes_where_it_is_theirs(tmp_path: Path) -> None:
    tree.plant(tmp_path, gateway__adapters__a="client = 1", gateway__adapters__b="client = 1")
    (wrong,) = violations(tmp_path, {"gateway/adapters/a.py": {"client": "paho's"}})
    assert wrong.startswith("gateway/adapters/b.py:1: 'client' says 'client'")
