"""The operator's desk: roles, the audit log, changes through the running gateway, and refusals."""

from __future__ import annotations

import json
import os
import pwd
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.adapters.desk_people import Audit, DeskError, Entry
from tests.commands.terminal import wayside
from tests.kit.pages import PAGE, ServedPage, page_config, text

ANNA, OTTO = "a" * 32, "o" * 32


def with_desk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ServedPage:
    """A gateway with a page and a desk; the token is that of the officer."""
    people = folder / "desk.toml"
    people.write_text(f'anna = {{ role = "officer", token = "{ANNA}" }}\notto = {{ role = "viewer", token = "{OTTO}" }}\n', "utf-8")
    people.chmod(0o600)
    monkeypatch.setenv("WAYSIDE_DESK_TOKEN", ANNA)
    return ServedPage(page_config(folder, more=f'{PAGE}\n[desk]\npeople_file = "desk.toml"\n'))


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedPage]:
    with with_desk(tmp_path, monkeypatch) as made:
        yield made


def desk(served: ServedPage, *arguments: str, who: str = "anna") -> tuple[int, str]:
    said = wayside("subject", *arguments, "--as", who, "--config", str(served.config))
    return said.code, said.out + said.err


def log(served: ServedPage) -> list[tuple[str, str, str]]:
    code, printed = desk(served, "audit", "--json")
    assert code == 0
    return [(one["who"], one["action"], one["outcome"]) for one in json.loads(printed)]


def test_a_person_is_listed_changed_exported_and_erased_with_every_step_in_the_log(served: ServedPage, tmp_path: Path) -> None:
    visitor = served.visitor()
    visitor.agree("presence", "offers")
    code, printed = desk(served, "list", "--json")
    assert code == 0
    (row,) = json.loads(printed)
    subject = row["subject"]
    assert (row["purposes"], row["sources"]) == (["offers", "presence"], ["page"])
    assert desk(served, "consent", subject, "--purposes", "presence,measurement", "--wording", "paper-3") == (0, "taken: change 2\n")
    assert "At the desk" in text(visitor.open("choices"))
    out = tmp_path / "person.sqlite"
    assert desk(served, "export", subject, "--out", str(out))[0] == 0
    assert out.stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(out)) as file:
        assert file.execute("SELECT purpose, wording FROM consents ORDER BY 1").fetchall() == [
            ("measurement", "paper-3"),
            ("presence", "paper-3"),
        ]
    code, printed = desk(served, "erase", subject)
    assert code == 0
    assert printed.startswith("withdrawn: 2 consents")
    assert visitor.open("kept").status_code == 403
    assert desk(served, "show", subject)[0] == 1
    assert log(served) == [
        ("anna", "list", "1 people"),
        ("anna", "consent", "asked"),
        ("anna", "consent", "taken"),
        ("anna", "export", ".sqlite"),
        ("anna", "erase", "asked"),
        ("anna", "erase", "withdrawn"),
        ("anna", "audit", "printed"),
    ]
    printed = desk(served, "audit")[1]
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d", printed), "a time that can be read"
    assert re.search(r"8 entries, none changed; code of the last one: [0-9a-f]{32}", printed)
    raw = served.config.with_name("gw-t.db.audit").read_bytes()
    assert subject.encode() not in raw, "the log of an erasure names nobody"


def test_an_export_of_the_history_is_in_the_log_and_a_broken_log_stops_it(served: ServedPage, tmp_path: Path) -> None:
    served.visitor().agree()
    arguments = ("history", "export", "--config", str(served.config), "--format", "csv", "--out")
    assert wayside(*arguments, str(tmp_path / "first")).code == 0
    account = pwd.getpwuid(os.getuid()).pw_name
    assert log(served)[:2] == [(account, "history export", "asked"), (account, "history export", "1 people")]
    broken = served.config.with_name("gw-t.db.audit")
    broken.write_bytes(broken.read_bytes().replace(b"asked", b"moved"))
    refused = wayside(*arguments, str(tmp_path / "second"))
    assert (refused.code, "the audit log was changed here" in refused.err) == (1, True)
    assert not (tmp_path / "second").exists()


