"""Calls that the house does without, and the few rooms that may make them.

Time and chance arrive as arguments, or a decision could not be replayed; noise comes from the system's entropy at one
door, or the privacy promise could not be checked; faults of our own are never swallowed. Each row says what, where, why,
and which files are excepted for which reason.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.house import tree


def _always(_: tree.Use) -> bool:
    return True


def _unseeded(use: tree.Use) -> bool:
    """Whether a generator is made without a seed, or the one that the whole process shares is drawn from."""
    makers = ("random.Random", "numpy.random.default_rng", "numpy.random.Generator", "numpy.random.SeedSequence", "numpy.random.PCG64")
    if use.name in makers and use.call is not None:
        return not use.call.args and not use.call.keywords
    return use.name not in makers


class Ban(NamedTuple):
    """`names` (and all below them) are not used in `tops`, but for the files of `allowed`, each with its reason."""

    title: str
    tops: tuple[str, ...]
    names: tuple[str, ...]
    why: str
    allowed: Mapping[str, str] = {}
    counts: Callable[[tree.Use], bool] = _always


BANS: tuple[Ban, ...] = (
    Ban(
        "clock",
        ("gateway",),
        (
            *(
                f"time.{name}"
                for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "clock_gettime")
            ),
            *(f"time.{name}" for name in ("localtime", "gmtime", "ctime", "strftime")),
            *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
            "datetime.date.today",
        ),
        "time arrives as an argument, so that a test or a replay can own it",
        {
            "gateway/adapters/clock.py": "the one place that asks the machine for the time",
            "gateway/adapters/mqtt.py": "a connection that lasted ends the doubling of pauses",
            "gateway/adapters/mqtt_paho.py": "as in mqtt.py",
            "gateway/adapters/mqtt_connection.py": "keep-alive and the waits for CONNACK and PUBACK are real time",
            "gateway/commands/bench/parts.py": "measures time",
            "gateway/commands/bench/end_to_end.py": "measures time",
            "gateway/commands/demo/show.py": "a demonstration takes place in real time",
            "gateway/update/launch.py": "a version on trial has to prove itself within a real time",
            "gateway/commands/replay.py": "publishes captured messages at the pace at which they once came",
        },
    ),
    Ban(
        "sleep",
        ("gateway", "dashboard", "models"),
        ("time.sleep",),
        "whoever sleeps cannot be told to stop; wait for an event, with a limit",
    ),
    Ban(
        "chance",
        ("gateway",),
        ("random", "secrets", "os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4", "numpy.random"),
        "draws arrive as arguments, so that a decision can be replayed and noise comes from one audited place",
        {
            "gateway/backup/container.py": "salt and nonces of a backup's encryption",
            "gateway/adapters/store/keys.py": "makes the keys of the database and of its hashes",
            "gateway/adapters/store/entropy.py": "the bits of the noise, handed to the core",
            "gateway/adapters/mqtt_options.py": "reconnects after a pause that differs, so that a fleet does not return at once",
            "gateway/runtime/app.py": "draws for the core, which takes them as arguments",
            "gateway/pki/enrolment.py": "the tokens of one-time links, compared in constant time",
            "gateway/page/owners.py": "the texts of cookies, and the boots of envelopes, as a phone draws its own",
            "gateway/commands/bench/end_to_end.py": "a name of a client, once per run",
            "gateway/commands/bench/flash.py": "ids from a seed",
            "gateway/commands/bench/street.py": "a mix of messages from a seed",
            "gateway/commands/subject.py": "the boot in the envelope of a consent at the desk",
            "gateway/commands/demo/show.py": "the dashboard's token, for one demonstration",
            "gateway/commands/history/rows.py": "pseudonyms under a key that is drawn for one export and then forgotten",
            "gateway/runtime/uplink.py": "draws for the core's back-off",
            "gateway/runtime/outbound.py": "as the uplink",
            "gateway/runtime/desired.py": "as the uplink",
            "gateway/runtime/feeds.py": "as the uplink",
            "gateway/adapters/till_store.py": "the boot in the envelopes of a till, once per file",
            "gateway/adapters/store/counts.py": "ids of batches are made where the batches are cut",
        },
    ),
    Ban(
        "unseeded",
        ("models", "firmware_sim"),
        ("random", "numpy.random", "os.urandom", "secrets", "uuid.uuid4"),
        "a street or a training that cannot be repeated cannot be compared: make a generator from a seed",
        {"firmware_sim/wire/flood.py": "a new life of the flood, or the gateway would know its messages from the last one"},
        counts=_unseeded,
    ),
    Ban(
        "code",
        tree.OURS,
        ("eval", "exec", "__import__", "importlib.import_module", "pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib.load"),
        "bytes from outside never become code",
        {
            "gateway/cli.py": "imports the module of a command, by a name of its own table",
            "gateway/commands/bench/parts.py": "a codec that is installed for comparison only",
        },
    ),
    Ban(
        "outside",
        ("gateway/core", "gateway/decoders"),
        ("open", "input", "breakpoint", "globals"),
        "the core and the decoders know their arguments and nothing else",
    ),
    Ban(
        "print",
        ("gateway",),
        ("print",),
        "the gateway counts and logs; what people read goes through the command line's console",
    ),
    Ban(
        "records",
        tree.OURS,
        ("gateway.core.records.HourCounts", "gateway.core.records.OfferCounts", "gateway.core.records.GatewayHealth"),
        "only the privacy door makes what may leave",
        {"gateway/core/privacy/release.py": "the privacy door"},
        counts=lambda use: use.call is not None,
    ),
    Ban(
        "reasons",
        tree.OURS,
        ("gateway.core.policy.gates.Reason",),
        "a reason is a row of the tables in gates.py, and made nowhere else",
        counts=lambda use: use.call is not None,
    ),
)

# Where a fault of any kind may be swallowed: at the very top of a process, to say it in one line and stop.
# A handler that cleans up and ends in a bare `raise` swallows nothing and needs no leave.
CATCH_ALL: dict[str, str] = {}


def violations(root: Path, ban: Ban) -> list[str]:
    """Forbidden uses, as lines for people."""
    return [
        f"{module.path}:{use.line}: {use.name} ({ban.title}): {ban.why}"
        for module in tree.modules(root, *ban.tops)
        if module.path not in ban.allowed
        for use in tree.uses(module)
        if not use.is_type and any(tree.below(use.name, name) for name in ban.names) and ban.counts(use)
    ]


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def catch_alls(root: Path) -> Iterator[tuple[str, int]]:
    """Where every exception is swallowed: `except:`, `except Exception`, `except BaseException`, also within a tuple."""
    for module in tree.modules(root, *tree.OURS):
        for node in tree.nodes(module):
            if isinstance(node, ast.ExceptHandler) and not _raises_again(node):
                caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
                if any(kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"}) for kind in caught):
                    yield module.path, node.lineno


@pytest.mark.parametrize("ban", BANS, ids=lambda ban: ban.title)
def test_banned_calls_are_not_made(ban: Ban) -> None:
    assert tree.modules(tree.ROOT, *ban.tops), f"nothing to look at below {ban.tops}"
    wrong = violations(tree.ROOT, ban)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("ban", BANS, ids=lambda ban: ban.title)
def test_exceptions_to_bans_are_needed(ban: Ban) -> None:
    used = {line.split(":")[0] for line in violations(tree.ROOT, ban._replace(allowed={}))}
    idle = set(ban.allowed) - used
    assert not idle, f"allowed to, and don't: {sorted(idle)}"


def test_nothing_catches_everything() -> None:
    wrong = [f"{path}:{line}: catches every exception, ours too" for path, line in catch_alls(tree.ROOT) if path not in CATCH_ALL]
    assert not wrong, "\n".join(wrong)
    assert set(CATCH_ALL) <= {path for path, _ in catch_alls(tree.ROOT)}, "CATCH_ALL names a file that catches less by now"


@pytest.mark.parametrize(
    ("title", "module", "source"),
    [
        ("clock", "gateway__app", "import time\nclock = time.monotonic"),
        ("clock", "gateway__app", "from time import time as t\nt()"),
        ("clock", "gateway__core__x", "import datetime as dt\ndt.datetime.now(tz=dt.UTC)"),
        ("clock", "gateway__core__x", "from datetime import datetime\ndef f(at=datetime.utcnow): ..."),
        ("sleep", "dashboard__store", "import time\ntime.sleep(1)"),
        ("chance", "gateway__core__x", "import random\nrandom.Random(3).random()"),
        ("chance", "gateway__core__x", "import numpy as np\nnp.random.default_rng(3)"),
        ("chance", "gateway__adapters__cloud", "from uuid import uuid4\nuuid4()"),
        ("unseeded", "models__train", "import numpy as np\nnp.random.default_rng()"),
        ("unseeded", "firmware_sim__people", "import random\nrandom.choice([1, 2])"),
        ("code", "models__train", "import pickle\npickle.loads(b'')"),
        ("code", "dashboard__web", "eval('1')"),
        ("outside", "gateway__core__x", "def f(path): return open(path)"),
        ("print", "gateway__core__x", "print('here')"),
        ("records", "gateway__app", "from gateway.core.records import HourCounts\nHourCounts(id='a')"),
        ("reasons", "gateway__core__policy__choose", "from gateway.core.policy.gates import Reason\nReason('rainy')"),
        ("records", "dashboard__web", "from gateway.core import records\nrecords.GatewayHealth(id='a')"),
    ],
)
def test_a_banned_call_is_caught(tmp_path: Path, title: str, module: str, source: str) -> None:
    (ban,) = (ban for ban in BANS if ban.title == title)
    assert len(violations(tree.plant(tmp_path, **{module: source}), ban)) == 1


@pytest.mark.parametrize(
    ("title", "module", "source"),
    [
        ("clock", "gateway__adapters__clock", "import time\ntime.time()"),
        ("clock", "gateway__core__x", "from datetime import datetime\ndef f(at: datetime): return at.timestamp()"),
        ("chance", "gateway__core__x", "import random\ndef f(draw: random.Random): return draw.random()"),
        ("outside", "gateway__app", "open('wayside.toml')"),
        ("unseeded", "models__train", "import numpy as np\nnp.random.default_rng(7)"),
        ("reasons", "gateway__core__policy__choose", "from gateway.core.policy.gates import Reason\ndef f(reason: Reason): ..."),
        ("records", "dashboard__web", "from gateway.core.records import HourCounts\ndecode(HourCounts)"),
    ],
)
def test_what_is_fine_passes(tmp_path: Path, title: str, module: str, source: str) -> None:
    (ban,) = (ban for ban in BANS if ban.title == title)
    assert not violations(tree.plant(tmp_path, **{module: source}), ban)


@pytest.mark.parametrize("handler", ["except:", "except Exception:", "except (ValueError, BaseException):"])
def test_a_catch_all_is_caught(tmp_path: Path, handler: str) -> None:
    fine = "try:\n    f()\nexcept ValueError:\n    pass\ntry:\n    f()\nexcept BaseException:\n    undo()\n    raise\n"
    tree.plant(tmp_path, gateway__app=f"try:\n    f()\n{handler}\n    pass\n{fine}")
    assert list(catch_alls(tmp_path)) == [("gateway/app.py", 3)]
