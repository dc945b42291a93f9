"""Four wheels from one repository: a device that installs `wayside` receives the gateway and nothing else of ours.

The wheels are built here, offline, with the build backend of the developer's environment.
"""

from __future__ import annotations

import configparser
import functools
import importlib.metadata
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house import projects, tree

COMMANDS = {"gateway": "wayside", "models": "wayside-models", "firmware_sim": "wayside-sim", "dashboard": "wayside-dashboard"}
REQUIRED_OURS: dict[str, set[str]] = {"gateway": set(), "models": {"wayside"}, "firmware_sim": set(), "dashboard": {"wayside"}}

# Import name -> the distribution that is built on it and always installs it.
BROUGHT = {"scipy": "scikit-learn", "starlette": "fastapi"}

# Imports every module of the wheel argv[1] from the file itself; third-party packages come from the folder argv[2]. With -S no .pth
# file is read there, so the editable installation is not found.
IMPORT_ALL = """
import importlib, importlib.util, pkgutil, sys
sys.path += sys.argv[1:3]
import gateway
count = sum(1 for module in pkgutil.walk_packages(gateway.__path__, "gateway.") if importlib.import_module(module.name))
print(count, [name for name in ("models", "firmware_sim", "dashboard", "tests") if importlib.util.find_spec(name)])
"""


def build(folder: Path, target: str, out: Path) -> Path:
    """Build a project into the new folder `out`; the file."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("wheels")
    return {package: build(tree.ROOT / folder, "wheel", out / package) for package, folder in projects.FOLDERS.items()}


def content(wheel: Path) -> dict[str, int]:
    """The files of a wheel outside its metadata, with their sizes in bytes."""
    with zipfile.ZipFile(wheel) as opened:
        return {entry.filename: entry.file_size for entry in opened.infolist() if ".dist-info/" not in entry.filename}


@functools.cache
def distributions() -> Mapping[str, list[str]]:
    """Import name -> the installed distributions that hold it."""
    return importlib.metadata.packages_distributions()


def undeclared(package: str, modules: Iterable[tree.Module], required: list[Requirement]) -> list[str]:
    """Third-party imports of a package that no requirement of its own brings."""
    declared = {canonicalize_name(requirement.name) for requirement in required}
    owners = distributions()
    wrong: list[str] = []
    for module in modules:
        for line, target in tree.imports(module):
            top = target.split(".", maxsplit=1)[0]
            if top in sys.stdlib_module_names or top in (*tree.OURS, "tests"):
                continue
            names = {canonicalize_name(BROUGHT.get(top, owner)) for owner in owners.get(top, [top])}
            if not names & declared:
                wrong.append(f"{module.path}:{line}: {package} does not require {' or '.join(sorted(names))}")
    return wrong


@pytest.mark.parametrize("package", projects.FOLDERS)
def test_a_wheel_holds_one_package_and_all_its_files(wheels: dict[str, Path], package: str) -> None:
    kept = {path.relative_to(tree.ROOT).as_posix() for path in tree.files(tree.ROOT / package)}
    outside = {f"{package}/LICENSE", f"{package}/pyproject.toml"}
    assert set(content(wheels[package])) == {path for path in kept if not path.endswith(".md")} - outside


@pytest.mark.parametrize("package", projects.FOLDERS)
def test_a_wheel_brings_its_command_and_licence(wheels: dict[str, Path], package: str) -> None:
    with zipfile.ZipFile(wheels[package]) as opened:
        (about,) = {name.split("/")[0] for name in opened.namelist() if ".dist-info/" in name}
        entries = configparser.ConfigParser()
        entries.read_string(opened.read(f"{about}/entry_points.txt").decode())
        licence = opened.read(f"{about}/licenses/LICENSE")
    assert list(entries["console_scripts"]) == [COMMANDS[package]]
    assert ("wayside.decoders" in entries) == (package == "gateway")
    assert licence == (tree.ROOT / "LICENSE").read_bytes()


def test_the_device_receives_the_gateway_alone(wheels: dict[str, Path], tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", "-c", IMPORT_ALL, str(wheels["gateway"]), sysconfig.get_path("platlib")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    count, others = done.stdout.split(maxsplit=1)
    assert int(count) > 100
    assert others.strip() == "[]"


@pytest.mark.parametrize("package", projects.FOLDERS)
def test_a_wheel_from_a_source_distribution_is_the_same(wheels: dict[str, Path], package: str, tmp_path: Path) -> None:
    with tarfile.open(build(tree.ROOT / projects.FOLDERS[package], "sdist", tmp_path / "sdist")) as opened:
        opened.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert content(build(unpacked, "wheel", tmp_path / "wheel")) == content(wheels[package])


def test_versions_move_together() -> None:
    versions = {package: projects.project(package)["version"] for package in projects.FOLDERS}
    (version,) = set(versions.values())
    for package, required in REQUIRED_OURS.items():
        ours = [requirement for requirement in projects.requirements(package) if requirement.name in COMMANDS.values()]
        assert {requirement.name for requirement in ours} == required
        assert all(str(requirement.specifier) == f"=={version}" for requirement in ours), f"{package} requires {ours}, not {version}"


def test_a_distribution_has_one_lower_bound() -> None:
    found: dict[str, set[str]] = {}
    for package in projects.FOLDERS:
        for requirement in projects.requirements(package):
            found.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement.specifier))
    assert len(found) > 10
    assert not {name: bounds for name, bounds in found.items() if len(bounds) > 1}


@pytest.mark.parametrize("package", projects.FOLDERS)
def test_a_project_requires_what_it_imports(package: str) -> None:
    extras = {"gateway": ("ble", "codecs", "export", "formats"), "models": ("boosters",), "dashboard": ("oidc",)}.get(package, ())
    wrong = undeclared(package, tree.modules(tree.ROOT, package), projects.requirements(package, *extras))
    assert not wrong, "\n".join(wrong)


def test_an_undeclared_import_is_caught(tmp_path: Path) -> None:
    modules = tree.modules(
        tree.plant(tmp_path, dashboard__x="import json, typer\nimport scipy.stats\nfrom dashboard import y"), "dashboard"
    )
    wrong = undeclared("dashboard", modules, [Requirement("typer>=1")])
    assert wrong == ["dashboard/x.py:2: dashboard does not require scikit-learn"]
