"""One meaning per word: where the gateway's own terms are used, names do not use words that have a second meaning there.

Only names that we define are checked: modules, classes, functions, arguments, variables, fields. In adapters, decoders, commands and the
MQTT codec these words are those of MQTT, ONNX Runtime or a wire format, so they have one meaning there and are allowed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import tree

# Rooms that use the terms of gateway/core/types.py.
ROOMS = ("gateway.core", "gateway.runtime", "gateway.build", "gateway.config", "gateway.cli")
CODEC = "gateway.core.mqtt"

# Word -> its meaning outside, and the term that it could be taken for.
GIVEN_UP: dict[str, str] = {
    "advert": "a Bluetooth advertisement, or an offer",
    "client": "an MQTT client, or a device",
    "event": "an event of asyncio or threading, or an observation",
    "location": "a field of a wire format, or a zone or position",
    "node": "a node of a model's graph, or a device",
    "packet": "an MQTT packet, or a message",
    "profile": "a Bluetooth profile, or the context of a subject",
    "session": "a session of MQTT or ONNX Runtime, or a visit",
    "user": "the user name at a broker, or a subject",
}

# Word of GIVEN_UP -> the room where it is a term of our own: an event is there what a feed states, `gateway.core.types.Event`.
OWN_TERMS: dict[str, str] = {"event": "gateway.core"}


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


def checked(root: Path) -> list[tree.Module]:
    """The modules of ROOMS, without the codec."""
    modules = [module for module in tree.modules(root, "gateway") if not tree.below(module.name, CODEC)]
    return [module for module in modules if any(tree.below(module.name, room) for room in ROOMS)]


def violations(root: Path) -> list[str]:
    """Names with a word of GIVEN_UP, one line each."""
    return [
        f"{module.path}:{line}: {name!r}: {word!r} may mean {GIVEN_UP[word]}; use the term that is meant"
        for module in checked(root)
        for line, name in coined(module)
        for word in words(name)
        if word in GIVEN_UP and not (word in OWN_TERMS and tree.below(module.name, OWN_TERMS[word]))
    ]


def test_words_with_two_meanings_are_not_used() -> None:
    names = {name for module in checked(tree.ROOT) for _, name in coined(module)}
    assert len(names) >= 300, "hardly any name was found: does the walk still see the gateway?"
    wrong = violations(tree.ROOT)
    assert not wrong, "\n".join(wrong)


def test_every_room_is_seen() -> None:
    seen = {module.name for module in checked(tree.ROOT)}
    assert all(any(tree.below(name, room) for name in seen) for room in ROOMS)


@pytest.mark.parametrize(
    "source",
    [
        "class TriggerClient: ...",
        "def f(user_id): ...",
        "for client in x: ...",
        "self.locations = 1",
        "async def read_packet(): ...",
        "SESSIONS = 3",
        "with f() as client: ...",
        "class A:\n    userName: str",
    ],
)
def test_a_word_with_two_meanings_is_caught(tmp_path: Path, source: str) -> None:
    assert len(violations(tree.plant(tmp_path, gateway__core__x=source))) == 1


@pytest.mark.parametrize("source", ["asyncio.Event().set()", "def eventual(reused): ...", "shareable = 1", "import user as theirs"])
def test_used_names_and_parts_of_words_pass(tmp_path: Path, source: str) -> None:
    assert not violations(tree.plant(tmp_path, gateway__core__x=source))


def test_an_own_term_is_one_in_its_room_only(tmp_path: Path) -> None:
    tree.plant(tmp_path, gateway__core__x="class Event: ...", gateway__runtime__app="stop_event = 1")
    (wrong,) = violations(tmp_path)
    assert wrong.startswith("gateway/runtime/app.py:1: 'stop_event'")


def test_the_words_are_allowed_where_they_have_one_meaning(tmp_path: Path) -> None:
    tree.plant(tmp_path, gateway__adapters__mqtt="client = 1", gateway__commands__broker="client = 1", gateway__runtime__app="client = 1")
    (wrong,) = violations(tmp_path)
    assert wrong.startswith("gateway/runtime/app.py:1: 'client'")
