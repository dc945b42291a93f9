"""Reasons for which a message or an observation is dropped and counted: `Discard`, a closed table.

One reason is one row: the counter of the gateway's status that counts it, its meaning, and the first thing to check if the count is
unexpectedly high. `wayside why --reasons` and gateway/REASONS.md show the table.
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Literal, Self

StatusCounter = Literal["messages_by_decoder", "refused", "discarded"]
"""Fields of GatewayStatus: messages without a source, messages that a decoder refused, observations dropped after decoding."""


@unique
class Discard(StrEnum):
    """A reason, equal to its text. `counter` counts it (`refused` as `decoder:reason`); `check` is advice to the operator."""

    counter: StatusCounter
    meaning: str
    check: str

    def __new__(cls, reason: str, counter: StatusCounter, meaning: str, check: str) -> Self:
        """One row of the table below."""
        row = str.__new__(cls, reason)
        row._value_ = reason
        row.counter, row.meaning, row.check = counter, meaning, check
        return row

    UNKNOWN_TOPIC = (
        "unknown_topic",
        "messages_by_decoder",
        "no source of the config matches the topic",
        "`sources[].topic`; `wayside discover` proposes sources",
    )

    NOT_TEXT = ("not_text", "refused", "the payload is not text in UTF-8 (or ASCII)", "the source's decoder: is it the device's format?")
    NOT_JSON = (
        "not_json",
        "refused",
        "the payload is not valid JSON",
        "the source's decoder; messages cut off by the device or the broker",
    )
    TOO_LARGE = (
        "too_large",
        "refused",
        "the payload, a text in it or its list of observations is over a limit",
        "how much the device sends in one message",
    )
    WRONG_SHAPE = (
        "wrong_shape",
        "refused",
        "a field has the wrong type or form, or the message is cut off",
        "the source's decoder; the device's firmware version",
    )
    MISSING_FIELD = ("missing_field", "refused", "a required field is missing", "the device's settings; its firmware version")
    OUT_OF_RANGE = (
        "out_of_range",
        "refused",
        "a value is outside its possible range",
        "a defective sensor; the unit that the device sends",
    )
    UNKNOWN_KIND = ("unknown_kind", "refused", "a type or kind of message that the format does not list", "the device's firmware version")
    CODEC_TIME = ("codec_time", "refused", "a JavaScript codec took longer than its processor time", "`codecs[].file`")
    CODEC_MEMORY = ("codec_memory", "refused", "a JavaScript codec reached the bound of its memory or stack", "`codecs[].file`")
    CODEC_ERROR = ("codec_error", "refused", "a JavaScript codec throws or states errors", "`codecs[].file` and `codecs[].models`")
    CODEC_RESULT = ("codec_result", "refused", "a JavaScript codec returns no object, or one that is too large", "`codecs[].file`")
    CODEC_STOPPED = ("codec_stopped", "refused", "a JavaScript codec reached its bounds too often and is not called", "`codecs[].file`")
    WRONG_TOPIC = ("wrong_topic", "refused", "the topic does not have the format's structure", "`sources[].topic` and its decoder")

    RETAINED = (
        "retained",
        "discarded",
        "a retained sighting, position, count, request, consent or undated reading: the broker repeats it at each connection",
        "publish without the retain flag",
    )
    OTHER_SPEAKER = (
        "other_speaker",
        "discarded",
        "an observation of another device than the one in the topic, or a device of Wayside under the name of a radio or an anchor",
        "`sources[].speaker`; a device that publishes on another one's topic",
    )
    NOT_ITS_KIND = (
        "not_its_kind",
        "discarded",
        "an observation that this source, or a device of this kind, may not make",
        '`devices` (kind = "till" for a till); `sources[].kinds`',
    )
    LATE = ("late", "discarded", "an observation that was too old when it arrived", "the device's clock; delays in its network")
    IMPLAUSIBLE = (
        "implausible",
        "discarded",
        "a sighting at a level that no receiver measures",
        "the scanner's firmware; somebody who sends a copy of a tag",
    )
    UNMAPPED_ANCHOR = (
        "unmapped_anchor",
        "discarded",
        "a sighting by a scanner, or of a beacon, that belongs to no zone",
        "`zones[].anchors`; `wayside discover` lists the ids heard",
    )
    UNMAPPED_DEVICE = (
        "unmapped_device",
        "discarded",
        "a reading, count or purchase of a device, or a request for a place, that belongs to no zone",
        "`devices`",
    )
    UNUSED_COUNT = ("unused_count", "discarded", "a count of something other than people", "nothing; the device may stop sending it")
    NOT_CONSENTED = (
        "not_consented",
        "discarded",
        "a sighting, position, answer, request or withdrawal of a person without consent",
        "nothing, for passers-by; if no visit is ever counted, whether consents arrive (`facts`)",
    )
    REPEATED = (
        "repeated",
        "discarded",
        "a purchase, answer, request or consent that was already stored, or a sighting of a message that already arrived",
        "nothing after a reconnect; if it goes on, a device that reuses `boot` and `seq`",
    )
    OTHER_GATEWAY = (
        "other_gateway",
        "discarded",
        "an answer to an offer of another gateway that has not stated it",
        'nothing, if gateways share a broker; `devices` (kind = "gateway") lets them share contacts',
    )
    UNKNOWN_DECISION = (
        "unknown_decision",
        "discarded",
        "an answer to a decision that is no longer stored, or never was",
        "answers after a withdrawal; `retention.decisions_days`",
    )
    NOT_THEIRS = ("not_theirs", "discarded", "an answer from a device to which the offer was not sent", "a faulty or forged app")
    TILL_ONLY = (
        "till_only",
        "discarded",
        "an answer `redeemed` of an app to an offer with a coupon, which only a till can redeem",
        "nothing; the app may stop sending it",
    )
    OVERTAKEN = (
        "overtaken",
        "discarded",
        "a consent that is older than a consent or withdrawal already received",
        "nothing; messages may arrive out of order",
    )
    TOO_MANY_CONTACTS = (
        "too_many_contacts",
        "discarded",
        "a contact that another gateway states, beyond what any policy allows a person in a day",
        "the other gateway's campaign; a faulty gateway",
    )
    TOO_MANY_SUBJECTS = (
        "too_many_subjects",
        "discarded",
        "a consent beyond the number of devices and tags that a gateway can hold",
        "a flood of consents; otherwise one more gateway",
    )
