"""The part of a Sparkplug B payload that Wayside reads, as a protobuf message type made in code.

Field numbers and types are facts of Eclipse Tahu's public schema (payload 1-3, metric 1-15, properties). What is
not declared here (data sets, templates, files) stays undecoded, so nothing nests deeper than a property does. Texts are
declared as bytes, which look the same on the wire: their encoding is checked where they are used. The
library is loaded when the first payload arrives, so that a street without Sparkplug does not pay for it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

_PACKAGE = "wayside.sparkplug"

# name of a message -> its fields: number, name, protobuf type, and with * that it is repeated
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
    """The class of payloads, and the error that its parser raises."""
    # Imported on first use: 6 MB that most streets never need.
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
