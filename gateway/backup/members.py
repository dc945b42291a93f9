"""The files of a gateway that a backup holds, each by the setting that names it.

A member has the name of its setting, with `+` and an ending for a file beside the one that the setting names. So a restoration finds the
place of each file in the config of the device. Keys, passwords and tokens are those settings whose name ends in one of SECRETS.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway.adapters.coupon_keys import PUBLIC_SUFFIX
from gateway.config_part import Part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.config import Config

SECRETS = ("key_file", "keys_file", "secret_file", "token_file", "tokens_file", "password_file", "people_file")
BESIDE = {
    "bundle.path": (".previous", ".notes", ".desired"),
    "store.path": (".withdrawn", ".released", ".audit"),
    "store.key_file": (".hashes",),
    "coupons.key_file": (PUBLIC_SUFFIX,),
}
"""Setting -> endings of the files beside the one that it names."""
DATABASE, KEY, HASHES = "store.path", "store.key_file", "store.key_file+.hashes"
WITHDRAWN, RELEASED = "store.path+.withdrawn", "store.path+.released"


class Member(NamedTuple):
    """A file of a gateway: its name in the backup, and its place on this device."""

    name: str
    path: Path

    @property
    def is_secret(self) -> bool:
        """Whether it is a key, a password, a token, or a file with such."""
        return self.name.partition("+")[0].endswith(SECRETS)


def members(config: Config) -> list[Member]:
    """All files of the gateway beside its config; some may not exist."""
    found = []
    for name, path in _paths(config, ""):
        found.append(Member(name, path))
        found += [Member(f"{name}+{ending}", path.with_name(path.name + ending)) for ending in BESIDE.get(name, ())]
    return found


def _paths(value: object, name: str) -> Iterator[tuple[str, Path]]:
    """Each path of the settings, with its dotted name."""
    if isinstance(value, Path):
        yield name, value
    elif isinstance(value, Part):
        for field in type(value).model_fields:
            yield from _paths(getattr(value, field), f"{name}.{field}" if name else field)
    elif isinstance(value, tuple):
        for number, one in enumerate(value):
            yield from _paths(one, f"{name}.{number}")
