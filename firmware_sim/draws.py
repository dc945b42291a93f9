"""All chance of the simulator, drawn from named generators.

One shared generator would make every draw depend on all draws before it: one more walker, and every
payload of the street changes. Here each draw has an owner ("walker 7's path", "phone-0007's third
offer"), and the owner's name together with the seed is the whole state it starts from.
"""

from __future__ import annotations

import hashlib
import math
from random import Random


def generator(seed: int, *owner: str | int) -> Random:
    """The generator of one owner: same seed and name, same draws, on every machine and Python."""
    name = "\x1f".join(str(part) for part in (seed, *owner))
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    return Random(int.from_bytes(digest, "big"))  # noqa: S311 (a simulation has to be repeatable, not secret)


def boot(seed: int, *owner: str | int) -> str:
    """What a device calls the life that began when it was switched on."""
    return f"{generator(seed, 'boot', *owner).getrandbits(48):012x}"


def quota(number: int, share: float) -> int:
    """How many of the first `number` belong to a share of everybody."""
    return math.floor(number * share + 1e-9)


def chosen(number: int, share: float) -> bool:
    """Whether `number` (1, 2, ...) belongs to a share of everybody.

    A quota, not a draw: "at least 80 % consent" is then true of every street and not only of the average one.
    """
    return quota(number, share) > quota(number - 1, share)


def poisson(draws: Random, mean: float) -> int:
    """A Poisson count by Knuth's product method; exact, and fast enough for the small means used here."""
    limit, count, product = math.exp(-mean), 0, draws.random()
    while product > limit:
        count += 1
        product *= draws.random()
    return count
