"""What can go wrong, as knobs: a rule per `[[faults]]` table of a scenario, or per `--fault` of a command.

Every rule says which devices and which kinds of messages it concerns (globs), and when: from and until, or in spells
drawn at random (`per_hour`, each `lasts_s`). What else it has depends on what it is; an unknown knob ends in the
nearest right one. Times are published seconds since the start, shares are probabilities per message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from firmware_sim.nearest import nearest

Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Milliseconds = Annotated[int, Meta(ge=1)]
LIST_MARK = "|"  # between the globs of one knob on a command line


class FaultError(ValueError):
    """A rule that cannot be used; the text says what would be right."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which devices, which messages, when."""

    devices: tuple[str, ...] = ("*",)
    kinds: tuple[str, ...] = ("*",)
    from_s: Seconds = 0.0
    until_s: Positive | None = None
    per_hour: Positive | None = None
    lasts_s: Positive = 30.0

    def matches_device(self, device: str) -> bool:
        """Whether a device is one of those meant."""
        return any(fnmatchcase(device, glob) for glob in self.devices)

    def matches_kind(self, kind: str) -> bool:
        """Whether a kind of message is one of those meant."""
        return any(fnmatchcase(kind, glob) for glob in self.kinds)


class Loss(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """QoS 0 is lost; QoS 1 is sent again every `retry_ms` until it gets through, as its sender must."""

    share: Share
    retry_ms: Milliseconds = 5_000


class Duplicate(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same bytes once more, up to `within_ms` later."""

    share: Share
    within_ms: Milliseconds = 200


class Reorder(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Held back for up to `within_ms`, so that later ones overtake it."""

    share: Share
    within_ms: Milliseconds = 500


class Delay(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Late by `ms`, give or take `jitter_ms`; what one device says stays in order."""

    ms: Milliseconds
    jitter_ms: Annotated[int, Meta(ge=0)] = 0


class Partition(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """No way to the broker: QoS 0 is lost, QoS 1 kept (at most `kept_max` a device) and sent when the way is free."""

    kept_max: Annotated[int, Meta(ge=0)] = 1_000


class Skew(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A clock that is `ms` wrong and gains `ppm` millionths."""

    ms: int = 0
    ppm: float = 0.0


class Jump(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A clock that jumps by `ms` when a spell begins, and again with every further one."""

    ms: int


class Reboot(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A restart when a spell begins: a new boot, numbers from 0. What has no firmware here is silent for `down_s`."""

    down_s: Seconds = 2.0


class Corrupt(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Cut off somewhere, one bit flipped, or replaced by as many bytes of noise."""

    share: Share
    how: Literal["cut", "flip", "noise"] = "cut"


class Stuck(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sensors show what they showed when it began."""


class Battery(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Flat, and silent, until the spell ends with a new battery."""


class Clone(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody advertises another's `beacon` (`iBeacon:uuid-major-minor`) beside the scanners that `devices` names."""

    beacon: Annotated[str, Meta(pattern=r"\AiBeacon:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-\d{1,5}-\d{1,5}\Z")]
    every_ms: Annotated[int, Meta(ge=20)] = 1_000
    rssi_dbm: Annotated[float, Meta(ge=-120, le=-20)] = -60.0


class Replay(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An attacker who listens in says a share of it again, byte for byte, `times` times, `after_s` apart."""

    share: Share
    after_s: Positive = 10.0
    times: Annotated[int, Meta(ge=1, le=100)] = 1


class Flood(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A device gone mad: what it said last, `per_s` times a second."""

    per_s: Annotated[float, Meta(gt=0, le=1_000)]


KINDS: Mapping[str, type[Rule]] = {
    "loss": Loss,
    "duplicate": Duplicate,
    "reorder": Reorder,
    "delay": Delay,
    "partition": Partition,
    "skew": Skew,
    "jump": Jump,
    "reboot": Reboot,
    "corrupt": Corrupt,
    "stuck": Stuck,
    "battery": Battery,
    "clone": Clone,
    "replay": Replay,
    "flood": Flood,
}
NAMES: Mapping[type[Rule], str] = {kind: name for name, kind in KINDS.items()}


def rule(name: object, knobs: Mapping[str, Any], where: str, *, strict: bool = True) -> Rule:
    """A checked rule; `where` names it in errors. Not strict: numbers may be stated as text, lists in one text."""
    if not isinstance(name, str) or name not in KINDS:
        raise FaultError(f"{where}: no fault {name!r}; {nearest(str(name), KINDS)}")
    shape = KINDS[name]
    fields = {field.name for field in msgspec.structs.fields(shape)}
    for knob in knobs:
        if knob not in fields:
            raise FaultError(f"{where}: {name} has no knob {knob!r}; {nearest(knob, fields)}")
    try:
        found = msgspec.convert(dict(knobs), shape, strict=strict)
    except msgspec.ValidationError as error:
        raise FaultError(f"{where}: {name}: {error}") from error
    if found.until_s is not None and found.until_s <= found.from_s:
        raise FaultError(f"{where}: {name}: until_s must be later than from_s")
    return found


def parse_faults(tables: object, source: str) -> tuple[Rule, ...]:
    """The rules of a scenario's `[[faults]]`."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise FaultError(f"{source}: faults must be tables, each beginning with [[faults]]")
    nameless = next((place for place, table in enumerate(tables) if "kind" not in table), None)
    if nameless is not None:
        raise FaultError(f'{source}: faults[{nameless}]: kind = "..." is missing; known: {", ".join(KINDS)}')
    return tuple(
        rule(table["kind"], {knob: value for knob, value in table.items() if knob != "kind"}, f"{source}: faults[{place}]")
        for place, table in enumerate(tables)
    )


def parse_option(text: str) -> Rule:
    """`loss:share=0.1,devices=phone-*|till-*` of a command line."""
    name, _, rest = text.partition(":")
    knobs: dict[str, object] = {}
    for part in filter(None, (one.strip() for one in rest.split(","))):
        knob, mark, value = part.partition("=")
        if not mark:
            raise FaultError(f"--fault {text!r}: {part!r} has no value, as in loss:share=0.1")
        knobs[knob] = value.split(LIST_MARK) if knob in {"devices", "kinds"} else value
    return rule(name, knobs, f"--fault {text!r}", strict=False)


def parse_options(texts: Iterable[str]) -> tuple[Rule, ...]:
    """All of them, in order."""
    return tuple(parse_option(text) for text in texts)
