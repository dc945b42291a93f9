"""Fetches a public JSON feed over HTTP: only when it has changed, as its server states by ETag or Last-Modified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.adapters.http_client import ClientError
from gateway.core.ports import Fetched

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.adapters.http_client import HttpTarget

ACCEPT = "application/cloudevents-batch+json, application/ld+json, application/json"
RETRY_AFTER_S_MAX = 86_400
VALIDATOR_CHARS_MAX = 1_024


class HttpFeed:
    """See `gateway.core.ports.Feed`. The validators are those of the last document that was taken; a restart fetches it again."""

    def __init__(self, target: HttpTarget) -> None:
        """Fetch from `target`."""
        self._target = target
        self._validators: dict[str, str] = {}

    def fetch(self) -> Fetched:
        """The document if it has changed; failures of network and server are part of the result."""
        try:
            answer = self._target.exchange("GET", {"Accept": ACCEPT, **self._validators})
        except ClientError as error:
            return Fetched("failed", trouble=str(error))
        if answer.status == 304 and self._validators:
            return Fetched("same")
        if answer.status != 200:
            retry_after_ms = _retry_after_ms(answer.headers.get("retry-after", ""))
            return Fetched(
                "failed", trouble=f"{self._target.name} answers {answer.status}; check the address", retry_after_ms=retry_after_ms
            )
        return Fetched("changed", answer.body, _validators(answer.headers))

    def taken(self, fetched: Fetched) -> None:
        """From now on fetch only a document that differs from this one."""
        self._validators = dict(fetched.validators)


def _validators(headers: Mapping[str, str]) -> dict[str, str]:
    """The conditions of the next request: an ETag, which is exact, else a date."""
    for field, condition in (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since")):
        if 0 < len(headers.get(field, "")) <= VALIDATOR_CHARS_MAX:
            return {condition: headers[field]}
    return {}


def _retry_after_ms(value: str) -> int | None:
    """Milliseconds of a Retry-After in seconds; None for a date, because the clocks of both sides may differ."""
    return min(int(value), RETRY_AFTER_S_MAX) * 1_000 if value.isascii() and value.isdigit() and len(value) < 10 else None
