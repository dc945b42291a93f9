"""Posts batches of records to the cloud over HTTP.

A batch is encoded to the same bytes at every try (JSON, gzip without a time stamp). Redirects are not followed, so records go only to
the configured address. A batch counts as taken only with a receipt that names it.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.http_client import ClientError, HttpTarget
from gateway.core import limits
from gateway.core.ports import CloudReply
from gateway.core.records import Batch, Receipt

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.adapters.http_client import Answer

ANSWER_S_MAX = 20.0  # for connection, request and the whole answer
BUSY = (429, 503)
NEVER = (409, 413, 422)  # status codes of the dashboard for a batch that it will never accept


class Cloud:
    """Posts batches to `{url}/v1/batches`."""

    def __init__(self, url: str, token: str, ca_file: Path | None = None) -> None:
        """Prepare; nothing is sent yet. Raises OSError for a certificate file that cannot be used."""
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Content-Encoding": "gzip"}
        address = url.rstrip("/") + "/v1/batches"
        self._target = HttpTarget(address, ca_file=ca_file, deadline_s=ANSWER_S_MAX, body_bytes_max=limits.BATCH_BYTES_MAX)

    def post(self, batch: Batch) -> CloudReply:
        """Send one batch; failures of the network or the cloud are part of the reply."""
        body = gzip.compress(msgspec.json.encode(batch), mtime=0)
        try:
            answer = self._target.exchange("POST", self._headers, body)
        except ClientError as error:
            return CloudReply("unreachable", trouble=str(error))
        return _refusal(answer) or _receipt(answer.body, batch)


def _refusal(answer: Answer) -> CloudReply | None:
    """The reply for a response that is not a success, or None."""
    if answer.status in BUSY:
        return CloudReply("busy", retry_after_ms=_retry_after_ms(answer.headers.get("retry-after")), trouble="the cloud is busy")
    if answer.status in NEVER:
        return CloudReply("never", trouble=f"the cloud answers {answer.status}: this batch is quarantined until the next start")
    if not 200 <= answer.status < 300:
        return CloudReply("refused", trouble=f"the cloud answers {answer.status}; check cloud.url and the token")
    return None


def _receipt(content: bytes, batch: Batch) -> CloudReply:
    """The reply for a success, with the acknowledged record ids of its receipt."""
    try:
        receipt = msgspec.json.decode(content, type=Receipt)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return CloudReply("refused", trouble="the cloud's answer is no receipt; check cloud.url")
    if receipt.batch != batch.batch:
        return CloudReply("refused", trouble="the cloud's receipt is for another batch")
    return CloudReply("taken", receipt.taken)


def _retry_after_ms(value: str | None) -> int | None:
    """Milliseconds of a Retry-After header in seconds; None for a date, because the clocks of both sides may differ."""
    return int(value) * 1000 if value is not None and value.isascii() and value.isdigit() and len(value) < 10 else None
