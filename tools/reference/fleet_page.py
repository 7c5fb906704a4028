"""The fleet file: every key of its JSON Schema, with type, unit, default, meaning and an example."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import yaml
from writing import code, page, table

from chainfleet.model.fleet_file import json_schema

Schema = dict[str, Any]

_TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "object": "mapping",
}
_FORMATS = {"ipv4network": "address range"}


def fleet_page() -> str:
    """The page as text."""
    schema = json_schema()
    sections = [_section(path, part, schema) for path, part in _parts(schema, schema, "")]
    intro = (
        "`chainfleet schema` prints the same as JSON Schema, for completion in editors. Every value may be, or contain, "
        "`${NAME}` or `${NAME:-default}`: an environment variable. `$$` is a dollar sign. Keys without a default must be given."
    )
    return page("The fleet file", intro, *sections)


def example(part: Schema, schema: Schema) -> Any:
    """A whole example of a part: for each key what its field names as one, else its default, else parts within."""
    return {name: _example_of(field, schema) for name, field in part.get("properties", {}).items()}


def _parts(part: Schema, schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    yield path, part
    for name, field in part.get("properties", {}).items():
        inner, many = _inner(field, schema)
        if inner is not None:
            yield from _parts(inner, schema, f"{path}.{name}".strip(".") + ("[]" if many else ""))


def _inner(field: Schema, schema: Schema) -> tuple[Schema | None, bool]:
    """The part that a field holds, and whether it holds a list of them."""
    for choice in (field, *field.get("anyOf", ())):
        if choice.get("type") == "array":
            return _inner(choice.get("items", {}), schema)[0], True
        if "$ref" in choice:
            found = schema["$defs"][choice["$ref"].rsplit("/", 1)[1]]
            if found.get("type") == "object":
                return found, False
    return None, False


def _section(path: str, part: Schema, schema: Schema) -> str:
    required = part.get("required", [])
    rows = [
        (
            code(name),
            _type(field, schema),
            _unit(field),
            "**required**" if name in required else _default(field, schema),
            _meaning(field, schema),
        )
        for name, field in part["properties"].items()
    ]
    shown = {
        name: value
        for name, value in example(part, schema).items()
        if name in required or _inner(part["properties"][name], schema)[0] is None
    }
    if not path:
        shown = {"name": shown["name"], "network": {"chain_id": 138}, "region_set": shown["region_set"]}
    title = f"## {path}\n\n{part['description']}" if path else "## The whole"
    columns = ("key", "type", "unit", "default", "meaning")
    if not any(row[2] for row in rows):
        columns, rows = ("key", "type", "default", "meaning"), [(*row[:2], *row[3:]) for row in rows]
    text = f"{title}\n\n{table(columns, rows)}"
    return f"{text}\n\n```yaml\n{_yaml(shown)}\n```" if shown else text


def _yaml(values: dict[str, Any]) -> str:
    """A key a line: parts within have sections of their own."""
    dump = partial(yaml.safe_dump, sort_keys=False, default_flow_style=True, width=1000)
    return "\n".join(
        f"{key}: {dump(value).removesuffix('...' + chr(10)).strip()}" for key, value in values.items()
    )


def _meaning(field: Schema, schema: Schema) -> str:
    inner, _ = _inner(field, schema)
    # pydantic leaves out what the part itself says in the same words.
    return str(field.get("description") or (inner or {})["description"])


def _unit(field: Schema) -> str:
    units = {choice["x-unit"] for choice in (field, *field.get("anyOf", ())) if "x-unit" in choice}
    return units.pop() if units else ""


def _type(field: Schema, schema: Schema) -> str:
    if "anyOf" in field:
        return " or ".join(_type(choice, schema) for choice in field["anyOf"] if choice.get("type") != "null")
    if "$ref" in field:
        found = schema["$defs"][field["$ref"].rsplit("/", 1)[1]]
        return "part" if found.get("type") == "object" else _type(found, schema)
    if "enum" in field or "const" in field:
        return ", ".join(code(value) for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}), schema)}"
    kind = _FORMATS.get(field.get("format", ""), _TYPES[field["type"]])
    pattern = f" like {code(field['pattern'])}" if "pattern" in field else ""
    return kind + _range(field) + pattern


def _range(field: Schema) -> str:
    low, above, high = field.get("minimum"), field.get("exclusiveMinimum"), field.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    if low is not None:
        return f", at least {low}"
    if above is None:
        return ""
    return ", at least 1" if field["type"] == "integer" else f", above {above}"


def _default(field: Schema, schema: Schema) -> str:
    if _inner(field, schema)[0] is not None and field.get("default") not in (None, []):
        return "as below"
    value = field.get("default")
    if value is None:
        return "none" if "default" in field else "as below"
    return "empty" if value in ([], {}, "") else code(value if isinstance(value, str) else json.dumps(value))


def _example_of(field: Schema, schema: Schema) -> Any:
    inner, many = _inner(field, schema)
    if field.get("examples"):
        return field["examples"][0]
    if inner is None:
        return field["default"]
    return [example(inner, schema)] if many else example(inner, schema)
