"""`wayside privacy`: the scan names places and no findings, the sheet has all languages and the fields of the registry, the audit fails."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from string import Formatter

import msgspec
import pytest
from typer.testing import CliRunner, Result

from gateway.build import EXPIRY_UNCHECKED, build_site, open_config_bundle
from gateway.cli import app
from gateway.commands.privacy import exits, texts
from gateway.commands.privacy.facts import ATTACKS, Facts, facts
from gateway.commands.privacy.sheet import page
from gateway.config import load_config
from gateway.core.privacy import laplace
from tests.adapters.test_release import Counting, sent
from tests.house import tree
from tests.kit.testbed import DAY_MS, KEY, NOON_MS

CONFIG = tree.ROOT / "deploy" / "worlds" / "street" / "gw-a.toml"
CARD = "4539 1488 0343 6467"


def run(*arguments: str | Path, given: str | None = None) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["privacy", *map(str, arguments)], input=given)


def street() -> Facts:
    settings = load_config(CONFIG)
    site = build_site(settings, open_config_bundle(settings, EXPIRY_UNCHECKED))
    return facts(site, "https://dashboard.example", exits.exits(settings, site))


# --- scan ------------------------------------------------------------------------------------------------------


def test_the_scan_names_line_and_kind_and_not_the_text(tmp_path: Path) -> None:
    (tmp_path / "gateway.log").write_text(f"fine\ncard {CARD}\nfine\nmail to anna@example.com from DE:AD:BE:EF:00:42\n")
    done = run("scan", tmp_path / "gateway.log", "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert [(one["place"].rpartition(":")[2], one["kinds"]) for one in found] == [
        ("2", ["card number"]),
        ("4", ["e-mail address", "MAC address"]),
    ]
    assert not re.search("4539|anna|DE:AD", done.stdout)
    assert CARD not in run("scan", tmp_path / "gateway.log").stdout


def test_the_scan_reads_stdin_and_long_lines() -> None:
    assert json.loads(run("scan", "-", "--json", given=f"{'a ' * 5_000}{CARD}{' b' * 5_000}\n").stdout) == [
        {"place": "stdin:1", "kinds": ["card number"]}
    ]


def test_the_name_of_a_file_is_looked_at_and_not_printed(tmp_path: Path) -> None:
    (tmp_path / "anna@example.com.log").write_text("fine\n")
    done = run("scan", tmp_path / "anna@example.com.log", "--json")
    assert [one["kinds"] for one in json.loads(done.stdout)] == [["e-mail address"]]
    assert "anna" not in done.stdout


def test_a_clean_gateway_has_nothing_to_report() -> None:
    done = run("scan", "--config", CONFIG)
    assert (done.exit_code, done.stdout) == (0, "no personal data found\n")


def test_dead_letters_and_names_of_files_of_a_gateway_are_looked_at(tmp_path: Path) -> None:
    counting = Counting(tmp_path / "anna@example.com")
    counting.store._db.execute("INSERT INTO dead_letters VALUES (x'00', 'd', 'r', 1, ?, 1, 1)", (f"card {CARD}",))
    counting.close()
    (tmp_path / "anna@example.com" / "gateway.key").write_text(KEY.hex())
    (tmp_path / "anna@example.com" / "gateway.key").chmod(0o600)
    folder = tmp_path / "anna@example.com"
    places = ["--set", f"store.path={folder / 'gateway.db'}", "--set", f"store.key_file={folder / 'gateway.key'}"]
    done = run("scan", "--config", CONFIG, *places, "--json")
    assert [one["place"] for one in json.loads(done.stdout)] == ["a dead letter"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["scan"], 2, "nothing to look at"),
        (["scan", "-", "--region", "XX"], 2, "'XX' is no country with phone numbers"),
        (["scan", "absent.log"], 1, "absent.log"),
        (["sheet", "--config", CONFIG, "--html", "absent/x.html"], 1, "absent/x.html: No such file or directory: check its path"),
    ],
)
def test_wrong_use_is_one_line(arguments: Sequence[str | Path], code: int, told: str) -> None:
    done = run(*arguments)
    assert done.exit_code == code
    (line,) = done.stderr.splitlines()
    assert told in line


# --- sheet -----------------------------------------------------------------------------------------------------


def test_the_sheet_states_unit_epsilon_tables_and_retention_in_each_language(tmp_path: Path) -> None:
    for language in texts.LANGUAGES:
        done = run("sheet", "--config", CONFIG, "--language", language, "--html", tmp_path / "sheet.html")
        assert done.exit_code == 0
        html = (tmp_path / "sheet.html").read_text()
        assert html == page(facts_without_cloud(), language)
        assert f'<html lang="{language}">' in html
        for number in (street().epsilon, street().contacts_max, street().error, street().hour_counts, street().offer_counts, 90, 180, 400):
            assert f"{number:g}" in html
        assert not re.search(r"https?://|<script|src=", html), "no outside parts"


def facts_without_cloud() -> Facts:
    return msgspec.structs.replace(street(), cloud="")


def test_all_languages_have_all_sentences_and_numbers() -> None:
    sentences = [texts.TITLE, texts.DEMONSTRATION, texts.NOT_SENT, texts.SENT_TO, texts.FLEET, texts.FLEET_COLUMNS, texts.ATTACKS]
    sentences += [
        texts.CONTROL,
        texts.VISITORS,
        texts.ONLY_CONSENTING,
        texts.DAYS,
        texts.DAYS_ABOUT,
        texts.DAYS_COLUMNS,
        *texts.OFFERS_BY.values(),
    ]
    sentences += [title for title, _ in texts.SECTIONS.values()] + [line for _, lines in texts.SECTIONS.values() for line in lines]
    sentences += [texts.ATTACK_TITLES[attack] for attack in ATTACKS]
    sentences += [exits.TITLE, exits.ABOUT, exits.OPERATOR, *exits.MESSAGES.values()]
    for sentence in sentences:
        assert set(sentence) == set(texts.LANGUAGES)
        fields = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in sentence.values()]
        assert fields[0] <= {*Facts.__struct_fields__, *exits.Exits.__struct_fields__, "offers_by", "factor"}
        assert all(one == fields[0] for one in fields)
        assert len(set(sentence.values())) == len(texts.LANGUAGES) or sentence == texts.NOT_SENT
    assert set(texts.ATTACK_TITLES) == set(ATTACKS)


def test_the_sheet_states_the_tables_of_a_small_site() -> None:
    small = (
        "--set",
        "privacy.offers_by=site",
        "--set",
        "privacy.offers_every=week",
        "--set",
        "privacy.perceived_control=true",
        "--set",
        "privacy.visitors=true",
    )
    plain, found = run("sheet", "--config", CONFIG).stdout, run("sheet", "--config", CONFIG, *small).stdout
    assert "Outcomes by zone, offer and day" in plain
    assert "Outcomes by offer and calendar week, all zones together" in found
    assert "yearly question" in found
    assert "All others are in no number" in plain
    assert "All others are in no number" not in found, "devices without consent are counted here"
    assert "Devices of people without consent" in found
    assert "yearly question" not in plain
    entry = json.loads(run("sheet", "--config", CONFIG, *small, "--json").stdout)["deployment"]
    assert "by offer and outcome, each calendar week. Perceived control, each quarter" in entry["product"]["description"]
    assert "one for each calendar week" in entry["model"]["release_type_description"]


def test_the_sheet_names_each_receiver_of_messages_about_single_people() -> None:
    """Each way out of a config is a sentence; without it there is none."""
    settings = load_config(CONFIG)
    site = build_site(settings, open_config_bundle(settings, EXPIRY_UNCHECKED))
    plain = exits.exits(settings, msgspec.structs.replace(site, neighbours=frozenset()))
    assert plain.broker == settings.mqtt.host
    assert (plain.neighbours, plain.webhook) == ("", "")
    assert exits.exits(settings, msgspec.structs.replace(site, neighbours=frozenset({"gw-c", "gw-b"}))).neighbours == "gw-b, gw-c"
    full = exits.Exits("broker.example", "gw-b", "sms.example", "kiosk-1", "screen-1", 5, "till-1", "127.0.0.1:9100")
    assert [name for name in exits.MESSAGES if not getattr(full, name)] == []
    shown = list(exits.rows(full, "de"))
    assert len(shown) == len(exits.MESSAGES)
    for name in ("broker.example", "gw-b", "sms.example", "kiosk-1", "screen-1", "till-1", "127.0.0.1:9100"):
        assert any(name in row for row in shown)
    assert len(list(exits.rows(exits.Exits("broker.example"), "fr"))) == 1
    entry = run("sheet", "--config", CONFIG, "--json").stdout
    assert "Messages about single people, without noise: Broker" in entry


def test_the_address_of_a_webhook_is_not_printed_as_it_may_hold_a_secret(tmp_path: Path) -> None:
    secret = tmp_path / "hook.secret"
    secret.write_text("whsec_" + "QUJD" * 8)
    secret.chmod(0o600)
    settings = load_config(CONFIG, ["webhook.url=https://sms.example/hooks/T0K3N", f"webhook.secret_file={secret}"])
    site = build_site(settings, open_config_bundle(settings, EXPIRY_UNCHECKED))
    assert exits.exits(settings, site).webhook == "", "no offer has the channel"
    offers = tuple(msgspec.structs.replace(one, channel="webhook") for one in site.campaign.offers)
    passed = msgspec.structs.replace(site, campaign=msgspec.structs.replace(site.campaign, offers=offers))
    assert exits.exits(settings, passed).webhook == "sms.example"


def test_the_days_of_the_sheet_add_up_to_the_ceiling_of_a_linker() -> None:
    """Among ten, odds of 1 to 9 grow by e to the power of epsilon."""
    found = msgspec.structs.replace(street(), epsilon=1.0).days
    assert [(number, epsilon) for number, epsilon, _ in found] == [(1, 1.0), (7, 7.0), (30, 30.0)]
    assert found[0][2] == pytest.approx(math.e / 9 / (1 + math.e / 9))
    assert found[2][2] > 0.999


def test_each_attack_of_the_sheet_has_its_test() -> None:
    assert [path for path in ATTACKS.values() if not (tree.ROOT / path).exists()] == []


def test_the_registry_has_the_fields_of_its_schema() -> None:
    entry = json.loads(run("sheet", "--config", CONFIG, "--json").stdout)
    assert (entry["status"], entry["tier"]) == ("Draft", 3)
    deployment = entry["deployment"]
    assert {name: set(fields) for name, fields in deployment.items()} == {
        "product": {
            "name",
            "data_curators",
            "intended_use",
            "data_product_type",
            "data_product_region",
            "description",
            "publication_date",
            "data_product_sector",
        },
        "dp_flavor": {
            "name",
            "input_metric",
            "bound_on_input_distance",
            "output_measure",
            "bound_on_output_distance",
            "data_domain",
            "unprotected_quantities",
        },
        "privacy_loss": {"privacy_unit", "privacy_unit_description", "privacy_parameters", "privacy_parameters_description"},
        "model": {
            "model_name",
            "model_name_description",
            "actors",
            "release_type",
            "release_type_description",
            "data_source_type",
            "access_type",
        },
        "accounting": {"post_processing", "composition"},
        "implementation": {"pre_processing_eda_hyperparameter_tuning", "mechanisms", "justification"},
        "resources": {"sources", "registry_authors"},
    }
    assert deployment["privacy_loss"]["privacy_parameters"] == {"epsilon": street().epsilon}


def test_epsilon_of_a_fleet_grows_with_its_gateways() -> None:
    found = msgspec.structs.replace(street(), epsilon=1.0)
    assert found.fleet == [(1, 1.0), (2, 2.0), (3, 3.0), (5, 5.0), (10, 10.0)]
    assert "https://dashboard.example" in page(found, "en")


# --- audit -----------------------------------------------------------------------------------------------------

PLAIN = ("--set", "privacy.demonstration=false", "--set", "privacy.window_s=3600", "--set", "privacy.epsilon_day=1.0")


@pytest.fixture
def store(tmp_path: Path) -> list[str | Path]:
    counting = Counting(tmp_path / "gw")
    counting.turn(NOON_MS)
    counting.count(sent("p1"))
    counting.turn(NOON_MS + DAY_MS)
    counting.close()
    (tmp_path / "gw.key").write_text(KEY.hex())
    (tmp_path / "gw.key").chmod(0o600)
    return ["--set", f"store.path={tmp_path / 'gw' / 'gateway.db'}", "--set", f"store.key_file={tmp_path / 'gw.key'}"]


def checks(*arguments: str | Path) -> tuple[int, dict[str, bool]]:
    done = run("audit", "--config", CONFIG, *PLAIN, "--releases", "3000", "--json", *arguments)
    return done.exit_code, {one["check"].partition(",")[0]: one["passed"] for one in json.loads(done.stdout)}


def test_the_audit_passes_on_a_sound_gateway(store: list[str | Path]) -> None:
    code, found = checks(*store)
    assert (code, len(found), all(found.values())) == (0, 4, True)


def test_the_audit_finds_too_little_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = laplace.discrete_laplace
    monkeypatch.setattr(laplace, "discrete_laplace", lambda scale, bits: honest(scale / 2, bits))
    code, found = checks("--set", "store.path=absent.db")
    assert (code, list(found.values())) == (1, [False, False])


def test_an_audit_that_cannot_fail_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an epsilon of 10 and few days no measured loss exceeds it, not even without noise."""
    few = ("audit", "--config", CONFIG, "--set", "store.path=absent.db", "--releases", "1000", "--json")
    monkeypatch.setattr(laplace, "discrete_laplace", lambda _scale, _bits: 0)
    done = run(*few)
    *_, loss = json.loads(done.stdout)
    assert (done.exit_code, loss["passed"]) == (1, False)
    assert "needs --releases 442414" in loss["asked"]


def test_the_audit_finds_an_overspent_day_and_lost_marks(store: list[str | Path], tmp_path: Path) -> None:
    counting = Counting(tmp_path / "gw")
    counting.store._db.pragma("ignore_check_constraints", value=True)
    counting.store._db.execute("UPDATE ledger SET hours = hours + 1")
    counting.close()
    (tmp_path / "gw" / "gateway.db.released").unlink()
    code, found = checks(*store)
    assert (code, list(found.values())) == (1, [True, True, False, False])
