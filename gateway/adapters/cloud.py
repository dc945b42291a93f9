"""Posts batches of records to the cloud over HTTP.

A batch is encoded to the same bytes at every try (JSON, gzip without a time stamp). Redirects are not followed, so records go only to
the configured address. A batch counts as taken only with a receipt that names it.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import msgspec
import urllib3

from gateway.core import limits
from gateway.core.ports import CloudReply
from gateway.core.records import Batch, Receipt

if TYPE_CHECKING:
    from pathlib import Path


CONNECT_S_MAX = 5.0
RESPONSE_S_MAX = 15.0
BUSY = (429, 503)
NEVER = (409, 413, 422)  # status codes of the dashboard for a batch that it will never accept


class Cloud:
    """Posts batches to `{url}/v1/batches`."""

    def __init__(self, url: str, token: str, ca_file: Path | None = None) -> None:
        """Prepare the connection pool; nothing is sent yet."""
        self._url = url.rstrip("/") + "/v1/batches"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Content-Encoding": "gzip"}
        self._pool = urllib3.PoolManager(
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_S_MAX, read=RESPONSE_S_MAX),
            ca_certs=str(ca_file) if ca_file else None,
        )

    def post(self, batch: Batch) -> CloudReply:
        """Send one batch; failures of the network or the cloud are part of the reply."""
        body = gzip.compress(msgspec.json.encode(batch), mtime=0)
        try:
            response = self._pool.request("POST", self._url, body=body, headers=self._headers, redirect=False, preload_content=False)
            content = response.read(limits.BATCH_BYTES_MAX)
            response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return CloudReply("unreachable", trouble=f"{self._url} does not answer ({type(error).__name__})")
        return _refusal(response) or _receipt(content, batch)


def _refusal(response: urllib3.BaseHTTPResponse) -> CloudReply | None:
    """The reply for a response that is not a success, or None."""
    if response.status in BUSY:
        return CloudReply("busy", retry_after_ms=_retry_after_ms(response.headers.get("Retry-After")), trouble="the cloud is busy")
    if response.status in NEVER:
        return CloudReply("never", trouble=f"the cloud answers {response.status}: this batch is quarantined until the next start")
    if not 200 <= response.status < 300:
        return CloudReply("refused", trouble=f"the cloud answers {response.status}; check cloud.url and the token")
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
