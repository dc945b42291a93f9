"""Write the bill of materials and the licences of an environment: `python packaging/sbom.py SITE OUT`.

SITE is a site-packages folder, as scripts/install-device.sh makes it. OUT gets `sbom.cdx.json` (CycloneDX 1.6) and `licences/`, a folder a
distribution with its licence files. Native libraries that a wheel carries (`NAME.libs/`) are components of their own; one that is not in
LIBRARIES, and a distribution without a licence, are errors. The same environment gives the same bytes; SOURCE_DATE_EPOCH is the time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import uuid
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

LIBRARIES = {
    "libgfortran": ("GPL-3.0-or-later WITH GCC-exception-3.1", "runtime library of GCC, used by OpenBLAS"),
    "libquadmath": ("LGPL-2.1-or-later", "runtime library of GCC, used by libgfortran"),
    "libgomp": ("GPL-3.0-or-later WITH GCC-exception-3.1", "runtime library of GCC"),
    "libscipy_openblas64_": ("BSD-3-Clause", "OpenBLAS"),
}
"""Name -> licence (SPDX) and description."""
NOTICE = """\
The wheel of NumPy carries runtime libraries of GCC (libgfortran; libquadmath on x86-64), unchanged. They are free software of the Free
Software Foundation: libgfortran under the GNU General Public License, version 3 or later, with the GCC Runtime Library Exception 3.1,
which permits to combine it with a program of any licence; libquadmath under the GNU Lesser General Public License, version 2.1 or later: it
is a file of its own in numpy.libs/, and may be replaced. Their source code is that of GCC: https://gcc.gnu.org/
"""
STATED = {
    "apsw-sqlite3mc": "Zlib AND MIT AND blessing",  # APSW, SQLite3 Multiple Ciphers, SQLite
    "protobuf": "BSD-3-Clause",
}
"""Licences of distributions whose metadata state none in SPDX."""
CLASSIFIER = "License :: OSI Approved :: "
BY_CLASSIFIER = {
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "ISC License (ISCL)": "ISC",
}
LICENCE_FILE = re.compile(r"(?i)(^|/)(licen[cs]e|copying|notice|authors|thirdparty)[^/]*$")


class SbomError(RuntimeError):
    """Something has no known licence."""


def licence_of(found: Distribution) -> str:
    """The licence of a distribution: SPDX where its metadata allow. Raises SbomError without one."""
    metadata = found.metadata
    stated = STATED.get(_normal(metadata["Name"])) or metadata.get("License-Expression")
    named = [one.removeprefix(CLASSIFIER) for one in metadata.get_all("Classifier") or [] if one.startswith(CLASSIFIER)]
    plain = (metadata.get("License") or "").strip().splitlines()
    licence = stated or " AND ".join(sorted({BY_CLASSIFIER.get(one, one) for one in named})) or (plain[0] if plain else "")
    if not licence:
        raise SbomError(f"{metadata['Name']} {found.version} states no licence")
    return licence


def component(found: Distribution) -> dict[str, Any]:
    """The component of a distribution."""
    name = _normal(found.metadata["Name"])
    purl = f"pkg:pypi/{name}@{found.version}"
    record = found.read_text("RECORD") or ""
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": found.version,
        "purl": purl,
        "licenses": [_licence(licence_of(found))],
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(record.encode()).hexdigest()}],
    }


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _licence(text: str) -> dict[str, Any]:
    is_expression = re.fullmatch(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*", text) is not None
    return {"expression": text} if is_expression else {"license": {"name": text}}


def libraries(site: Path) -> list[dict[str, Any]]:
    """Components of the native libraries in `NAME.libs/`. Raises SbomError for an unknown one."""
    made = []
    for file in sorted(site.glob("*.libs/*")):
        name = re.split(r"-[0-9a-f]{8}|\.so", file.name)[0]
        if name not in LIBRARIES:
            raise SbomError(f"{file}: add its licence to LIBRARIES in packaging/sbom.py")
        licence, description = LIBRARIES[name]
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        made.append(
            {
                "type": "library",
                "bom-ref": f"{file.parent.name}/{file.name}",
                "name": name,
                "description": description,
                "licenses": [{"expression": licence}],
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
        )
    return made


def bill(site: Path, time_s: int) -> dict[str, Any]:
    """The bill of materials of a site-packages folder. Raises SbomError."""
    found = sorted(distributions(path=[str(site)]), key=lambda one: one.metadata["Name"].lower())
    components = [component(one) for one in found if one.metadata["Name"] != "wayside"] + libraries(site)
    version = next((one.version for one in found if one.metadata["Name"] == "wayside"), "0")
    body = json.dumps(components, sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, body)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(time_s, UTC).isoformat().replace("+00:00", "Z"),
            "component": {
                "type": "application",
                "bom-ref": f"pkg:pypi/wayside@{version}",
                "name": "wayside",
                "version": version,
                "licenses": [{"expression": "Apache-2.0"}],
            },
        },
        "components": components,
        "dependencies": [{"ref": f"pkg:pypi/wayside@{version}", "dependsOn": [one["bom-ref"] for one in components]}],
    }


def collect(site: Path, folder: Path) -> None:
    """Copy the licence files of each distribution to a folder of its own, with the notice of the libraries of GCC. Raises OSError."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "NOTICE-GCC-RUNTIME.txt").write_text(NOTICE)
    for found in distributions(path=[str(site)]):
        for file in found.files or []:
            source = Path(str(found.locate_file(file)))
            if LICENCE_FILE.search(str(file)) and source.is_file() and source.suffix not in {".py", ".pyc"}:
                target = folder / f"{found.metadata['Name']}-{found.version}" / str(file).replace("/", "_")
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(source, target)


def main() -> None:
    """Read the command line and write both."""
    if len(sys.argv) != 3:
        sys.exit("usage: python packaging/sbom.py SITE OUT")
    site, out = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        made = bill(site, int(os.environ.get("SOURCE_DATE_EPOCH", "0")))
        collect(site, out / "licences")
    except (SbomError, OSError) as error:
        sys.exit(f"sbom: {error}")
    (out / "sbom.cdx.json").write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
    sys.stdout.write(f"sbom: {len(made['components'])} components\n")


if __name__ == "__main__":
    main()
