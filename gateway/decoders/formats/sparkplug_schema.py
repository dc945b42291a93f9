"""The part of a Sparkplug B payload that Wayside reads, as a protobuf message type built in code.

Field numbers and types are those of Eclipse Tahu's public schema (payload 1-3, metric 1-15, properties). Other fields
(data sets, templates, files) are not declared and so not decoded, and nothing is nested deeper than a property. Texts
are declared as bytes, which have the same encoding in protobuf; UTF-8 is checked at the place of use. The library is
imported for the first payload.
"""

from __future__ import annotations

from functools import cache
from typing import Any

_PACKAGE = "wayside.sparkplug"

# name of a message -> its fields: number, name, protobuf type; * marks a repeated one
_MESSAGES: dict[str, tuple[tuple[int, str, str], ...]] = {
    "PropertyValue": ((8, "string_value", "BYTES"),),
    "PropertySet": ((1, "keys", "BYTES*"), (2, "values", "PropertyValue*")),
    "Metric": (
        (1, "name", "BYTES"),
        (2, "alias", "UINT64"),
        (3, "timestamp", "UINT64"),
        (4, "datatype", "UINT32"),
        (5, "is_historical", "BOOL"),
        (7, "is_null", "BOOL"),
        (9, "properties", "PropertySet"),
        (10, "int_value", "UINT32"),
        (11, "long_value", "UINT64"),
        (12, "float_value", "FLOAT"),
        (13, "double_value", "DOUBLE"),
        (14, "boolean_value", "BOOL"),
        (15, "string_value", "BYTES"),
    ),
    "Payload": ((1, "timestamp", "UINT64"), (2, "metrics", "Metric*"), (3, "seq", "UINT64")),
}


@cache
def payload_type() -> tuple[Any, type[Exception]]:
    """The class of payloads, and the exception that its parser raises."""
    # Imported on first use: it takes 6 MB, and only sources with Sparkplug need it.
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: PLC0415
    from google.protobuf.message import DecodeError  # noqa: PLC0415

    schema = descriptor_pb2.FileDescriptorProto(name="wayside/sparkplug.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        described = schema.message_type.add(name=name)
        for number, field, stated in fields:
            kind = stated.rstrip("*")
            row = described.field.add(number=number, name=field)
            row.label = row.LABEL_REPEATED if stated.endswith("*") else row.LABEL_OPTIONAL
            if kind in _MESSAGES:
                row.type, row.type_name = row.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                row.type = getattr(row, f"TYPE_{kind}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(schema)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload")), DecodeError
