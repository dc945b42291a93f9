"""`wayside decode`: one captured message in, its observations out; the same decoders as on the road."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.types import Message
from gateway.decoders.contract import DecodeError, Decoder
from gateway.decoders.registry import BrokenDecoderError, DecoderNotFoundError, by_topic, load


def decode_line(line: bytes) -> bytes:
    """The JSON answer to one JSON line; a line that is no message is an error like any other."""
    try:
        captured = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _error("not_json", "a line must be a JSON object with topic and payload or payload_hex")
    try:
        message = _message(captured)
        decoder = _decoder(captured, message.topic)
        return msgspec.json.encode({"decoder": decoder.name, "observations": decoder.decode(message)})
    except DecodeError as error:
        return _error(error.reason, error.detail)
    except (DecoderNotFoundError, BrokenDecoderError) as error:
        return _error("unknown_decoder", str(error))
    except ValueError as error:
        return _error("wrong_line", str(error))


def _message(captured: dict[str, Any]) -> Message:
    """The message that a line stands for."""
    topic = captured.get("topic")
    if topic is None:
        topic = ""
    if not isinstance(topic, str):
        raise ValueError("topic must be a text")
    received_at_ms = captured.get("received_at_ms", 0)
    if not isinstance(received_at_ms, int):
        raise ValueError("received_at_ms must be a whole number of milliseconds")
    return Message(topic, wire_payload(captured), received_at_ms)


def wire_payload(captured: dict[str, Any]) -> bytes:
    """The bytes that were on the wire: a payload that is not text is JSON. Raises ValueError."""
    if "payload_hex" in captured:
        try:
            return bytes.fromhex(captured["payload_hex"])
        except (TypeError, ValueError):
            raise ValueError("payload_hex must be hex digits") from None
    if "payload" not in captured:
        raise ValueError("payload or payload_hex is missing")
    value = captured["payload"]
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else msgspec.json.encode(value)


def _decoder(captured: dict[str, Any], topic: str) -> Decoder:
    name = captured.get("decoder")
    if name is not None:
        return load(str(name))
    decoder = by_topic(topic)
    if decoder is None:
        raise ValueError('no decoder knows this topic; name one with "decoder"')
    return decoder


def _error(reason: str, detail: str) -> bytes:
    return msgspec.json.encode({"error": {"reason": reason, "detail": detail}})
