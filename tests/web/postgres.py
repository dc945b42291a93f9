"""A real PostgreSQL for tests: a cluster in a folder of its own, on a Unix socket only, ended with the `with` block."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
import pytest

USER = "postgres"
READY_S = 30


def programs() -> Path:
    """The folder of PostgreSQL's programs; without it the test is skipped, and in CI it fails."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = [folder for folder in folders if (folder / "initdb").exists()]
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no PostgreSQL: install it, in CI its tests must run")
        pytest.skip("no PostgreSQL on this machine")
    return found[0] if found else Path(str(on_path)).parent


class Postgres:
    """A server; `url()` is the address of a new database in it. PostgreSQL does not run as root, so root runs it as its own user."""

    def __init__(self) -> None:
        self._programs, self._made = programs(), 0
        self._as = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.geteuid() == 0 else []
        self._folder = Path(tempfile.mkdtemp(prefix="wayside-pg-"))  # pytest's own folders are closed to other users
        if self._as:
            shutil.chown(self._folder, USER, USER)
        self._run("initdb", "-D", str(self._folder / "data"), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = f"-k {self._folder} -c listen_addresses= -c max_connections=60 -c fsync=off"
        self._run(
            "pg_ctl", "-D", str(self._folder / "data"), "-w", "-t", str(READY_S), "-l", str(self._folder / "log"), "-o", options, "start"
        )

    def stop(self) -> None:
        """End at once, without a checkpoint."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")

    def url(self) -> str:
        """The address of a new, empty database."""
        self._made += 1
        name = f"desk{self._made}"
        with psycopg.connect(host=str(self._folder), user=USER, dbname="postgres", autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        return f"postgresql://{USER}@/{name}?host={self._folder}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(self._programs / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=2 * READY_S, cwd="/")
