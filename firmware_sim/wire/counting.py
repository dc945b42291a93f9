"""Counts the messages that a broker delivers: the receiving end of a measurement, independent of the sender."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from aiomqtt import MqttError

from firmware_sim.wire.broker import Broker, BrokerError, UsageError, connect

ROOTS_MAX = 20


def count(broker: Broker, topics: str, *, seconds: float, expect: int | None = None, idle_s: float | None = None) -> dict[str, object]:
    """Figures of the messages on `topics`: number, megabytes, rate, and number by first topic level.

    Counts until `seconds` have passed, `expect` messages have arrived, or none has arrived for `idle_s` after the first.
    Retained messages of the time before are counted apart. Raises BrokerError if the connection fails or ends, and UsageError
    if `topics` is no topic filter.
    """
    return asyncio.run(_count(broker, topics, seconds, expect, idle_s))


async def _count(broker: Broker, topics: str, seconds: float, expect: int | None, idle_s: float | None) -> dict[str, object]:
    roots: Counter[str] = Counter()
    received = received_bytes = retained = 0
    first_s = last_s = 0.0
    async with connect(broker, "count") as (client, _):
        try:
            await client.subscribe(topics, qos=1)
            end_s = asyncio.get_running_loop().time() + seconds
            async with asyncio.timeout_at(end_s) as limit:
                async for message in client.messages:
                    if message.retain:
                        retained += 1
                        continue
                    last_s = time.monotonic()
                    first_s = first_s or last_s
                    roots[str(message.topic).lstrip("/").partition("/")[0]] += 1
                    received += 1
                    received_bytes += len(message.payload)
                    if received == expect:
                        break
                    if idle_s is not None:
                        limit.reschedule(min(end_s, asyncio.get_running_loop().time() + idle_s))
        except TimeoutError:
            pass
        except ValueError as error:
            raise UsageError(f"--topics {topics!r} is no topic filter") from error
        except MqttError as error:
            raise BrokerError(f"the broker at {broker.url} closed the connection while its messages were counted") from error
    during_s = last_s - first_s
    return {
        "received": received,
        "retained_before": retained,
        "megabytes": round(received_bytes / 1e6, 2),
        "seconds": round(during_s, 2),
        "received_per_s": round(received / during_s, 1) if during_s else 0.0,
        "by_root": _most_common(roots),
    }


def _most_common(roots: Counter[str]) -> dict[str, int]:
    """The most frequent first topic levels, and the sum of the rest as `others`."""
    most = dict(roots.most_common(ROOTS_MAX))
    rest = roots.total() - sum(most.values())
    return {**most, "others": rest} if rest else most
