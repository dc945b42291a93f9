"""Matches the inputs of an ONNX model with the attributes of a schema, by name and type.

One matrix input has its columns named by the schema, in its order or in a given one. Otherwise each input has shape (n, 1): texts belong
to a category of the same name, numbers to the column of that name. Every input that does not fit is named, with the nearest name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from onnx import ModelProto, TensorProto, ValueInfoProto

from gateway.core.attributes.schema import Attribute, Schema
from gateway.core.bundle import NamedInput
from gateway.core.nearest import nearest
from models.imported.errors import ImportedError

_NUMBERS = {TensorProto.FLOAT, TensorProto.DOUBLE}
_WHOLE = {TensorProto.BOOL, TensorProto.INT64, TensorProto.INT32}  # types without a value for unknown
_ALWAYS_KNOWN = ("value", "tag", "expiry_hours", "hours_left")  # fields of every offer


class Matched(NamedTuple):
    """The columns that a model reads: as one input called `matrix`, or as named `inputs`."""

    matrix: str | None
    inputs: tuple[NamedInput, ...]
    columns: tuple[str, ...]


def match(model: ModelProto, schema: Schema, columns: Sequence[str] | None) -> Matched:
    """The inputs of a model as columns of the schema; `columns` names those of a matrix. Raises ImportedError with every mismatch."""
    inputs = list(model.graph.input)
    faults = [fault for one in inputs for fault in _shape_faults(one)]
    if faults:
        raise ImportedError("\n".join(faults))
    if len(inputs) == 1 and (_width(inputs[0]) != 1 or columns is not None):
        return _matrix(inputs[0], schema, schema.columns if columns is None else columns, stated=columns is not None)
    if columns is not None:
        raise ImportedError(f"it has {len(inputs)} inputs, each with a name of its own: leave out --columns")
    faults = [fault for one in inputs for fault in _named_faults(one, schema)]
    if faults:
        raise ImportedError("\n".join(faults))
    named = tuple(NamedInput(one.name, _values(one, schema)) for one in inputs)
    return Matched(None, named, tuple(column for one in named for column in one.columns))


def kind_of(one: ValueInfoProto) -> int:
    """The element type of an input."""
    return int(one.type.tensor_type.elem_type)


def _width(one: ValueInfoProto) -> int:
    return int(one.type.tensor_type.shape.dim[-1].dim_value)


def _shape_faults(one: ValueInfoProto) -> Iterator[str]:
    dims = one.type.tensor_type.shape.dim
    if kind_of(one) not in {*_NUMBERS, *_WHOLE, TensorProto.STRING}:
        yield f"its input {one.name!r} has type {TensorProto.DataType.Name(kind_of(one))}: use float32, or texts for a category"
    elif len(dims) != 2:
        yield f"its input {one.name!r} has {len(dims)} dimensions: rows and columns are needed, (n, k)"
    elif dims[0].dim_value:
        yield (
            f"its input {one.name!r} takes exactly {dims[0].dim_value} rows: export with a free number of rows "
            '(skl2onnx: [None, k]; torch.onnx.export: dynamic_shapes={"x": {0: "n"}})'
        )


def _matrix(one: ValueInfoProto, schema: Schema, columns: Sequence[str], *, stated: bool) -> Matched:
    if kind_of(one) == TensorProto.STRING:
        raise ImportedError(f"its input {one.name!r} takes texts in {_width(one)} columns: export one input a column, (n, 1), for texts")
    if unknown := [column for column in columns if column not in schema.columns]:
        raise ImportedError("\n".join(f"{name!r} is no column of the schema{nearest(name, schema.columns)}" for name in unknown))
    if (width := _width(one) or len(columns)) != len(columns):
        source = "--columns names" if stated else "the schema has"
        raise ImportedError(
            f"its input {one.name!r} has {width} columns, {source} {len(columns)}: list the columns of the model with --columns"
        )
    if faults := [fault for column in columns for fault in _unknown_faults(one, column, schema)]:
        raise ImportedError("\n".join(faults))
    return Matched(one.name, (), tuple(columns))


def _named_faults(one: ValueInfoProto, schema: Schema) -> Iterator[str]:
    attribute = schema.attribute(one.name)
    if kind_of(one) == TensorProto.STRING:
        categories = [known.name for known in schema.attributes if known.dtype == "category"]
        if attribute is None:
            yield f"no attribute is declared for its input {one.name!r} of texts{nearest(one.name, categories)}"
        elif attribute.dtype != "category":
            yield f"its input {one.name!r} takes texts, and the schema declares a {attribute.dtype}: train with float32"
    elif _width(one) != 1:
        yield f"its input {one.name!r} has {_width(one)} columns: several inputs have one column each"
    elif one.name not in schema.columns and attribute is not None:
        yield f"its input {one.name!r} takes numbers, and the schema declares a category of {', '.join(attribute.values)}: train with texts"
    elif one.name not in schema.columns:
        yield f"no attribute is declared for its input {one.name!r}{nearest(one.name, [known.name for known in schema.attributes])}"
    else:
        yield from _unknown_faults(one, one.name, schema)


def _unknown_faults(one: ValueInfoProto, column: str, schema: Schema) -> Iterator[str]:
    """An integer has no NaN, so it cannot hold an attribute that may be unknown."""
    owner = next(attribute for attribute in schema.attributes if column in attribute.columns)
    if kind_of(one) in _WHOLE and not _always_known(owner):
        kind = TensorProto.DataType.Name(kind_of(one)).lower()
        yield f"its input {one.name!r} is {kind}, which has no value for unknown, and {owner.name!r} may be unknown: train with float32"


def _always_known(attribute: Attribute) -> bool:
    if attribute.offer is not None:
        return attribute.offer.field in _ALWAYS_KNOWN
    return attribute.clock is not None or attribute.occasion is not None


def _values(one: ValueInfoProto, schema: Schema) -> tuple[str, ...]:
    attribute = schema.attribute(one.name)
    return attribute.values if attribute is not None and kind_of(one) == TensorProto.STRING else ()
