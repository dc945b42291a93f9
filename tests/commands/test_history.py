"""`wayside history export`: what may be learned from, in the workstation's format, under names that lead nowhere."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path

import pytest

from gateway.build import build
from gateway.commands.history import BASKETS, INTERACTIONS, write
from gateway.core import features
from gateway.core.types import Purpose
from models.history.mapping import HistoryError
from models.history.reading import open_history
from tests.commands.terminal import wayside
from tests.core.test_engine import enter
from tests.kit.bundles import make_bundle, tiny_campaign
from tests.kit.gateways import settings_of, walk_in, write_config
from tests.kit.street import DAY_MS, Gateway, Phone, purchase

Rows = list[dict[str, str]]


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    """Two people who may be learned from, one who may not; each came, was offered something, took it and paid."""
    made = Gateway(tmp_path)
    learner: tuple[Purpose, ...] = ("presence", "offers", "learning")
    for number, purposes in enumerate((learner, learner[:2], learner)):
        phone = Phone(f"phone-{number:04}")
        made.tell(phone.consent(purposes))
        (decision,) = enter(made, phone).decisions.made
        made.clock.advance(4_000)
        made.tell(phone.answer(decision.id, "shown"))
        made.clock.advance(4_000)
        made.tell(phone.answer(decision.id))
        made.clock.advance(4_000)
        made.tell(purchase("till-cafe", number, 400 + number, kind="coffee_house", decision=decision.id))
        made.pass_time(60_000)
        enter(made, phone)  # too soon after the last offer: silence
        made.pass_time(60_000)
    return made


def export(gateway: Gateway, folder: Path, now_ms: int | None = None) -> tuple[Rows, Rows]:
    with gateway.reader() as reader:
        write(reader, {"cafe": "coffee_house"}, folder, now_ms or gateway.clock.now_ms())
    return read(folder / "interactions.csv"), read(folder / "baskets.csv")


def read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_visit_with_all_that_came_of_it(gateway: Gateway, tmp_path: Path) -> None:
    interactions, baskets = export(gateway, tmp_path / "out")
    assert tuple(interactions[0]) == INTERACTIONS
    first = interactions[0]["subject"]
    mine = [row for row in interactions if row["subject"] == first]
    assert [row["what"] for row in mine] == ["visit", "proposed", "shown", "accepted", "purchase", "visit", "silent"]
    assert {row["subject"] for row in interactions} == {row["subject"] for row in baskets}
    assert len({row["subject"] for row in interactions}) == 2
    visit, proposed, shown, accepted, paid, _, silent = mine
    assert (visit["zone"], visit["kind"], float(visit["confidence"]) > 0.9) == ("cafe", "coffee_house", True)
    asked = ("offer", "kind", "propensity", "p_select")
    assert [proposed[name] for name in asked] == ["flat-white", "coffee_house", "0.5", "1.0"]
    assert [silent[name] for name in asked] == ["", "", "", "1.0"]
    assert {row["decision"] for row in (proposed, shown, accepted, paid)} == {proposed["decision"]}
    assert (paid["amount_minor"], paid["kind"]) in (("400", "coffee_house"), ("402", "coffee_house"))
    (basket,) = [row for row in baskets if row["subject"] == first]
    assert tuple(basket) == BASKETS
    assert (basket["item"], basket["quantity"], basket["amount_minor"]) == ("coffee_house", "1", paid["amount_minor"])


def test_a_proposal_carries_the_row_that_was_scored(gateway: Gateway, tmp_path: Path) -> None:
    interactions, _ = export(gateway, tmp_path / "out")
    proposed = min((row for row in interactions if row["what"] == "proposed"), key=lambda row: int(row["at_ms"]))
    row = {name: proposed[f"f_{name}"] for name in features.NAMES}
    assert (row["hour"], row["offer_coffee_house"], row["offer_bar"], row["temperature"]) == ("12.0", "1.0", "0.0", "")
    assert not any(value for other in interactions if other["what"] != "proposed" for name, value in other.items() if name.startswith("f_"))


def test_the_table_of_features_is_named_beside_the_rows(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "history.json").write_text('{"features_hash": "of yesterday"}', encoding="utf-8")
    export(gateway, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "history.json").read_text("utf-8")) == {"features_hash": features.SCHEMA_HASH}
    with open_history(interactions=tmp_path / "out" / "interactions.csv") as history:  # as the workstation reads it
        assert history.row_counts_of("interactions").refused == {}
    (tmp_path / "out" / "history.json").write_text('{"features_hash": "of yesterday"}', encoding="utf-8")
    with pytest.raises(HistoryError, match="another table of features"), open_history(interactions=tmp_path / "out" / "interactions.csv"):
        pass


def test_no_name_of_anybody_leads_back_or_to_an_earlier_export(gateway: Gateway, tmp_path: Path) -> None:
    first, second = export(gateway, tmp_path / "a"), export(gateway, tmp_path / "b")
    named = ("subject", "decision", "basket")
    both = [{row[name] for rows in out for row in rows for name in named if row.get(name)} for out in (first, second)]
    assert len(both[0]) == len(both[1]) > 4
    assert not both[0] & both[1]
    text = "".join((tmp_path / folder / name).read_text("utf-8") for folder in "ab" for name in ("interactions.csv", "baskets.csv"))
    for trace in (
        *gateway.state.people.identities,
        *gateway.state.people.identities.values(),
        *(row[0] for row in gateway.rows("decisions")),
    ):
        assert trace not in text
    moments = [[row["at_ms"] for row in rows] for rows in (*first, *second)]
    assert sorted(moments[0]) == sorted(moments[2])


def test_who_takes_it_back_is_in_no_later_export(gateway: Gateway, tmp_path: Path) -> None:
    export(gateway, tmp_path / "out")
    phone = Phone("phone-0000", boot="b2")
    gateway.tell(phone.withdrawal())
    interactions, baskets = export(gateway, tmp_path / "out")
    assert len({row["subject"] for row in interactions}) == len(baskets) == 1
    gateway.tell(Phone("phone-0002", boot="b2").consent(expires_at_ms=gateway.clock.now_ms() + DAY_MS))
    assert export(gateway, tmp_path / "out", gateway.clock.now_ms() + DAY_MS) == ([], [])


def test_files_are_their_owners_and_whole(gateway: Gateway, tmp_path: Path) -> None:
    export(gateway, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["baskets.csv", "history.json", "interactions.csv"]
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()} == {0o600}


def test_the_command_works_beside_a_gateway_that_runs(tmp_path: Path) -> None:
    config = write_config(tmp_path, files=make_bundle(tmp_path, tiny_campaign()))
    words = ("history", "export", "--config", config, "--out", tmp_path / "out")
    assert "does not exist yet: start the gateway first" in wayside(*words).refusal(1)
    running = build(settings_of(config))
    for message in walk_in("phone-0001"):
        running.mailbox.deliver(message)
    running.turn(0.0)
    told = json.loads(wayside(*words, "--json").out)
    assert (told["subjects"], told["interactions"], told["baskets"]) == (1, {"proposed": 1}, 0)
    assert told["interactions_file"] == str(tmp_path / "out" / "interactions.csv")
    assert wayside(*words).out.splitlines()[0].endswith("1 people who may be learned from: 1 proposed")
    running.store.close()
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert "file" in wayside("history", "export", "--config", config, "--out", blocked).refusal(1)
