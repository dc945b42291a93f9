"""CloudEvents over HTTP (CNCF HTTP protocol binding 1.0): each content mode as the JSON that the decoder `cloudevents` reads.

Structured mode has the envelope in the body, batched mode an array of envelopes; binary mode has the attributes in headers `ce-...`,
percent-encoded, and the content in the body.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from gateway.core.http import JSON
from gateway.decoders.contract import check_size, parse_json, refuse

if TYPE_CHECKING:
    from gateway.core.http import Request

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
PREFIX = "ce-"
ATTRIBUTES_MAX = 64
_NAME = re.compile(r"[a-z0-9]{1,20}")


def media_type(request: Request) -> str:
    """The media type of the body in lower case, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def envelopes(request: Request) -> bytes | None:
    """The body as one envelope or an array of envelopes; None if the request is in none of the three modes.

    Raises DecodeError for attributes or content that cannot be read.
    """
    media = media_type(request)
    if media in (STRUCTURED, BATCH):
        if isinstance(parse_json(request.body), list) != (media == BATCH):
            refuse("wrong_shape", f"the body is an array only as {BATCH}")
        return request.body
    if f"{PREFIX}specversion" not in request.headers:
        return None
    attributes = {name.removeprefix(PREFIX): value for name, value in request.headers.items() if name.startswith(PREFIX)}
    if len(attributes) > ATTRIBUTES_MAX or not all(_NAME.fullmatch(name) for name in attributes):
        refuse("wrong_shape", f"at most {ATTRIBUTES_MAX} headers {PREFIX}NAME are possible, with names of up to 20 letters and digits")
    stated: dict[str, object] = {name: unquote(value) for name, value in attributes.items()}
    if request.body:
        check_size(request.body)
        stated["datacontenttype"] = media or JSON
        is_json = not media or media == JSON or media.endswith("+json")
        stated |= {"data": parse_json(request.body)} if is_json else {"data_base64": base64.b64encode(request.body).decode()}
    return msgspec.json.encode(stated)
