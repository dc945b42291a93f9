"""Errors of an operator: one line each; exit code 2 for wrong use, 1 for a fault that was found."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import commands
from gateway.cli import COMMANDS, load
from tests.commands.terminal import wayside
from tests.kit.attributes import RICH, RICH_COLUMNS
from tests.kit.broker import free_port
from tests.kit.bundles import STRANGER, make_bundle
from tests.kit.gateways import WAYSIDE, write_config
from tests.kit.testbed import KEY

DEMO = Path(__file__).resolve().parents[2] / "deploy" / "worlds" / "street"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


def changed(config: Path, old: str, new: str) -> Path:
    text = config.read_text("utf-8")
    assert old in text
    config.write_text(text.replace(old, new, 1), "utf-8")
    return config


def test_a_file_a_command() -> None:
    folder = Path(commands.__file__).parent
    found = {path.stem for path in folder.iterdir() if not path.name.startswith("_")} - {"options", "broker", "running"}
    assert found == {name.replace("-", "_") for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_summary_and_an_example(name: str) -> None:
    command = load(name)
    assert (command.help or "").splitlines()[0] == COMMANDS[name]
    for leaf in getattr(command, "commands", {name: command}).values():
        assert f"Example: `wayside {name}" in leaf.help or "| wayside" in leaf.help, leaf.name


def test_help_imports_no_command() -> None:
    code = "import sys; from gateway.cli import app; app(['--help'], standalone_mode=False)"
    code += "; print([m for m in sys.modules if 'gateway.' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert all(summary[:20] in done.stdout for summary in COMMANDS.values())
    assert done.stdout.splitlines()[-1] == "['gateway.core', 'gateway.core.refusal', 'gateway.system_errors', 'gateway.cli']"


def test_a_check_imports_no_server_and_no_page(config: Path) -> None:
    code = f"import sys; from gateway.cli import app; app(['check', '--config', {str(config)!r}], standalone_mode=False)"
    code += (
        "; print([m for m in ('asyncio', 'h11', 'rich.console', 'phonenumbers', 'cryptography.x509', 'gateway.page') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_broker_that_is_not_there_is_one_line_that_says_what_to_do(config: Path) -> None:
    port = free_port()
    command = [*WAYSIDE, "run", "--config", str(config), "--set", f"mqtt.port={port}", "--set", "mqtt.first_connect_s=2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(
        rf"wayside: broker 127\.0\.0\.1:{port} does not answer \(.*refused\): start it, or correct mqtt\.host and mqtt\.port", line
    )


def test_a_typo_in_the_config_names_line_and_nearest_key(config: Path) -> None:
    line = wayside("run", "--config", changed(config, "dwell_s", "dwel_s")).refusal(2)
    assert line == f"{config}:19: presence.dwel_s: unknown key; did you mean 'dwell_s'?"


@pytest.mark.parametrize(
    ("override", "expected"),
    [("mqtt.prot=1", "did you mean 'port'?"), ("mqtt", "write it as name=value"), ("gateway.x=1", "gateway is not a group of settings")],
)
def test_a_wrong_override_is_wrong_use(config: Path, override: str, expected: str) -> None:
    assert expected in wayside("check", "--config", config, "--set", override).refusal(2)


def test_a_bundle_signed_by_a_stranger_is_refused(tmp_path: Path) -> None:
    config = write_config(tmp_path, files=make_bundle(tmp_path, signed_by=STRANGER))
    for command in ("check", "run"):
        assert "bad_signature: not signed by any of 1 trusted keys" in wayside(command, "--config", config).refusal(1)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("tiny.bundle", "none.bundle", r"not_a_bundle: .*none\.bundle cannot be read \(No such file"),
        ("tiny.pub", "none.pub", r"bundle\.trusted_keys: .*none\.pub cannot be read \(No such file"),
        ("tiny.pub", "tiny.bundle", r"bundle\.trusted_keys: "),
        ("[store]", '[cloud]\nurl = "http://localhost:1"\ntoken_file = "none.token"\n[store]', r"cloud\.token_file: .* cannot be read"),
        ("port = 1883", 'port = 1883\nusername = "gw"\npassword_file = "none.txt"', r"mqtt\.password_file: .*none\.txt cannot be read"),
        ("port = 1883", 'port = 1883\nca_file = "none.pem"', r"mqtt.ca_file: .*none\.pem cannot be read"),
        ("port = 1883", 'port = 1883\nca_file = "tiny.pub"', r"(?i)certificate|pem"),
        ('decoder = "wayside_v1"', 'decoder = "wayside_v2"', r"no decoder is called 'wayside_v2'; did you mean wayside_v1\?"),
        ('topic = "espresense/#"', 'topic = "espresense/#/x"', r"'espresense/#/x' is not an MQTT topic filter"),
    ],
)
def test_what_is_missing_or_unusable_is_named_before_anything_is_connected(config: Path, old: str, new: str, expected: str) -> None:
    for command in ("check", "run"):
        result = wayside(command, "--config", config if command == "run" else changed(config, old, new))
        assert re.search(expected, result.refusal(1)), result


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('id = "cafe"', 'id = "plaza"', "zone 'plaza' occurs twice"),
        ('id = "cafe"', 'id = "cafe"\nanchors = ["plaza"]', "anchor 'plaza' occurs twice"),
        ("dwell_s = 600", "enter_dbm = -90\nexit_dbm = -80", "exit_dbm -80 must not be above enter_dbm -90"),
    ],
)
def test_what_contradicts_itself_is_wrong_use(config: Path, old: str, new: str, expected: str) -> None:
    assert expected in wayside("check", "--config", changed(config, old, new)).refusal(2)


def test_a_store_of_another_key_is_told(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYSIDE_STORE_KEY", KEY.hex())
    assert wayside("why", "--config", config, "--json").refusal(1).endswith("start the gateway first, or correct store.path")
    (config.parent / "gw-t.db").write_bytes(b"something else " * 1_000)
    assert "does not open with this key" in wayside("why", "--config", config).refusal(1)
    assert "does not open with this key" in wayside("run", "--config", config).refusal(1)
    monkeypatch.setenv("WAYSIDE_STORE_KEY", "secret")
    line = wayside("run", "--config", config).refusal(1)
    assert "WAYSIDE_STORE_KEY must be 64 hex digits" in line
    assert "secret" not in line


def test_a_missing_file_is_told_by_every_command(tmp_path: Path) -> None:
    none = tmp_path / "none"
    for words, code in (
        (("run", "--config", none), 2),
        (("check", "--config", none), 2),
        (("check", "--campaign", none), 1),
        (("why", "--config", none), 2),
        (("replay", none, "--broker", "mqtt://127.0.0.1:1"), 1),
        (("check",), 2),
    ):
        assert wayside(*words).refusal(code)


def test_check_tells_what_it_found(config: Path) -> None:
    result = wayside("check", "--config", config)
    assert result == (0, f"{config}: fine. 2 zones, 2 sources, bundle tiny 1 with 1 offers\n", "")
    assert not (config.parent / "gw-t.db").exists(), "checking made a database"


def test_check_names_attributes_that_the_config_leaves_unknown(tmp_path: Path) -> None:
    files = make_bundle(tmp_path, schema=RICH, columns=RICH_COLUMNS)
    config = write_config(tmp_path, files=files)
    result = wayside("check", "--config", config)
    assert result.code == 0
    assert f"{config}: the attribute 'closes' stays unknown: no zone states opening_hours" in result.err
    assert f"{config}: the attribute 'holiday' stays unknown: holidays lists no date of " in result.err
    days = ", ".join(f"{year}-01-01" for year in range(2026, 2101))
    text = config.read_text("utf-8").replace("x_m = 120.0", 'opening_hours = "24/7"')
    config.write_text(f"holidays = [{days}]\n{text}", "utf-8")
    assert (wayside("check", "--config", config).code, wayside("check", "--config", config).err) == (0, "")


@pytest.mark.parametrize("name", ["gw-a.toml", "gw-b.toml"])
def test_the_demonstration_is_fine(name: str) -> None:
    result = wayside("check", "--config", DEMO / name)
    assert (result.code, result.err) == (0, "")
    assert "fine" in result.out


def test_a_campaign_is_checked_against_schema_config_and_clock(tmp_path: Path) -> None:
    shipped = (DEMO / "campaign.toml").read_text("utf-8")
    written = tmp_path / "campaign.toml"
    written.write_text(shipped, "utf-8")
    result = wayside("check", "--campaign", written, "--config", DEMO / "gw-a.toml")
    assert (result.code, result.err) == (0, "")
    shared = f"{written}: caps hold together with gw-b; budgets hold on each gateway alone\n"
    assert result.out.endswith(f"{written}: fine. 8 of 8 offers can be sent\n{shared}")
    alone = 'two gateways may send a person 12 offers a day, not 6, unless they list each other in devices (kind = "gateway")'
    assert alone in wayside("check", "--campaign", written).out
    lines = shipped.splitlines()
    line = lines.index('shop = "pub"') - 1  # of its zones, from 0
    written.write_text("\n".join([*lines[:line], 'zones = ["statoin"]', *lines[line + 1 :]]), "utf-8")
    result = wayside("check", "--campaign", written, "--config", DEMO / "gw-b.toml")
    assert result.code == 0
    assert f"{written}:{line + 1}: offers[6].zones: 'first-pint' is never sent by this gateway" in result.err
    assert "did you mean 'station'?" in result.err
    assert "7 of 8 offers can be sent\n" in result.out
    written.write_text(shipped.replace('category = "bar"', 'category = "barr"', 1), "utf-8")
    result = wayside("check", "--campaign", written, "--schema", DEMO / "schema.toml")
    assert (result.code, "offers[6].category: 'barr' is no category of the schema; did you mean 'bar'?" in result.err) == (1, True)


def test_check_names_a_neighbour_whose_contacts_no_source_brings(tmp_path: Path) -> None:
    text = write_config(tmp_path, more='"gw-b" = { zone = "*", kind = "gateway" }\n').read_text("utf-8")
    config = tmp_path / "wayside.toml"
    assert wayside("check", "--config", config).err == ""
    config.write_text(text.replace("up/+/+", "up/+/consent"), "utf-8")
    assert (
        "the caps of 'gw-b' are not shared: no source has the topic wayside/v1/street/up/gw-b/contact"
        in wayside("check", "--config", config).err
    )
    config.write_text(text + "\n[retention]\nfacts_days = 3\n", "utf-8")
    refused = wayside("check", "--config", config)
    assert (refused.code, "retention.facts_days: 3 days are less than the 30 that the campaign's contact policy" in refused.err) == (
        1,
        True,
    )


def test_a_campaign_of_which_nothing_can_be_sent_is_refused(tmp_path: Path) -> None:
    written = tmp_path / "campaign.toml"
    written.write_text((DEMO / "campaign.toml").read_text("utf-8").replace("per_person_day_max = 6", "per_person_day_max = 0", 1), "utf-8")
    result = wayside("check", "--campaign", written)
    assert result.code == 1
    assert "policy.per_person_day_max: 0 allows no offer" in result.err
    assert "none of its 8 offers can be sent" in result.err


def test_plain_text_to_another_machine_is_refused_unless_it_is_allowed() -> None:
    command = ("check", "--config", DEMO / "gw-a.toml", "--set", "mqtt.host=broker.example")
    result = wayside(*command)
    assert (result.code, "would cross the network in plain text" in result.err) == (1, True)
    assert wayside(*command, "--set", "mqtt.plaintext=true").code == 0


def test_a_draft_is_fine_and_named_so(tmp_path: Path) -> None:
    draft = tmp_path / "campaign.toml"
    shipped = (DEMO / "campaign.toml").read_text("utf-8")
    draft.write_text(shipped[: shipped.index("[sign_off]")] + shipped[shipped.index("[[offers]]") :], "utf-8")
    assert "a draft: it can be signed when it has a [sign_off]\n" in wayside("check", "--campaign", draft).out


def test_checking_leaves_no_trace_outside_of_its_folder(config: Path, tmp_path: Path) -> None:
    """ONNX Runtime sends telemetry with an id of the machine unless an environment variable is set."""
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [*WAYSIDE, "check", "--config", str(config)],
        env={"HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(DEMO.parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(home.rglob("*")) == []
