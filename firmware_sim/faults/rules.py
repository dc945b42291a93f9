"""Fault rules: one per `[[faults]]` table of a scenario or `--fault` option.

Every rule selects devices and kinds of messages (globs) and a time: `from_s` to `until_s`, or random windows (`per_hour`, each
`lasts_s` long). The other fields depend on the kind of fault. Times are published seconds since the start, shares are
probabilities per message.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from firmware_sim.checked import Checked, problems

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Milliseconds = Annotated[int, Field(ge=1)]
LIST_MARK = "|"  # separates several globs in one command-line value


class FaultError(ValueError):
    """A fault rule is invalid; the text names the field and the nearest valid name."""


class Rule(Checked):
    """Selection of devices, kinds of messages and time that all rules share."""

    kind: str
    devices: tuple[str, ...] = ("*",)
    kinds: tuple[str, ...] = ("*",)
    from_s: Seconds = 0.0
    until_s: Positive | None = None
    per_hour: Positive | None = None
    lasts_s: Positive = 30.0

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.until_s is not None and self.until_s <= self.from_s:
            raise ValueError("until_s must be later than from_s")
        return self

    def matches_device(self, device: str) -> bool:
        """Whether the rule applies to this device."""
        return any(fnmatchcase(device, glob) for glob in self.devices)

    def matches_kind(self, kind: str) -> bool:
        """Whether the rule applies to this kind of message."""
        return any(fnmatchcase(kind, glob) for glob in self.kinds)


class Loss(Rule):
    """Drop QoS 0 messages; retransmit QoS 1 messages every `retry_ms` until one gets through, as MQTT requires of the sender."""

    kind: Literal["loss"] = "loss"
    share: Share
    retry_ms: Milliseconds = 5_000


class Duplicate(Rule):
    """Send the same bytes again, up to `within_ms` later."""

    kind: Literal["duplicate"] = "duplicate"
    share: Share
    within_ms: Milliseconds = 200


class Reorder(Rule):
    """Delay a message by up to `within_ms`, so that later ones overtake it."""

    kind: Literal["reorder"] = "reorder"
    share: Share
    within_ms: Milliseconds = 500


class Delay(Rule):
    """Delay all messages by `ms` plus or minus `jitter_ms`; the order within one device is kept."""

    kind: Literal["delay"] = "delay"
    ms: Milliseconds
    jitter_ms: Annotated[int, Field(ge=0)] = 0


class Partition(Rule):
    """No connection to the broker: QoS 0 messages are dropped, QoS 1 messages held (at most `kept_max` per device) and sent at the end."""

    kind: Literal["partition"] = "partition"
    kept_max: Annotated[int, Field(ge=0)] = 1_000


class Skew(Rule):
    """Clock that is `ms` off and drifts by `ppm` parts per million."""

    kind: Literal["skew"] = "skew"
    ms: int = 0
    ppm: float = 0.0


class Jump(Rule):
    """Clock that jumps by `ms` at the start of every window."""

    kind: Literal["jump"] = "jump"
    ms: int


class Reboot(Rule):
    """Restart at the start of a window: new boot id, sequence numbers from 0. A device without firmware is silent for `down_s`."""

    kind: Literal["reboot"] = "reboot"
    down_s: Seconds = 2.0


class Corrupt(Rule):
    """Payload cut off at a random byte, one bit flipped, or replaced by noise of the same length."""

    kind: Literal["corrupt"] = "corrupt"
    share: Share
    how: Literal["cut", "flip", "noise"] = "cut"


class Stuck(Rule):
    """Sensors repeat the value from the start of the window."""

    kind: Literal["stuck"] = "stuck"


class Battery(Rule):
    """Flat battery: the device is off until the window ends with a new battery."""

    kind: Literal["battery"] = "battery"


class Clone(Rule):
    """An attacker advertises the `beacon` (`iBeacon:uuid-major-minor`) of another device next to the scanners that `devices` selects."""

    kind: Literal["clone"] = "clone"
    beacon: Annotated[str, Field(pattern=r"^iBeacon:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9]{1,5}-[0-9]{1,5}$")]
    every_ms: Annotated[int, Field(ge=20)] = 1_000
    rssi_dbm: Annotated[float, Field(ge=-120, le=-20)] = -60.0


class Replay(Rule):
    """An attacker repeats a share of the messages byte for byte, `times` times, `after_s` apart."""

    kind: Literal["replay"] = "replay"
    share: Share
    after_s: Positive = 10.0
    times: Annotated[int, Field(ge=1, le=100)] = 1


class Flood(Rule):
    """A broken device repeats its last message `per_s` times a second."""

    kind: Literal["flood"] = "flood"
    per_s: Annotated[float, Field(gt=0, le=1_000)]


AnyRule = Annotated[
    Loss | Duplicate | Reorder | Delay | Partition | Skew | Jump | Reboot | Corrupt | Stuck | Battery | Clone | Replay | Flood,
    Field(discriminator="kind"),
]
"""A rule of any kind; `kind` says which."""
_OPTION: TypeAdapter[AnyRule] = TypeAdapter(AnyRule)


def parse_option(text: str) -> Rule:
    """Rule of one command-line option, such as `loss:share=0.1,devices=phone-*|till-*`. Raises FaultError if it is invalid."""
    kind, _, rest = text.partition(":")
    values: dict[str, object] = {"kind": kind}
    for part in filter(None, (one.strip() for one in rest.split(","))):
        key, mark, value = part.partition("=")
        if not mark:
            raise FaultError(f"--fault {text!r}: {part!r} has no value, as in loss:share=0.1")
        if key in values:
            raise FaultError(f"--fault {text!r}: {key} is stated twice")
        values[key] = value.split(LIST_MARK) if key in {"devices", "kinds"} else value
    try:
        return _OPTION.validate_python(values, strict=False)  # numbers are text on a command line
    except ValidationError as error:
        raise FaultError("\n".join(problem.line(f"--fault {text!r}") for problem in problems(error, AnyRule))) from None


def parse_options(texts: Iterable[str]) -> tuple[Rule, ...]:
    """Rules of all options, in order. Raises FaultError if one is invalid."""
    return tuple(parse_option(text) for text in texts)
