"""A proposed schema: the kind of each column, the reasons why some are left out, and the file that is edited and passed back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.adapters.toml_files import load_schema
from models.dataset.columns import ColumnsError, read_table_schema
from models.dataset.loading import LoadedTable, load_table
from models.dataset.names import attribute_name, plain_name, unique_names
from models.dataset.profile import Profile
from models.dataset.proposal import propose
from models.dataset.roles import Roles
from models.errors import ModelsError
from tests.models.dataset import toy


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.write(tmp_path_factory.mktemp("tables") / "table.csv", toy.rows(400))


@pytest.fixture(scope="module")
def loaded(table: Path) -> LoadedTable:
    return toy.load(table)


def test_every_column_has_its_kind_or_the_reason_to_leave_it_out(loaded: LoadedTable) -> None:
    kinds = {one.column: (one.kind, one.attribute, one.left_out.partition(":")[0].partition(",")[0]) for one in loaded.table.columns}
    assert kinds == {
        "Customer ID": ("identifier", "", "an identifier of rows or people; a person in several rows belongs to --group"),
        "person": ("identifier", "", "an identifier of rows or people; a person in several rows belongs to --group"),
        "Amount": ("number", "amount", ""),
        "colour": ("category", "colour", ""),
        "member": ("flag", "member", ""),
        "country": ("constant", "", "the same value in every row"),
        "note": ("text", "", "free text"),
        "since": ("date", "", "a date"),
        "gender": ("category", "", "sensitive (gender); to use it"),
        "bought": ("flag", "", "the outcome"),
    }
    assert loaded.inputs.columns == ("amount", "colour_blue", "colour_black_white", "colour_red_wine", "colour_grun", "member") or set(
        loaded.inputs.columns
    ) == {"amount", "member", *(f"colour_{plain_name(colour)}" for colour in toy.COLOURS)}


def test_the_proposal_is_a_schema_and_gives_the_same_rows_when_passed_back(loaded: LoadedTable, table: Path, tmp_path: Path) -> None:
    path = tmp_path / "schema.toml"
    path.write_text(loaded.schema, encoding="utf-8")
    assert load_schema(path) == loaded.inputs.schema
    again = load_table(table, Roles("bought"), schema=path)
    assert again.inputs.columns == loaded.inputs.columns
    assert np.array_equal(again.data.rows, loaded.data.rows, equal_nan=True)
    assert "unknown in" in loaded.schema
    assert "written 'unknown'" in loaded.schema
    assert "# country: the same value in every row" in loaded.schema


def test_a_sensitive_column_is_used_only_with_a_reason(loaded: LoadedTable, table: Path, tmp_path: Path) -> None:
    start = loaded.schema.index("# [[attributes]]")
    block = loaded.schema[start:].partition("\n\n")[0]
    opened = loaded.schema + "\n" + "\n".join(line.removeprefix("# ") for line in block.splitlines())
    path = tmp_path / "schema.toml"
    path.write_text(opened, encoding="utf-8")
    with pytest.raises(ColumnsError, match="the sensitive attribute 'gender' needs a reason"):
        load_table(table, Roles("bought"), schema=path)
    path.write_text(opened.replace('reason = ""', 'reason = "sizes of shoes"'), encoding="utf-8")
    assert {"gender_f", "gender_m"} <= set(load_table(table, Roles("bought"), schema=path).inputs.columns)


def test_names_and_values_that_collide_get_an_entry(tmp_path: Path) -> None:
    """Two columns and three texts differ only in signs that a schema does not have; 64 values is the most of a category."""
    draws = np.random.default_rng(0)
    signs = ("<20", "=20", ">20", "№")
    given = [
        {
            "a.b": str(draws.integers(1, 9)),
            "a b": str(draws.choice(signs)),
            "年": str(draws.integers(5)),
            "2nd": "x" if i % 3 else "z",
            "y": str(i % 2),
        }
        for i in range(400)
    ]
    path = toy.write(tmp_path / "table.csv", given)
    loaded = toy.load(path, "y")
    assert {"a_b", "a_b_2_20", "a_b_2_20_2", "a_b_2_20_3", "a_b_2_no", "column", "column_2nd_x"} <= set(loaded.inputs.columns)
    for row, values in zip(given, loaded.data.rows, strict=True):
        assert sum(values[loaded.inputs.columns.index(column)] for column in loaded.inputs.columns if column.startswith("a_b_2_")) == 1.0
        assert values[loaded.inputs.columns.index("a_b")] == float(row["a.b"])
    schema = tmp_path / "schema.toml"
    schema.write_text(loaded.schema, encoding="utf-8")
    assert np.array_equal(load_table(path, Roles("y"), schema=schema).data.rows, loaded.data.rows)


def test_odd_numbers_are_read_or_counted(tmp_path: Path) -> None:
    given = [row | {"Amount": f"{number * 1_000:,}", "level": str(number % 90)} for number, row in enumerate(toy.rows(400), start=1)]
    given[0]["level"], given[1]["level"], given[2]["level"] = "inf", "-Infinity", "n/a"
    given[3]["Amount"] = "a lot"
    loaded = toy.load(toy.write(tmp_path / "table.csv", given))
    amount, level = (loaded.data.rows[:, loaded.inputs.columns.index(name)] for name in ("amount", "level"))
    assert amount[399] == 400_000.0
    assert np.isnan(amount[3])
    assert loaded.table.unreadable == {"Amount": 1, "level": 2}
    assert np.isnan(level[:3]).all()
    assert level[3:].tolist() == [float(number % 90) for number in range(4, 401)]
    assert "2 infinite numbers are read as unknown" in loaded.schema


def test_rare_values_of_a_long_category_are_unknown_and_counted(tmp_path: Path) -> None:
    given = [row | {"shop": f"shop {number % 50}" if number % 10 else f"stall {number}"} for number, row in enumerate(toy.rows(1_000))]
    loaded = toy.load(toy.write(tmp_path / "table.csv", given))
    shops = [column for column in loaded.inputs.columns if column.startswith("shop_")]
    assert len(shops) == 64
    assert loaded.table.unreadable["shop"] == 1_000 - int(np.nansum(loaded.data.rows[:, [loaded.inputs.columns.index(s) for s in shops]]))


def test_more_columns_than_a_schema_may_have_are_refused() -> None:
    wide = [Profile(f"c{at}", at, "number", rows=30, known=30, distinct=9, parsed=30, high=8.0, whole=True) for at in range(1_001)]
    with pytest.raises(ModelsError, match=r"1,001 columns can be features, and a schema has at most 1,000: leave some out by --drop"):
        propose(wide, {}, ())
    assert len(propose(wide, {"c0": "the outcome"}, ()).features) == 1_000
    assert len(propose(wide, {}, ("c5",)).features) == 1_000


@pytest.mark.soak
def test_a_table_of_a_thousand_columns_is_read(tmp_path: Path) -> None:
    draws = np.random.default_rng(0).integers(0, 9, (3_000, 1_000))
    given = [{f"c{at}": str(value) for at, value in enumerate(row)} | {"y": str(number % 2)} for number, row in enumerate(draws)]
    loaded = toy.load(toy.write(tmp_path / "table.csv", given), "y")
    assert np.array_equal(loaded.data.rows, draws)


def test_a_table_of_ids_and_texts_has_no_feature(tmp_path: Path) -> None:
    given = [{name: row[name] for name in ("Customer ID", "note", "country", "bought")} for row in toy.rows(100)]
    with pytest.raises(ModelsError, match="no column that can be a feature; bought: the outcome; Customer ID: an identifier"):
        toy.load(toy.write(tmp_path / "table.csv", given))


def test_unknown_columns_in_options_are_named(table: Path) -> None:
    with pytest.raises(ModelsError, match="no column 'Amout'; did you mean 'Amount'"):
        load_table(table, Roles("bought"), drop=("Amout",))


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (
            'column = "Amount"\nattribute = "amuont"',
            r"schema.toml:\d+: columns\[0\].attribute: 'amuont' is no attribute of the schema; did you mean",
        ),
        ('column = "Amount"', "attribute: required, and absent"),
        ('column = "Amount"\nattribute = "amount"\ncolour = 1', "unknown key"),
        ('column = "colour"\nattribute = "colour"\nvalues = { red = "rot" }', "'rot' for 'red' is no value of colour"),
        ('column = "Amount"\nattribute = "amount"\nvalues = { much = "all" }', "'all' for 'much' is no number"),
    ],
)
def test_faults_of_entries_have_file_and_line(entry: str, why: str, loaded: LoadedTable, tmp_path: Path) -> None:
    path = tmp_path / "schema.toml"
    path.write_text(f"{loaded.schema}\n[[columns]]\n{entry}\n", encoding="utf-8")
    with pytest.raises(ColumnsError, match=why):
        read_table_schema(path)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("PageValues", "page_values"),
        ("emp.var.rate", "emp_var_rate"),
        ("customerID", "customer_id"),
        ("Größe", "groe"),
        ("2nd", "column_2nd"),
        ("年", "column"),
    ],
)
def test_plain_names(text: str, name: str) -> None:
    assert attribute_name(text) == name


def test_names_are_made_unique() -> None:
    assert unique_names(["a", "a", "a_2", "", ""]) == ["a", "a_2", "a_2_2", "value", "value_2"]
