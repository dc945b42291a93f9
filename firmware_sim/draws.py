"""Named random streams: every random draw of the simulator comes from a generator of its own.

With one shared generator each draw would depend on all draws before it, and one more walker would change every payload. Here
each stream has a name ("walker 7's path", "phone-0007's third offer"), and the seed and that name alone set its state. A stream
must keep its name: a new name changes the digest of every recording.
"""

from __future__ import annotations

import hashlib
import math
from random import Random


def generator(seed: int, *owner: str | int) -> Random:
    """Random generator of the stream with this name: the same draws for one seed on every machine and Python version."""
    name = "\x1f".join(str(part) for part in (seed, *owner))
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    return Random(int.from_bytes(digest, "big"))  # noqa: S311 (a simulation has to be repeatable, not secret)


def boot(seed: int, *owner: str | int) -> str:
    """Boot id of a device: twelve hexadecimal digits, new at every start."""
    return f"{generator(seed, 'boot', *owner).getrandbits(48):012x}"


def quota(number: int, share: float) -> int:
    """How many of the first `number` items belong to a share (0 to 1) of all."""
    return math.floor(number * share + 1e-9)


def chosen(number: int, share: float) -> bool:
    """Whether item `number` (1, 2, ...) belongs to a share (0 to 1) of all.

    A quota, not a draw: "at least 80 % consent" then holds for every seed and not only on average.
    """
    return quota(number, share) > quota(number - 1, share)


def poisson(draws: Random, mean: float) -> int:
    """Poisson-distributed count by Knuth's product method; exact, and fast enough for the small means used here."""
    limit, count, product = math.exp(-mean), 0, draws.random()
    while product > limit:
        count += 1
        product *= draws.random()
    return count
