"""The cloud of a simulated week: holds each record once, whatever is sent how often, and is sometimes not there.

It stands behind the gateway's own `Cloud`, in the place of the HTTP client, so the bytes that it is given are the bytes that
would have gone over the wire. Like the dashboard's intake it takes a batch whole, answers a repeat as it answered the first
time, and refuses an id that suddenly means something else.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal

from gateway.adapters.cloud import Cloud
from gateway.adapters.http_client import Answer, ClientError
from gateway.core import limits

Mood = Literal["fine", "away", "busy", "broken", "reply_lost", "half", "elsewhere", "babble"]
MOODS: tuple[Mood, ...] = ("away", "busy", "broken", "reply_lost", "half", "elsewhere", "babble")


class Collector:
    """`records` is all that the cloud holds; `asked` is told of every request's bytes."""

    def __init__(self, asked: Callable[[bytes], None]) -> None:
        self._asked = asked
        self._batches: dict[str, bytes] = {}
        self.records: dict[str, dict[str, Any]] = {}
        self.mood: Mood = "fine"
        self.counts: Counter[str] = Counter()
        self.conflicts: list[str] = []

    def exchange(self, method: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """One request, as `HttpTarget` would make it."""
        self._asked(f"{method} {sorted(headers.items())}".encode())
        self._asked(body)
        self.counts[self.mood] += 1
        if self.mood == "away":
            raise ClientError("connection refused")
        if self.mood == "busy":
            return _answer(503, b"", {"Retry-After": "31536000"})
        if self.mood == "broken":
            return _answer(500, b"<html>oops</html>")
        if self.mood == "elsewhere":
            return _answer(302, b"", {"Location": "http://elsewhere.example/"})
        return self._take(json.loads(gzip.decompress(body)), len(body))

    def _take(self, batch: dict[str, Any], size: int) -> Answer:
        if size > limits.BATCH_BYTES_MAX:
            self.conflicts.append(f"a batch of {size} bytes")
        content = json.dumps(batch["records"], sort_keys=True).encode()
        held = self._batches.setdefault(batch["batch"], content)
        if held != content:
            self.conflicts.append(f"the batch {batch['batch']} came again with other records")
            return _answer(409, b"")
        records = batch["records"][: len(batch["records"]) // 2 or 1] if self.mood == "half" else batch["records"]
        for record in records:
            known = self.records.setdefault(record["id"], record)
            self.counts["repeated"] += known is not record
            if known != record:
                self.conflicts.append(f"the record {record['id']} came again with another content")
                return _answer(409, b"")
        if self.mood == "half":
            del self._batches[batch["batch"]]
        if self.mood == "reply_lost":
            raise ClientError("timed out")
        if self.mood == "babble":
            return _answer(200, b'{"batch": "another", "taken": []}')
        taken = {"batch": batch["batch"], "taken": [record["id"] for record in records]}
        return _answer(200, json.dumps(taken).encode())


class MemoryCloud(Cloud):
    """The gateway's road to the cloud, ending at a collector in memory."""

    def __init__(self, collector: Collector) -> None:
        super().__init__("http://collector.example", "token-of-the-week")
        self._target = collector  # type: ignore[assignment]  # all that is used of a target is `exchange`


def _answer(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, {name.lower(): value for name, value in (headers or {}).items()}, body)
