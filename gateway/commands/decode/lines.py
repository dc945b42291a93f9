"""One line of captured messages, decoded with the gateway's decoders."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from gateway.core.types import Message
from gateway.decoders.bluetooth.advertisement_forms import FORMS, Capture, decode_form
from gateway.decoders.bluetooth.keys import parse_key, parse_keys
from gateway.decoders.contract import DecodeError, Decoder, Keys, rssi_or_none
from gateway.decoders.registry import BrokenDecoderError, DecoderNotFoundError, by_topic, load
from gateway.decoders.values.radio_ids import mac_or_none


def decode_line(line: bytes) -> bytes:
    """The JSON result of one JSON line; a line that is not a message gives an error as well."""
    try:
        captured = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return error_line("not_json", "a line must be a JSON object with topic and payload or payload_hex")
    try:
        form = captured.get("decoder")
        if isinstance(form, str) and form in FORMS:
            return msgspec.json.encode({"decoder": form, "observations": decode_form(form, _capture(captured))})
        message = message_of(captured)
        decoder = _decoder(captured, message.topic)
        keys = _keys(captured)
        decode = decoder.keyed(keys).decode if keys else decoder.decode
        return msgspec.json.encode({"decoder": decoder.name, "observations": decode(message)})
    except DecodeError as error:
        return error_line(error.reason, error.detail)
    except (DecoderNotFoundError, BrokenDecoderError) as error:
        return error_line("unknown_decoder", str(error))
    except ValueError as error:
        return error_line("wrong_line", str(error))


def message_of(captured: dict[str, Any]) -> Message:
    """The message of a line. Raises ValueError."""
    topic = captured.get("topic")
    if topic is None:
        topic = ""
    if not isinstance(topic, str):
        raise ValueError("topic must be a string")
    received_at_ms = captured.get("received_at_ms", 0)
    if not isinstance(received_at_ms, int):
        raise ValueError("received_at_ms must be an integer (milliseconds)")
    return Message(topic, wire_payload(captured), received_at_ms)


def _capture(captured: dict[str, Any]) -> Capture:
    """The advertisement of a line, with the fields that a radio or a gateway states beside its bytes. Raises ValueError."""
    mac = mac_or_none(captured.get("mac"))
    uuid, name = captured.get("service_uuid") or "", captured.get("local_name") or ""
    if not isinstance(uuid, str) or not isinstance(name, str):
        raise ValueError("service_uuid and local_name must be strings")
    key = captured.get("bindkey") or captured.get("aes_key")
    return Capture(wire_payload(captured), mac, rssi_or_none(captured.get("rssi")), uuid, name, None if key is None else parse_key(key))


def _keys(captured: dict[str, Any]) -> Keys:
    """The field `keys` of a line: addresses to hex digits. Raises ValueError."""
    stated = captured.get("keys") or {}
    if not isinstance(stated, dict):
        raise ValueError("keys must map addresses to hex digits")
    return parse_keys(stated)


def wire_payload(captured: dict[str, Any]) -> bytes:
    """The payload bytes of a line: `payload_hex`, or `payload` as text or (if it is not a string) as JSON. Raises ValueError."""
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
        return _remembering(load(str(name)))
    decoder = by_topic(topic)
    if decoder is None:
        raise ValueError('no decoder for this topic; name one with "decoder"')
    return _remembering(decoder)


@cache
def _remembering(decoder: Decoder) -> Decoder:
    """The decoder of this process for a format: its lines are those of one broker."""
    return decoder.remembering()


def error_line(reason: str, detail: str) -> bytes:
    """The JSON line of an error."""
    return msgspec.json.encode({"error": {"reason": reason, "detail": detail}})
