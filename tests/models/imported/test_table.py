"""Rows of attribute values from tables: the same rows as those of the gateway's own reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.imported.table import Table
from models.inputs import Inputs
from models.tables.reading import TableError
from tests.kit.attributes import COLUMNS
from tests.kit.attributes import SCHEMA as STREET
from tests.models.imported.museum import SCHEMA


def table(folder: Path, text: str) -> Table:
    path = folder / "rows.csv"
    path.write_text(text, "utf-8")
    return Table(path)


def test_unknown_is_nan_and_bounds_are_those_of_the_attribute(tmp_path: Path) -> None:
    rows = table(tmp_path, "ticket,visits,hour,member,weekday\nyear,3,30,yes,2\n,,12.5,,\nday,-1,-4,0,9\n").rows(
        Inputs(SCHEMA, SCHEMA.columns)
    )
    nan = np.nan
    expected = [[0, 1, 0, 3, 24, 1, 2], [nan, nan, nan, nan, 12.5, nan, nan], [1, 0, 0, -1, 0, 0, 6]]
    np.testing.assert_array_equal(rows, np.array(expected, np.float32))


def test_a_category_may_be_one_column_a_value(tmp_path: Path) -> None:
    inputs = Inputs(SCHEMA, ("ticket_year", "hour"))
    rows = table(tmp_path, "ticket_day,ticket_year,ticket_school,hour\n0,1,0,9\n1,0,0,10\n").rows(inputs)
    assert rows.tolist() == [[1, 9], [0, 10]]


def test_values_by_the_category_of_the_offer_come_from_the_person(tmp_path: Path) -> None:
    """As `Inputs.rows` works them out for the same values."""
    inputs = Inputs(STREET, COLUMNS)
    between = next(one for one in inputs.used if one.between is not None and one.between.by_category)
    assert between.between is not None
    assert inputs.category is not None
    names = dict(sorted(between.between.by_category.items()))
    known = {name: float(at + 3) for at, name in enumerate(dict.fromkeys(names.values()))}
    lines = [",".join([inputs.category.name, *known]), *(",".join([category, *map(str, known.values())]) for category in names)]
    found = table(tmp_path, "\n".join(lines)).rows(Inputs(STREET, (between.name, *inputs.category.columns)))[:, 0]
    whole = inputs.rows([known | {inputs.category.name: category} for category in names])
    assert len(set(found.tolist())) > 1
    assert found.tolist() == whole[:, COLUMNS.index(between.name)].tolist()


@pytest.mark.parametrize(("name", "content", "message"), [("r.parquet", b"PAR", "no Parquet file"), ("r.npz", b"PK", r"no \.npz file")])
def test_damaged_files_are_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError, match=message):
        Table(tmp_path / name)


def test_arrays_of_python_objects_are_refused(tmp_path: Path) -> None:
    """They would be unpickled."""
    np.savez(tmp_path / "rows.npz", visits=np.array([{}], dtype=object))
    with pytest.raises(TableError, match=r"no \.npz file"):
        Table(tmp_path / "rows.npz")