def test_a_viewer_changes_nothing_and_a_stranger_sees_nothing(served: ServedPage, monkeypatch: pytest.MonkeyPatch) -> None:
    served.visitor().agree()
    monkeypatch.setenv("WAYSIDE_DESK_TOKEN", OTTO)
    assert desk(served, "list", who="otto")[0] == 0
    for action in (
        ("erase", "x"),
        ("export", "x", "--out", "x.json"),
        ("consent", "x", "--purposes", "presence", "--wording", "w"),
        ("audit",),
    ):
        code, printed = desk(served, *action, who="otto")
        assert (code, "ask one of the role officer" in printed) == (1, True)
    code, printed = desk(served, "list", who="anna")
    assert (code, "is not known at this desk" in printed) == (1, True)
    monkeypatch.setenv("WAYSIDE_DESK_TOKEN", ANNA)
    assert [entry for entry in log(served) if entry[2] == "refused"] == [
        ("otto", "erase", "refused"),
        ("otto", "export", "refused"),
        ("otto", "consent", "refused"),
        ("otto", "audit", "refused"),
        ("anna", "list", "refused"),
    ]


def test_wrong_use_is_one_line(served: ServedPage, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("{}")
    cases = [
        (("consent", "x", "--purposes", "everything", "--wording", "w"), "write one or more of presence"),
        (("export", "x", "--out", str(tmp_path / "x.csv")), "name it .json or .sqlite"),
        (("export", "x", "--out", str(tmp_path / "old.json")), "exists"),
        (("show", "nobody"), "nothing is kept of 'nobody'"),
        (("control",), "a mean is printed from 20 on"),
    ]
    for arguments, cause in cases:
        code, printed = desk(served, *arguments)
        assert code in (1, 2)
        assert cause in printed
    people = tmp_path / "desk.toml"
    people.chmod(0o644)
    assert "chmod 600" in desk(served, "list")[1]


def test_without_a_running_gateway_nothing_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with with_desk(tmp_path, monkeypatch) as served:
        served.visitor().agree()
    (row,) = json.loads(desk(served, "list", "--json")[1])
    code, printed = desk(served, "erase", row["subject"])
    assert (code, "start it with `wayside run`" in printed) == (1, True)
    assert desk(served, "show", row["subject"])[0] == 0


def test_a_log_that_was_changed_is_found(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit", bytes(32))
    for at in range(3):
        audit.append(Entry(at, "anna", "officer", "show", audit.subject(f"s{at}"), "shown"))
    whole = (tmp_path / "audit").read_bytes()
    assert [entry.at_ms for entry in audit.entries()] == [0, 1, 2]
    assert oct((tmp_path / "audit").stat().st_mode & 0o777) == "0o600"
    lines = whole.splitlines(keepends=True)
    for changed in (
        whole.replace(b"[2,", b"[7,"),
        b"".join(lines[1:]),
        lines[0] + lines[2],
        whole.replace(b"anna", b"otto", 1),
        lines[1] + lines[0] + lines[2],
    ):
        (tmp_path / "audit").write_bytes(changed)
        with pytest.raises(DeskError, match="was changed here"):
            audit.entries()
        with pytest.raises(DeskError):
            audit.append(Entry(9, "anna", "officer", "show", "", "shown"))


def test_of_removed_newest_lines_the_noted_code_shows_the_loss(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit", bytes(32))
    for at in range(2):
        audit.append(Entry(at, "anna", "officer", "show", "", "shown"))
    noted = audit.seal()
    (tmp_path / "audit").write_bytes((tmp_path / "audit").read_bytes().splitlines(keepends=True)[0])
    assert len(audit.entries()) == 1
    assert audit.seal() != noted


def test_commands_at_the_same_time_keep_one_chain(tmp_path: Path) -> None:
    """Each append reads the last line and writes the next one; without the lock two lines follow the same one, and the desk is closed."""

    def work(who: str) -> None:
        audit = Audit(tmp_path / "audit", bytes(32))
        for at in range(20):
            audit.append(Entry(at, who, "officer", "show", "", "shown"))

    threads = [threading.Thread(target=work, args=(name,)) for name in ("anna", "otto", "eve")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(Audit(tmp_path / "audit", bytes(32)).entries()) == 60
