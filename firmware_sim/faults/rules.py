"""Fault rules: one per `[[faults]]` table of a scenario or `--fault` option.

Every rule selects devices and kinds of messages (globs) and a time: `from_s` to `until_s`, or random windows (`per_hour`, each
`lasts_s` long). The other fields depend on the kind of fault. Times are published seconds since the start, shares are
probabilities per message.
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
LIST_MARK = "|"  # separates several globs in one command-line value


class FaultError(ValueError):
    """A fault rule is invalid; the text names the field and the nearest valid name."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Selection of devices, kinds of messages and time that all rules share."""

    devices: tuple[str, ...] = ("*",)
    kinds: tuple[str, ...] = ("*",)
    from_s: Seconds = 0.0
    until_s: Positive | None = None
    per_hour: Positive | None = None
    lasts_s: Positive = 30.0

    def matches_device(self, device: str) -> bool:
        """Whether the rule applies to this device."""
        return any(fnmatchcase(device, glob) for glob in self.devices)

    def matches_kind(self, kind: str) -> bool:
        """Whether the rule applies to this kind of message."""
        return any(fnmatchcase(kind, glob) for glob in self.kinds)


class Loss(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Drop QoS 0 messages; retransmit QoS 1 messages every `retry_ms` until one gets through, as MQTT requires of the sender."""

    share: Share
    retry_ms: Milliseconds = 5_000


class Duplicate(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Send the same bytes again, up to `within_ms` later."""

    share: Share
    within_ms: Milliseconds = 200


class Reorder(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Delay a message by up to `within_ms`, so that later ones overtake it."""

    share: Share
    within_ms: Milliseconds = 500


class Delay(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Delay all messages by `ms` plus or minus `jitter_ms`; the order within one device is kept."""

    ms: Milliseconds
    jitter_ms: Annotated[int, Meta(ge=0)] = 0


class Partition(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """No connection to the broker: QoS 0 messages are dropped, QoS 1 messages held (at most `kept_max` per device) and sent at the end."""

    kept_max: Annotated[int, Meta(ge=0)] = 1_000


class Skew(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Clock that is `ms` off and drifts by `ppm` parts per million."""

    ms: int = 0
    ppm: float = 0.0


class Jump(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Clock that jumps by `ms` at the start of every window."""

    ms: int


class Reboot(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Restart at the start of a window: new boot id, sequence numbers from 0. A device without firmware is silent for `down_s`."""

    down_s: Seconds = 2.0


class Corrupt(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Payload cut off at a random byte, one bit flipped, or replaced by noise of the same length."""

    share: Share
    how: Literal["cut", "flip", "noise"] = "cut"


class Stuck(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sensors repeat the value from the start of the window."""


class Battery(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Flat battery: the device is off until the window ends with a new battery."""


class Clone(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An attacker advertises the `beacon` (`iBeacon:uuid-major-minor`) of another device next to the scanners that `devices` selects."""

    beacon: Annotated[str, Meta(pattern=r"\AiBeacon:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-\d{1,5}-\d{1,5}\Z")]
    every_ms: Annotated[int, Meta(ge=20)] = 1_000
    rssi_dbm: Annotated[float, Meta(ge=-120, le=-20)] = -60.0


class Replay(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An attacker repeats a share of the messages byte for byte, `times` times, `after_s` apart."""

    share: Share
    after_s: Positive = 10.0
    times: Annotated[int, Meta(ge=1, le=100)] = 1


class Flood(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A broken device repeats its last message `per_s` times a second."""

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


def rule(name: object, values: Mapping[str, Any], where: str, *, strict: bool = True) -> Rule:
    """Validated rule of kind `name`.

    `where` names the source in errors; with `strict=False` numbers and lists may be given as text.

    Raises FaultError for an unknown kind or field, a value of the wrong type or range, and `until_s` not later than `from_s`.
    """
    if not isinstance(name, str) or name not in KINDS:
        raise FaultError(f"{where}: no fault {name!r}; {nearest(str(name), KINDS)}")
    shape = KINDS[name]
    fields = {field.name for field in msgspec.structs.fields(shape)}
    for key in values:
        if key not in fields:
            raise FaultError(f"{where}: {name} has no field {key!r}; {nearest(key, fields)}")
    try:
        found = msgspec.convert(dict(values), shape, strict=strict)
    except msgspec.ValidationError as error:
        raise FaultError(f"{where}: {name}: {error}") from error
    if found.until_s is not None and found.until_s <= found.from_s:
        raise FaultError(f"{where}: {name}: until_s must be later than from_s")
    return found


def parse_faults(tables: object, source: str) -> tuple[Rule, ...]:
    """Rules of a scenario's `[[faults]]`. Raises FaultError if `tables` is no list of tables or one of them is no valid rule."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise FaultError(f"{source}: faults must be tables, each beginning with [[faults]]")
    nameless = next((place for place, table in enumerate(tables) if "kind" not in table), None)
    if nameless is not None:
        raise FaultError(f'{source}: faults[{nameless}]: kind = "..." is missing; known: {", ".join(KINDS)}')
    return tuple(
        rule(table["kind"], {key: value for key, value in table.items() if key != "kind"}, f"{source}: faults[{place}]")
        for place, table in enumerate(tables)
    )


def parse_option(text: str) -> Rule:
    """Rule of one command-line option, such as `loss:share=0.1,devices=phone-*|till-*`. Raises FaultError if it is invalid."""
    name, _, rest = text.partition(":")
    values: dict[str, object] = {}
    for part in filter(None, (one.strip() for one in rest.split(","))):
        key, mark, value = part.partition("=")
        if not mark:
            raise FaultError(f"--fault {text!r}: {part!r} has no value, as in loss:share=0.1")
        values[key] = value.split(LIST_MARK) if key in {"devices", "kinds"} else value
    return rule(name, values, f"--fault {text!r}", strict=False)


def parse_options(texts: Iterable[str]) -> tuple[Rule, ...]:
    """Rules of all options, in order. Raises FaultError if one is invalid."""
    return tuple(parse_option(text) for text in texts)
