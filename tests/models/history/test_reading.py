"""Every row is used or refused with a reason, and both counts add up."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import duckdb
import pytest

from models.history.mapping import HistoryError, HistoryMapping, TableMapping, parse_mapping, read_mapping
from models.history.reading import find_tables, open_history
from models.tables.coupon import INPUTS
from tests.models.history import tables
from tests.models.history.tables import happened, line


def test_every_row_is_used_or_refused_with_its_reason(tmp_path: Path) -> None:
    rows = [
        line("a", 1),
        line("", 1),
        line("b", 1, item=""),
        line("b", 1, quantity=-2),
        line("b", 1, quantity="many"),
        line("b", 1, amount=-5),
        line("b", 1, amount="1.5"),
        line("b", 1, amount="nan"),
        line("c", 1) | {"at_ms": "yesterday"},
        line("c", 1) | {"at_ms": 4_102_444_800_000},
        line("c", 1) | {"at_ms": ""},
        line("c" * 513, 1),
        line("d", 2, amount=""),
    ]
    with open_history(baskets=tables.baskets(tmp_path / "b.csv", rows)) as history:
        counted = history.row_counts_of("baskets")
        used = history.sql("SELECT subject, amount_minor FROM baskets ORDER BY subject").fetchall()
    assert used == [("a", 100), ("d", None)]
    assert counted.refused == {
        "bad_amount_minor": 2,
        "bad_at_ms": 2,
        "bad_quantity": 1,
        "bad_subject": 1,
        "negative_amount": 1,
        "no_at_ms": 1,
        "no_item": 1,
        "no_subject": 1,
        "returned": 1,
    }
    assert counted.rows_in == len(rows) == counted.used + sum(counted.refused.values())


def test_interactions_are_checked_column_by_column(tmp_path: Path) -> None:
    rows = [
        happened("a", 1, "visit", zone="cafe", kind="coffee_house"),
        happened("a", 2, "visited"),
        happened("a", 3, "visit", kind="c" * 600),
        happened("a", 4, "proposed", p_select=0),
        happened("a", 5, "proposed", decision="d", p_select=1.2),
        happened("a", 6, "accepted"),
        happened("a", 7, "accepted", decision="d"),
        happened("a", 8, "silent", propensity=2),
    ]
    with open_history(interactions=tables.interactions(tmp_path / "i.csv", rows)) as history:
        counted = history.row_counts_of("interactions")
    assert counted.used == 2
    assert counted.refused == {"bad_kind": 1, "bad_p_select": 2, "bad_propensity": 1, "bad_what": 1, "no_decision": 1}


def test_broken_lines_are_counted_and_do_not_shift_their_neighbours(tmp_path: Path) -> None:
    path = tables.baskets(tmp_path / "b.csv", [line("a", 1), line("b", 2)])
    with path.open("ab") as file:
        file.write(b"c,1,x\nd,1,x,tea,1,2,3\n\xff\xfe,1,x,tea,1,2\n")
    with open_history(baskets=path) as history:
        counted = history.row_counts_of("baskets")
        names = history.sql("SELECT subject FROM baskets ORDER BY subject").fetchall()
    assert names == [("a",), ("b",)]
    assert (counted.rows_in, counted.used, counted.refused) == (5, 2, {"malformed": 3})


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".csv.xz", ".parquet"])
def test_the_same_rows_in_any_packing(tmp_path: Path, ending: str) -> None:
    plain = tables.baskets(tmp_path / "b.csv", [line("a", 1), line("", 1), line("b", 3, amount=250)])
    path = tmp_path / f"packed{ending}"
    match ending:
        case ".csv.gz":
            path.write_bytes(gzip.compress(plain.read_bytes()))
        case ".csv.xz":
            path.write_bytes(lzma.compress(plain.read_bytes()))
        case ".parquet":
            duckdb.connect().read_csv(str(plain)).write_parquet(str(path))
        case _:
            path = plain
    with open_history(baskets=path) as history:
        assert history.row_counts_of("baskets").refused == {"no_subject": 1}
        assert history.sql("SELECT subject, amount_minor FROM purchases ORDER BY subject").fetchall() == [("a", 100), ("b", 250)]


def test_a_folder_of_parts_is_one_table(tmp_path: Path) -> None:
    folder = tmp_path / "baskets"
    folder.mkdir()
    for part in range(3):
        tables.baskets(folder / f"part-{part}.csv", [line("a", part)])
    assert find_tables(tmp_path) == {"baskets": folder}
    with open_history(baskets=folder) as history:
        assert history.row_counts_of("baskets").used == 3
    (folder / "part-9.csv").write_text("other,columns\n1,2\n", encoding="utf-8")
    with pytest.raises(HistoryError, match="different headers"), open_history(baskets=folder):
        pass


def test_a_shops_own_columns_are_mapped(tmp_path: Path) -> None:
    columns = ("Customer", "Day", "Receipt", "Product", "Pieces", "Each")
    rows = [
        dict(zip(columns, ("7", "05.01.2026", "1", "x", "3", "2.35"), strict=True)),
        dict(zip(columns, ("7", "2026-01-05", "2", "x", "1", "1"), strict=True)),
        dict(zip(columns, ("7", "05.01.2026", "C3", "x", "-1", "1"), strict=True)),
        dict(zip(columns, ("7", "05.01.2026", "4", "x", "1", "free"), strict=True)),
    ]
    path = tables.write(tmp_path / "sales.csv", columns, rows)
    text = "subject=Customer,at=Day,basket=Receipt,item=Product,quantity=Pieces,price=Each,at_format=%d.%m.%Y,cancelled_prefix=C"
    mapping = parse_mapping("baskets", text)
    with open_history(baskets=path, mapping=HistoryMapping(baskets=mapping)) as history:
        assert history.sql("SELECT at_ms, amount_minor FROM baskets").fetchall() == [(1_767_571_200_000, 705)]
        assert history.row_counts_of("baskets").refused == {"bad_amount_minor": 1, "bad_at_ms": 1, "cancelled": 1}
    written = tmp_path / "sales.toml"
    written.write_text(
        '[baskets]\nat_format = "%d.%m.%Y"\ncancelled_prefix = "C"\n[baskets.columns]\nsubject = "Customer"\nat = "Day"\n'
        'basket = "Receipt"\nitem = "Product"\nquantity = "Pieces"\nprice = "Each"\n',
        encoding="utf-8",
    )
    assert read_mapping(written).baskets == mapping


def test_names_with_quotes_stay_names(tmp_path: Path) -> None:
    odd = 'a"; DROP TABLE baskets_staged; --'
    path = tables.write(tmp_path / "b.csv", (odd, "at_ms", "basket", "item"), [{odd: "s", "at_ms": 5, "basket": "b'1", "item": "x"}])
    mapping = HistoryMapping(baskets=TableMapping(columns={"subject": odd}, cancelled_prefix="'; --"))
    with open_history(baskets=path, mapping=mapping) as history:
        assert history.sql("SELECT subject, basket FROM baskets").fetchall() == [("s", "b'1")]


def test_a_faulty_file_is_reported_in_one_line(tmp_path: Path) -> None:
    misspelt = tables.write(tmp_path / "m.csv", ("subjct", "at_ms", "basket", "item"), [])
    headless = tmp_path / "h.csv"
    headless.write_bytes(b"")
    twice = tmp_path / "t.csv"
    twice.write_text("subject,subject\n1,2\n", encoding="utf-8")
    picture = tmp_path / "p.png"
    picture.write_bytes(b"\x89PNG")
    torn = tmp_path / "t.csv.gz"
    torn.write_bytes(gzip.compress(b"subject,at_ms\n" * 900)[:40])
    mixed = tmp_path / "mixed.csv"
    mixed.write_bytes(b"subject,at_ms,basket,item\na,1,b,x\r\nb,1,b,x\n")
    broken = tmp_path / "b.parquet"
    broken.write_bytes(b"PAR1 not really")
    for path, why in (
        (misspelt, "lacks the column subject; the nearest is 'subjct'"),
        (headless, "has no header"),
        (twice, "names the column 'subject' twice"),
        (picture, "is not CSV"),
        (torn, "cannot be read as CSV"),
        (mixed, "lines end in different ways"),
        (broken, "cannot be read"),
        (tmp_path / "absent.csv", "does not exist"),
        (tmp_path, "different headers|other form"),
    ):
        with pytest.raises(HistoryError, match=why) as error_info, open_history(baskets=path):
            pass
        assert "\n" not in str(error_info.value)
    with pytest.raises(HistoryError, match="needs a table"), open_history():
        pass


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("subjekt=A", "the nearest is 'subject'"),
        ("subject", "has no value"),
        ("subject=A,subject=B", "twice"),
        ("minor_per_major=0", "cannot be used"),
    ],
)
def test_a_wrong_mapping_is_refused(text: str, why: str) -> None:
    with pytest.raises(HistoryError, match=why):
        parse_mapping("baskets", text)


def test_features_without_their_schema_are_refused(tmp_path: Path) -> None:
    columns = (*tables.INTERACTION_COLUMNS, *tables.FEATURES)
    path = tables.interactions(tmp_path / "interactions.csv", [tables.proposed("a", 1, "d")], columns)
    sidecar = tmp_path / "history.json"
    with open_history(interactions=path) as history:
        assert history.inputs == INPUTS
    stated = sidecar.read_text("utf-8")
    for change, why in (("visits_bar", "lacks f_visits_tavern"), ("no json", "cannot be read")):
        sidecar.write_text(stated.replace("visits_bar", "visits_tavern") if change == "visits_bar" else change, encoding="utf-8")
        with pytest.raises(HistoryError, match=why), open_history(interactions=path):
            pass
    for other, why in ((columns[:-1], f"lacks {tables.FEATURES[-1]}"), ((*columns, "f_gender"), "has f_gender")):
        with pytest.raises(HistoryError, match=why), open_history(interactions=tables.interactions(tmp_path / "f.csv", [], other)):
            pass
    sidecar.unlink()
    with pytest.raises(HistoryError, match="explains the f_ columns"), open_history(interactions=path):
        pass


def test_a_thousand_foreign_columns_do_not_matter(tmp_path: Path) -> None:
    extra = tuple(f"attribute {number}" for number in range(1_000))
    path = tables.write(tmp_path / "wide.csv", (*tables.BASKET_COLUMNS, *extra), [line("a", 1) | dict.fromkeys(extra, "x")])
    with open_history(baskets=path) as history:
        assert history.row_counts_of("baskets").used == 1


def test_what_was_unpacked_and_staged_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spare = tmp_path / "spare"
    spare.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spare))
    with open_history(baskets=tables.baskets(tmp_path / "b.csv", [line("a", 1)])):
        assert list(spare.iterdir())
    assert not list(spare.iterdir())
