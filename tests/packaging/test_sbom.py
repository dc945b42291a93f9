"""The bill of materials of a device: every distribution of its lock, each with a licence in SPDX that a device may carry."""

from __future__ import annotations

import importlib.util
import re
import sysconfig
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType

import pytest

from tests.house import tree

SITE = Path(sysconfig.get_path("platlib"))
LOCK = tree.ROOT / "requirements" / "device.txt"


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    """The program, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("sbom", tree.ROOT / "packaging" / "sbom.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site-packages folder with the metadata of the device's distributions and the libraries of NumPy."""
    made = tmp_path_factory.mktemp("site")
    names = {line.partition("==")[0] for line in LOCK.read_text().splitlines() if "==" in line}
    for found in distributions(path=[str(SITE)]):
        name = re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
        if name in names:
            folder = Path(str(found.locate_file(""))) / f"{found.metadata['Name'].replace('-', '_')}-{found.version}.dist-info"
            source = folder if folder.exists() else next(SITE.glob(f"{name.replace('-', '[-_]')}-*.dist-info"))
            (made / source.name).symlink_to(source)
    if (SITE / "numpy.libs").exists():
        (made / "numpy.libs").symlink_to(SITE / "numpy.libs")
    return made


def test_every_distribution_has_a_licence_that_a_device_may_carry(sbom: ModuleType, site: Path) -> None:
    made = sbom.bill(site, 0)
    licences = {one["name"]: one["licenses"][0].get("expression") for one in made["components"]}
    assert len(licences) > 30
    assert [name for name, licence in licences.items() if licence is None] == []
    gpl = {name for name, licence in licences.items() if "GPL" in licence.replace("GPL-3.0-or-later WITH GCC-exception-3.1", "")}
    assert gpl <= {"libquadmath"}
    assert {"tuf", "numpy", "cryptography"} <= set(licences)


def test_it_is_cyclonedx_and_the_same_each_time(sbom: ModuleType, site: Path) -> None:
    made = sbom.bill(site, 0)
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made["serialNumber"])
    references = [one["bom-ref"] for one in made["components"]]
    assert len(references) == len(set(references))
    assert made["dependencies"][0]["dependsOn"] == references
    assert sbom.bill(site, 0) == made


def test_an_unknown_library_and_a_missing_licence_are_named(sbom: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "some.libs").mkdir()
    (tmp_path / "some.libs" / "libnew-01234567.so.1").write_bytes(b"")
    with pytest.raises(sbom.SbomError, match="add its licence to LIBRARIES"):
        sbom.bill(tmp_path, 0)
    (tmp_path / "free-1.0.dist-info").mkdir()
    (tmp_path / "free-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: free\nVersion: 1.0\n")
    with pytest.raises(sbom.SbomError, match=r"free 1.0 states no licence"):
        sbom.bill(tmp_path, 0)


def test_licences_are_collected_with_the_notice_of_gcc(sbom: ModuleType, site: Path, tmp_path: Path) -> None:
    sbom.collect(site, tmp_path / "licences")
    folders = {one.name.rpartition("-")[0] for one in (tmp_path / "licences").iterdir() if one.is_dir()}
    assert {"numpy", "tuf", "cryptography"} <= folders
    assert "GCC Runtime Library Exception" in (tmp_path / "licences" / "NOTICE-GCC-RUNTIME.txt").read_text()
