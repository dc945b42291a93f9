"""The same table in every form of file gives the same rows; files that are no table are refused with the reason."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest

from models.dataset.loading import load_table
from models.dataset.roles import Roles
from models.errors import ModelsError
from tests.models.dataset import toy

ROWS = toy.rows(300)


def _parquet(path: Path, content: str) -> Path:
    plain, packed = path / "from.csv", path / "table.parquet"
    plain.write_text(content, encoding="utf-8")
    duckdb.read_csv(str(plain)).write_parquet(str(packed))
    return packed


def _bytes(name: str, encode: Callable[[str], bytes]) -> Callable[[Path, str], Path]:
    def write(folder: Path, content: str) -> Path:
        (folder / name).write_bytes(encode(content))
        return folder / name

    return write


FORMS: dict[str, Callable[[Path, str], Path]] = {
    "byte order mark": _bytes("table.csv", lambda content: content.encode("utf-8-sig")),
    "Windows line ends": _bytes("table.csv", lambda content: content.replace("\n", "\r\n").encode()),
    "Latin-1": _bytes("table.csv", lambda content: content.encode("latin-1")),
    "UTF-16": _bytes("table.csv", lambda content: content.encode("utf-16")),
    "semicolons": _bytes("table.csv", lambda _: toy.text(ROWS, ";").encode()),
    "semicolons and decimal commas": _bytes(
        "table.csv", lambda _: toy.text([row | {"Amount": row["Amount"].replace(".", ",")} for row in ROWS], ";").encode()
    ),
    "tabs": _bytes("table.tsv", lambda _: toy.text(ROWS, "\t").encode()),
    "quotes": _bytes("table.csv", lambda content: content.replace("Black & white", '"Black & white"').encode()),
    "gzip": _bytes("table.csv.gz", lambda content: gzip.compress(content.encode())),
    "gzip of Latin-1": _bytes("table.csv.gz", lambda content: gzip.compress(content.encode("latin-1"))),
    "bzip2": _bytes("table.csv.bz2", lambda content: bz2.compress(content.encode())),
    "xz": _bytes("table.csv.xz", lambda content: lzma.compress(content.encode())),
    "Parquet": _parquet,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_rows(form: str, tmp_path: Path) -> None:
    plain = toy.load(toy.write(tmp_path / "plain.csv", ROWS))
    loaded = toy.load(FORMS[form](tmp_path, toy.text(ROWS)))
    assert loaded.inputs.columns == plain.inputs.columns
    assert "colour_grun" in plain.inputs.columns
    assert np.array_equal(loaded.data.rows, plain.data.rows, equal_nan=True)
    assert loaded.data.taken.tolist() == plain.data.taken.tolist() == [int(row["bought"] == "yes") for row in ROWS]
    assert (loaded.table.rows_in, loaded.table.rows_used, loaded.table.refused) == (300, 300, {})


def test_lines_with_another_number_of_fields_are_counted(tmp_path: Path) -> None:
    path = toy.write(tmp_path / "table.csv", ROWS)
    with path.open("a", encoding="utf-8") as file:
        file.write("1,2,3\n" + ",".join(["x"] * 30) + "\n")
    table = toy.load(path).table
    assert (table.rows_in, table.rows_used, table.refused) == (302, 300, {"malformed": 2})


def test_rows_without_an_outcome_group_or_time_are_counted_once(tmp_path: Path) -> None:
    given = [dict(row) for row in ROWS]
    given[0]["bought"] = ""
    given[1]["person"] = given[1]["bought"] = "NA"
    given[2]["person"] = ""
    given[3]["since"] = "soon"
    table = toy.load(toy.write(tmp_path / "table.csv", given), groups=("person",), time="since").table
    assert (table.rows_in, table.rows_used) == (300, 296)
    assert table.refused == {"unknown_bought": 2, "unknown_person": 1, "unknown_since": 1}


def test_a_large_table_is_sampled_by_person(tmp_path: Path) -> None:
    """A sample has a person with all rows or none, is the same for the same seed, and is stated."""
    path = toy.write(tmp_path / "table.csv", toy.rows(3_000, people=300))
    roles = Roles("bought", groups=("person",))
    first, again, other = (load_table(path, roles, rows_max=1_000, seed=seed) for seed in (1, 1, 2))
    assert 600 < first.table.rows_used < 1_400
    assert first.table.not_drawn == 3_000 - first.table.rows_used
    assert set(np.bincount(first.data.groups).tolist()) == {10}
    assert np.array_equal(first.data.rows, again.data.rows, equal_nan=True)
    assert len(first.data.rows) != len(other.data.rows) or not np.array_equal(first.data.rows, other.data.rows, equal_nan=True)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("empty.csv", b"", "no header: it is empty"),
        ("header.csv", b"a,b,y\n", "holds no rows"),
        ("headless.csv", b"a,,y\n1,2,3\n", "no header"),
        ("twice.csv", b"a,A,y\n1,2,yes\n", "names the column 'a' twice"),
        ("binary.csv", b"a,b\n\x00\x01\x02", "zero bytes"),
        ("picture.png", b"\x89PNG", "is not CSV"),
        ("torn.csv.gz", gzip.compress(toy.text(ROWS).encode())[:200], "cannot be read"),
        ("several.sqlite", b"SQLite format 3", "write the table as CSV or Parquet first"),
        ("not.parquet", b"PAR1 not really", "cannot be read"),
        ("prose.txt", b"Dear reader,\nthis is a letter.\n", "no header"),
    ],
)
def test_files_that_are_no_table_are_refused(name: str, content: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelsError, match=why):
        toy.load(tmp_path / name, "y")
