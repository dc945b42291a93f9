"""Settings of sources: topics, their decoder or a declared mapping, and codecs of LoRaWAN devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from gateway.config_part import Part
from gateway.core import limits
from gateway.core.types import CountKind, Direction
from gateway.decoders.contract import Kind
from gateway.decoders.mapping.rows import Form, Mapping, Pointer, Value, check_quantity, pointer
from gateway.decoders.topics import is_filter

Filter = Annotated[str, Field(min_length=1, max_length=limits.TOPIC_BYTES_MAX)]
Name = Annotated[str, Field(min_length=1, max_length=limits.TEXT_CHARS_MAX)]


class ValuePart(Part):
    """One value of a message."""

    at: str = Field("", description="JSON pointer such as /sensor/temperature, the number of a CSV column, or empty for the whole payload")
    quantity: str | None = Field(None, description="quantity of a reading, such as temperature")
    unit: str | None = Field(None, description="unit in which the device states it; default: the quantity's own")
    scale: float = Field(1.0, description="factor before the unit, such as 0.1 for tenths")
    words: dict[str, float] = Field(default_factory=dict, description="values of texts, such as { open = 0, closed = 1 }")
    missing: tuple[float, ...] = Field((), description="numbers that stand for a value that was not measured, such as [-999]")
    count: CountKind | None = Field(None, description="instead of quantity: passed (since the last report), total or present (in view)")
    direction: Direction | None = Field(None, description="of a count: in or out")
    what: Name = Field("people", description="of a count: what is counted")
    part: Name | None = Field(None, description="name of a part of the device, such as soil")
    topic: Filter | None = Field(None, description="only on topics of this filter")

    @model_validator(mode="after")
    def _meant(self) -> Self:
        if (self.quantity is None) == (self.count is None):
            raise ValueError("a value has either a quantity or a count")
        if self.quantity is not None:
            check_quantity(self.quantity, self.unit)
        if self.topic is not None and not is_filter(self.topic):
            raise ValueError(f"{self.topic!r} is not an MQTT topic filter")
        return self

    def value(self, form: Form) -> Value:
        """The row of the decoder. Raises ValueError for a wrong pointer."""
        words = {word.lower(): number for word, number in self.words.items()}
        fields = self.model_dump(exclude={"at", "words", "count"})
        return Value(at=pointer(self.at, form), words=words, kind=self.count, **fields)


class MappingPart(Part):
    """A format of one's own."""

    form: Form = Field("json", description="json, number, text or csv")
    each: str | None = Field(None, description="pointer to a list or object whose members are decoded one by one")
    device: str | None = Field(None, description="pointer to the id of the device; only a bridge may publish such messages (bridge = true)")
    name: Name | None = Field(None, description="id of the only device of this source, instead of a level of the topic")
    time: str | None = Field(None, description="pointer to the time: ISO 8601, seconds or milliseconds")
    delimiter: str = Field(",", min_length=1, max_length=1, description="delimiter of CSV")
    heard: str | None = Field(None, description="of sightings: pointer to the id of the radio that was heard")
    rssi: str | None = Field(None, description="of sightings: pointer to the level in dBm")
    latitude: str | None = Field(None, description="of positions: pointer to the latitude")
    longitude: str | None = Field(None, description="of positions: pointer to the longitude")
    degrees: float = Field(1.0, gt=0, description="degrees in one unit of latitude and longitude, such as 1e-7")
    values: tuple[ValuePart, ...] = Field((), max_length=limits.OBSERVATIONS_PER_MESSAGE_MAX, description="the values of a message")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.heard is None) != (self.rssi is None) or (self.latitude is None) != (self.longitude is None):
            raise ValueError("heard and rssi go together, and latitude and longitude")
        if not self.values and self.heard is None and self.latitude is None:
            raise ValueError("a mapping needs values, heard or latitude: without them it reads nothing")
        if self.form in ("number", "text") and (self.each is not None or self.heard is not None or self.latitude is not None):
            raise ValueError(f"a payload of form {self.form} has one value, and no parts to point at")
        self.mapping()
        return self

    def mapping(self) -> Mapping:
        """The mapping of the decoder. Raises ValueError for a wrong pointer."""

        def at(stated: str | None, *, names: bool = False) -> Pointer | None:
            return None if stated is None else pointer(stated, self.form, names=names)

        return Mapping(
            tuple(self._value(number, one) for number, one in enumerate(self.values)),
            self.form,
            at(self.each),
            at(self.device, names=True),
            self.name,
            at(self.time),
            self.delimiter,
            at(self.heard),
            at(self.rssi),
            at(self.latitude),
            at(self.longitude),
            self.degrees,
        )

    def _value(self, number: int, part: ValuePart) -> Value:
        try:
            return part.value(self.form)
        except ValueError as error:
            raise ValueError(f"values[{number}]: {error}") from None


class SourcePart(Part):
    """A subscription with its decoder."""

    topic: Filter = Field(description="MQTT topic filter")
    decoder: str | None = Field(None, description="name of the wire format, as `wayside decode --list` prints it; or a mapping instead")
    mapping: MappingPart | None = Field(None, description="a format of one's own, instead of a decoder")
    speaker: str | None = Field(
        None, description="topic filter whose levels in braces name the device, such as cassia/{gateway}/#; default: the format's"
    )
    kinds: tuple[Kind, ...] | None = Field(None, description="kinds of observations that this source may make; default: the format's")
    bridge: bool = Field(
        default=False,
        description="true: only a bridge may publish here, and its payload names the devices or scanners (room_assistant, raddec)",
    )
    keys_file: Path | None = Field(None, description='TOML file for sensors that encrypt: "MAC address" = "key in hex digits"')

    @model_validator(mode="after")
    def _read(self) -> Self:
        if (self.decoder is None) == (self.mapping is None):
            raise ValueError("a source has either a decoder or a mapping")
        if self.mapping is None:
            return self
        if self.mapping.device is not None and not self.bridge:
            raise ValueError("the payload names the devices: set bridge = true if the broker lets only that bridge publish here")
        if self.mapping.device is None and self.mapping.name is None and self.speaker is None:
            raise ValueError("no device is named: mark a level of the topic in speaker, such as a/{device}/#, or set mapping.name")
        return self


class CodecPart(Part):
    """A maker's JavaScript codec for LoRaWAN devices."""

    models: tuple[Name, ...] = Field(
        min_length=1, description="device profiles or models, as the network server names them; * for any text"
    )
    file: Path = Field(description="the codec: a JavaScript file with decodeUplink(input), Decode(fPort, bytes) or Decoder(bytes, port)")
    values: tuple[ValuePart, ...] = Field((), description="the values of its object, where its names are not understood by themselves")

    @model_validator(mode="after")
    def _pointers(self) -> Self:
        self.rows()
        return self

    def rows(self) -> tuple[Value, ...]:
        """The rows of the decoder. Raises ValueError for a wrong pointer."""
        return tuple(one.value("json") for one in self.values)
