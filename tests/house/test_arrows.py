"""Who may import whom: the table of the house, walked over every import of every module.

The arrows are what keeps the core replayable, the decoders exchangeable and the device small, and the simulator honest:
it shares no line with the decoders, or a wrong format would agree with itself.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.house import tree

# No clock, no chance, no input or output: the part of the standard library that computes.
# zoneinfo reads the time zone table, which is data, not time.
PURE = frozenset(
    "__future__ abc base64 binascii bisect collections contextlib copy dataclasses datetime decimal difflib enum fractions "
    "functools hashlib heapq hmac itertools json keyword math operator re statistics string struct textwrap types typing unicodedata "
    "zlib zoneinfo".split()
)

DEVICE = (
    "apsw",
    "cryptography",
    "msgspec",
    "numpy",
    "onnxruntime",
    "pydantic",
    "pydantic_core",
    "rich",
    "securesystemslib",
    "tuf",
    "typer",
    "urllib3",
)
TRAINING = ("sklearn", "scipy", "onnx", "pandas", "joblib", "duckdb", "statsmodels", "matplotlib", "skl2onnx", "holidays", "lightgbm")
SCREEN = ("typer", "rich", "click")


class Room(NamedTuple):
    """Modules below `top` may import `ours` and `third`, the standard library (`stdlib`, or all of it), and their own unit.

    A unit is what shares the first `unit` parts of its dotted name: in `gateway.adapters` each adapter is one.
    """

    top: str
    unit: int
    ours: tuple[str, ...]
    third: tuple[str, ...]
    stdlib: frozenset[str] | None = None
    modules_min: int = 2


ROOMS: tuple[Room, ...] = (
    Room("gateway.core", 2, (), ("numpy", "msgspec"), PURE, modules_min=10),
    # What serves all decoders: the contract knows the core alone. importlib.metadata finds decoders of other distributions.
    Room("gateway.decoders", 3, ("gateway.core",), ("msgspec",), PURE | {"importlib"}, modules_min=5),
    Room(
        "gateway.decoders.values",
        3,
        ("gateway.core", "gateway.decoders.contract", "gateway.decoders.topics"),
        ("defusedxml",),
        PURE,
        modules_min=8,
    ),
    Room(
        "gateway.decoders.bluetooth",
        3,
        ("gateway.core", "gateway.decoders.contract", "gateway.decoders.plugins", "gateway.decoders.values"),
        ("bleparser", "cryptography"),
        PURE,
        modules_min=15,
    ),
    # Mappings are decoders that a config or a device declares.
    Room(
        "gateway.decoders.mapping",
        3,
        ("gateway.core", "gateway.decoders.contract", "gateway.decoders.topics", "gateway.decoders.values"),
        (),
        PURE,
    ),
    # A maker's codec runs in an embedded engine.
    Room(
        "gateway.decoders.lorawan",
        3,
        ("gateway.core", "gateway.decoders.contract", "gateway.decoders.mapping", "gateway.decoders.values"),
        ("msgspec", "quickjs"),
        PURE,
        modules_min=6,
    ),
    # A format's own library beats our code.
    Room(
        "gateway.decoders.formats",
        3,
        (
            "gateway.core",
            "gateway.decoders.contract",
            "gateway.decoders.values",
            "gateway.decoders.bluetooth",
            "gateway.decoders.lorawan",
            "gateway.decoders.mapping",
        ),
        ("cbor2", "google", "msgspec"),
        PURE,
        modules_min=30,
    ),
    # The suite makes test messages from a seed.
    Room(
        "gateway.decoders.conformance",
        3,
        ("gateway.core", "gateway.decoders.contract", "gateway.decoders.values"),
        ("msgspec",),
        PURE | {"random"},
        modules_min=3,
    ),
    Room(
        "gateway.adapters",
        3,
        ("gateway.core",),
        ("apsw", "cel", "cryptography", "h11", "msgspec", "numpy", "onnxruntime", "paho", "phonenumbers", "re2", "urllib3"),
        modules_min=5,
    ),
    # The running agent meets the database, the broker and the cloud as ports of the core; models it loads itself.
    Room(
        "gateway.runtime",
        2,
        ("gateway.core", "gateway.decoders", "gateway.adapters.bundle_store", "gateway.adapters.onnx_scorer"),
        ("msgspec", "numpy"),
        modules_min=8,
    ),
    # The person's page reads people and asks the writer through ports; its SQLite file is the export, which is no store.
    Room(
        "gateway.page",
        2,
        ("gateway.core", "gateway.decoders.values", "gateway.runtime.app"),
        ("msgspec", "segno"),
        modules_min=10,
    ),
    # The authority and the devices that it knows speak HTTP with each other.
    Room("gateway.pki", 2, ("gateway.core", "gateway.adapters.http_client", "gateway.adapters.http_server"), ("cryptography", "msgspec")),
    # Commands stand on everything of the device; nothing of it imports a command back. They alone speak MQTT by aiomqtt: the
    # running gateway's adapter acknowledges after its commit, which needs paho itself.
    Room("gateway.commands", 1, (), (*DEVICE, "aiomqtt", "segno"), modules_min=10),
    # The one command that writes a plain SQLite file; nothing else may import the library for it, which is optional.
    Room("gateway.commands.history.sqlite_file", 1, (), ("msgspec", "sqlite_utils"), modules_min=1),
    Room("gateway", 1, (), DEVICE),
    Room(
        "models",
        1,
        (
            "gateway.core.attributes",
            "gateway.core.bundle",
            "gateway.core.campaign.rules",
            "gateway.core.context",
            "gateway.core.compromise",
            "gateway.core.learned",
            "gateway.core.limits",
            "gateway.core.measure",
            "gateway.core.nearest",
            "gateway.core.offers",
            "gateway.core.opening_hours",
            "gateway.core.quantities",
            "gateway.core.types",
            "gateway.adapters.bundle",
            "gateway.adapters.onnx_graph",
            "gateway.adapters.onnx_scorer",
            "gateway.adapters.toml_files",
            "gateway.runtime.model_check",  # a model is checked here as it will be there
        ),
        ("cel_expr_python", "msgspec", "numpy", "onnxruntime", "cryptography", *TRAINING, *SCREEN),
    ),
    # msgspec writes its JSON; the shapes that it writes are the simulator's own. pydantic checks scenarios.
    Room("firmware_sim", 1, (), ("aiomqtt", "cryptography", "duckdb", "msgspec", "numpy", "pydantic", *SCREEN)),
    # The one exception: policies are compared with the gateway's own decision core. It has no wire format that could agree with itself.
    Room(
        "firmware_sim.policies",
        1,
        ("gateway.core", "gateway.adapters.bundle", "gateway.adapters.onnx_scorer"),
        ("msgspec", "numpy", *SCREEN),
    ),
    Room(
        "dashboard",
        1,
        (
            "gateway.adapters.bundle",
            "gateway.adapters.rules",
            "gateway.adapters.toml_files",
            "gateway.core.attributes.schema",
            "gateway.core.bundle",
            "gateway.core.campaign.rules",
            "gateway.core.condition",
            "gateway.core.creatives",
            "gateway.core.desired",
            "gateway.core.ids",
            "gateway.core.nearest",  # a name that was probably meant
            "gateway.core.offers",
            "gateway.core.privacy.laplace",  # the variance of a stated noise
            "gateway.core.records",
            "gateway.core.types",
        ),
        (
            "alembic",
            "argon2",
            "cryptography",
            "fastapi",
            "starlette",
            "jinja2",
            "joserfc",  # id tokens of a provider; an extra
            "markupsafe",
            "psycopg",
            "sqlalchemy",
            "uvicorn",
            "msgspec",
            "pydantic",
            "tomlkit",
            *SCREEN,
        ),
    ),
)

# A unit that needs another one beside it.
SIBLINGS: dict[str, tuple[str, ...]] = {
    "gateway.decoders.plugins": (
        "gateway.decoders.bluetooth.frames",
        "gateway.decoders.contract",
        "gateway.decoders.registry",
        "gateway.decoders.values.measurements",
    ),
    "gateway.decoders.registry": ("gateway.decoders.contract", "gateway.decoders.topics"),
    "gateway.adapters.bundle": ("gateway.adapters.stored_zip", "gateway.adapters.rules"),
    "gateway.adapters.coupon_keys": ("gateway.adapters.bundle",),
    "gateway.adapters.cloud": ("gateway.adapters.http_client",),
    "gateway.adapters.bundle_store": ("gateway.adapters.whole_file",),
    "gateway.adapters.desired": ("gateway.adapters.http_client", "gateway.adapters.whole_file"),
    "gateway.adapters.webhook": ("gateway.adapters.http_client",),
    "gateway.adapters.desk_client": ("gateway.adapters.unix_sockets",),
    "gateway.adapters.http_server": ("gateway.adapters.unix_sockets",),
    "gateway.adapters.feeds": ("gateway.adapters.http_client",),
    "gateway.adapters.onnx_scorer": ("gateway.adapters.onnx_graph",),
    "gateway.adapters.toml_files": ("gateway.adapters.personal_data", "gateway.adapters.rules"),
    "gateway.adapters.mqtt": (
        "gateway.adapters.broker_faults",
        "gateway.adapters.mqtt_connection",
        "gateway.adapters.mqtt_options",
        "gateway.adapters.mqtt_wire",
    ),
    "gateway.adapters.mqtt_connection": ("gateway.adapters.mqtt_wire",),
    "gateway.adapters.mqtt_paho": ("gateway.adapters.broker_faults", "gateway.adapters.mqtt_options"),
    "gateway.adapters.store": ("gateway.adapters.store.database",),
    "gateway.adapters.store.reader": ("gateway.adapters.store.database", "gateway.adapters.store"),
}

# What nothing but itself and the modules named here imports, whatever their rooms allow.
CLOSED: dict[str, tuple[str, ...]] = {
    "gateway.commands": ("gateway.commands", "gateway.cli"),
    "gateway.decoders.conformance": ("gateway.decoders.conformance",),  # for tests, ours and those of a plug-in
}

# One adapter touches one world: replacing what is outside then replaces one file.
WORLDS: dict[str, tuple[str, ...]] = {
    "MQTT": ("paho", "aiomqtt", "amqtt"),
    "SQLite": ("apsw", "sqlite3"),
    "ONNX Runtime": ("onnxruntime",),
    "CEL": ("cel",),
    "HTTP": ("urllib3", "h11", "http", "urllib.request"),
}


def room_of(name: str) -> Room | None:
    """The room whose prefix fits closest."""
    fitting = [room for room in ROOMS if tree.below(name, room.top)]
    return max(fitting, key=lambda room: len(room.top), default=None)


def may(room: Room, module: str, target: str) -> bool:
    """Whether `module` of `room` may import `target`."""
    top = target.split(".", maxsplit=1)[0]
    if any(tree.below(target, closed) and not any(tree.below(module, one) for one in users) for closed, users in CLOSED.items()):
        return False
    if top in (*tree.OURS, "tests"):
        unit = ".".join(module.split(".")[: room.unit])
        return any(tree.below(target, allowed) for allowed in (unit, *room.ours, *SIBLINGS.get(unit, ())))
    if top in sys.stdlib_module_names:
        return room.stdlib is None or top in room.stdlib
    return top in room.third


def violations(root: Path) -> tuple[list[str], Counter[str], Counter[str]]:
    """Forbidden imports as lines for people; modules and allowed imports of ours or of others, counted by room."""
    wrong: list[str] = []
    visited: Counter[str] = Counter()
    allowed: Counter[str] = Counter()
    for module in tree.modules(root, *tree.OURS):
        room = room_of(module.name)
        if room is None:
            wrong.append(f"{module.path}: no room of the table holds this module")
            continue
        visited[room.top] += 1
        for line, target in tree.imports(module):
            if not may(room, module.name, target):
                wrong.append(f"{module.path}:{line}: {room.top} may not import {target}")
            elif target.split(".", maxsplit=1)[0] not in sys.stdlib_module_names:
                allowed[room.top] += 1
    return wrong, visited, allowed


def worlds(root: Path) -> list[str]:
    """Adapters that touch more than one world."""
    wrong: list[str] = []
    for module in tree.modules(root, "gateway"):
        if tree.below(module.name, "gateway.adapters"):
            targets = [target for _, target in tree.imports(module)]
            touched = [world for world, names in WORLDS.items() if any(tree.below(t, name) for t in targets for name in names)]
            if len(touched) > 1:
                wrong.append(f"{module.path}: touches {' and '.join(touched)}; an adapter touches one world")
    return wrong


def test_arrows_point_the_right_way() -> None:
    wrong, _, _ = violations(tree.ROOT)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.top)
def test_every_room_was_visited(room: Room) -> None:
    _, visited, allowed = violations(tree.ROOT)
    assert visited[room.top] >= room.modules_min, f"only {visited[room.top]} modules seen in {room.top}: does the walk still find it?"
    assert allowed[room.top], f"no allowed import seen in {room.top}: does the table still describe it?"


def test_an_adapter_touches_one_world() -> None:
    assert not worlds(tree.ROOT), "\n".join(worlds(tree.ROOT))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gateway__core__engine", "import time"),
        ("gateway__core__engine", "import random"),
        ("gateway__core__engine", "from os import urandom"),
        ("gateway__core__engine", "from gateway.adapters import store"),
        ("gateway__core__engine", "from .. import app"),
        ("gateway__core__engine", "def f():\n    import logging"),
        ("gateway__core__engine", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import onnxruntime"),
        ("gateway__decoders__formats__ruuvi", "from gateway.adapters.clock import now"),
        ("gateway__decoders__formats__ruuvi", "import socket"),
        ("gateway__decoders__formats__ruuvi", "from gateway.decoders.registry import load"),
        ("gateway__decoders__values__units", "from gateway.decoders.bluetooth import frames"),
        ("gateway__decoders__bluetooth__minew", "from gateway.decoders.formats import theengs"),
        ("gateway__decoders__bluetooth__minew", "from gateway.decoders.lorawan import uplink"),
        ("gateway__decoders__lorawan__elsys", "from gateway.decoders.bluetooth import frames"),
        ("gateway__decoders__contract", "from gateway.decoders.values import units"),
        ("gateway__decoders__registry", "from gateway.decoders.conformance import checks"),
        ("gateway__decoders__conformance__checks", "from gateway.decoders.formats import owntracks"),
        ("gateway__commands__decode", "from gateway.decoders.conformance.checks import check_decoder"),
        ("gateway__adapters__store", "from gateway.decoders import contract"),
        ("gateway__adapters__store", "from gateway.adapters.mqtt import Mqtt"),
        ("gateway__adapters__store", "import gateway.runtime.app"),
        ("gateway__runtime__app", "from gateway.adapters.store import Store"),
        ("gateway__runtime__app", "from gateway.adapters import mqtt"),
        ("gateway__runtime__app", "from gateway.commands.options import fail"),
        ("gateway__runtime__app", "import typer"),
        ("gateway__build", "from gateway.commands import run"),
        ("gateway__page__actions", "from gateway.adapters.store.reader import Reader"),
        ("gateway__page__actions", "from gateway.runtime.mailbox import Mailbox"),
        ("gateway__commands__history__rows", "import sqlite_utils"),
        ("gateway__app", "import sklearn"),
        ("gateway__runtime__app", "import aiomqtt"),
        ("gateway__adapters__mqtt", "import aiomqtt"),
        ("gateway__commands__replay", "from paho.mqtt import client"),
        ("gateway__app", "import fastapi"),
        ("gateway__demo", "from firmware_sim import fleet"),
        ("gateway__demo", "import dashboard.app"),
        ("models__train", "from gateway.core import engine"),
        ("models__train", "from gateway.adapters import store"),
        ("firmware_sim__fleet", "from gateway.core.types import Message"),
        ("firmware_sim__fleet", "import onnxruntime"),
        ("firmware_sim__policies__run", "from gateway.decoders import contract"),
        ("firmware_sim__policies__run", "from gateway.adapters.store import Store"),
        ("firmware_sim__fleet", "from paho.mqtt import client"),
        ("dashboard__web", "from gateway.core import privacy"),
        ("dashboard__web", "from tests.kit import shared"),
    ],
)
def test_a_wrong_arrow_is_caught(tmp_path: Path, module: str, source: str) -> None:
    wrong, visited, _ = violations(tree.plant(tmp_path, **{module: source}))
    assert visited.total() == 1
    assert len(wrong) == 1, wrong


def test_two_worlds_in_one_adapter_are_caught(tmp_path: Path) -> None:
    assert worlds(tree.plant(tmp_path, gateway__adapters__both="import apsw\nfrom paho.mqtt import client"))
