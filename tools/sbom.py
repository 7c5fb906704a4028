"""Writes the bill of materials (CycloneDX 1.6) of a release.

It has what the wheel needs in Python, and what its pages and contracts were built from. Everything comes from the lock
files; the same commit gives the same bytes.

Usage: python tools/sbom.py VERSION COMMITTED_AT OUTPUT
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / "requirements" / "release.lock"
NPM = (ROOT / "portal" / "package-lock.json", ROOT / "contracts" / "package-lock.json")
_LICENCES = LicenseFactory()


def main(version: str, committed_at: str, output: Path) -> None:
    """Write the document, and read it back against the standard's own schema."""
    product = Component(
        name="chainfleet",
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref=f"chainfleet@{version}",
        purl=PackageURL("pypi", None, "chainfleet", version),
        licenses=[_LICENCES.make_from_string("Apache-2.0")],
    )
    parts = {str(part.bom_ref): part for part in (*python_parts(), *npm_parts())}
    bom = Bom(
        components=parts.values(), serial_number=uuid5(NAMESPACE_URL, f"chainfleet {version} {committed_at}")
    )
    bom.metadata.component = product
    bom.metadata.timestamp = datetime.fromisoformat(committed_at)
    bom.register_dependency(product, parts.values())
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    if trouble := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise SystemExit(f"the bill of materials is not valid CycloneDX: {trouble}")
    output.write_text(text + "\n", encoding="utf-8")


def python_parts() -> Iterator[Component]:
    """Packages that the wheel needs, every extra included, each with the hashes of its files."""
    text = PYTHON.read_text(encoding="utf-8").replace("\\\n", " ")
    for name, version, rest in re.findall(r"^([a-z0-9._-]+)==(\S+)(.*)$", text, flags=re.MULTILINE):
        hashes = [
            HashType(alg=HashAlgorithm.SHA_256, content=h) for h in re.findall(r"sha256:([0-9a-f]{64})", rest)
        ]
        yield _part("pypi", name, version, _python_licence(name), hashes)


def npm_parts() -> Iterator[Component]:
    """Packages that the pages and the contracts are built from; tools that only build them are left out."""
    for lock in NPM:
        for path, entry in json.loads(lock.read_text(encoding="utf-8"))["packages"].items():
            # Packages that only contain tools of others are replaced by an empty one.
            if path and not entry.get("dev") and entry.get("name") != "empty-npm-package":
                algorithm, _, digest = entry["integrity"].partition("-")
                content = base64.b64decode(digest).hex()
                hashes = [HashType(alg=HashAlgorithm(algorithm.replace("sha", "SHA-")), content=content)]
                name = path.rpartition("node_modules/")[2]
                yield _part("npm", name, entry["version"], entry.get("license", ""), hashes)


def _part(kind: str, name: str, version: str, licence: str, hashes: list[HashType]) -> Component:
    scope, _, bare = name.rpartition("/")
    purl = PackageURL(kind, scope or None, bare, version)
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        hashes=hashes,
        licenses=[_LICENCES.make_from_string(licence)] if licence else [],
    )


def _python_licence(name: str) -> str:
    """What an installed package says of its licence; nothing for those of other systems, which are not installed."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return ""
    said = found.get("License-Expression") or found.get("License") or ""
    if said and "\n" not in said and len(said) < 60:
        return said
    classifiers = [
        c.rpartition(" :: ")[2] for c in found.get_all("Classifier", []) if c.startswith("License ::")
    ]
    return classifiers[0] if classifiers else ""


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
