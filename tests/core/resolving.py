"""Time to look up a new private address: `python -m tests.core.resolving`."""

from __future__ import annotations

import time
from random import Random

from rich.console import Console

from gateway.adapters.aes import Aes
from gateway.core.addresses import PADDING, resolve

KEYS = (10, 100, 1_000, 2_000)
TOGETHER = (1, 8, 64, 256)
ROUNDS = 30


def seeded(seed: int) -> Random:
    """The same addresses each time."""
    return Random(seed)  # noqa: S311 - nothing here is a secret


def address_of(key: str, prand: bytes) -> str:
    """A resolvable private address under a key, as a phone makes it: two top bits 01, then the hash of all 24."""
    prand = bytes([prand[0] & 0x3F | 0x40]) + prand[1:]
    return (prand + Aes().encrypted([key], PADDING + prand)[-3:]).hex()


def microseconds(keys: int, together: int) -> float:
    """Median time for one address that answers to none of so many keys, if so many are looked up together."""
    draws, cipher = seeded(keys), Aes()
    known = [draws.randbytes(16).hex() for _ in range(keys)]
    crowd = [f"{draws.randrange(0x40, 0x80):02x}{draws.randbytes(5).hex()}" for _ in range(together)]
    resolve(crowd, known, cipher, 0)
    times: list[float] = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        resolve(crowd, known, cipher, 0)
        times.append(time.perf_counter() - start)
    return sorted(times)[ROUNDS // 2] / together * 1e6


def main() -> None:
    """Print the table."""
    Console().print("µs for a new address; across: how many are looked up together")
    Console().print("  keys " + "".join(f"{together:>9}" for together in TOGETHER))
    for keys in KEYS:
        Console().print(f"{keys:>6} " + "".join(f"{microseconds(keys, together):>9.1f}" for together in TOGETHER))


if __name__ == "__main__":
    main()
