"""The portal's API, from its OpenAPI document: operations and shapes."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from writing import code, page, table

from chainfleet.portal.application import make_api
from chainfleet.portal.openapi import openapi_document
from chainfleet.portal.problems import KINDS

Schema = dict[str, Any]


def api_page() -> str:
    """The page as text."""
    document = openapi_document(make_api())
    areas: dict[str, list[str]] = defaultdict(list)
    for path, operations in sorted(document["paths"].items()):
        for method, operation in operations.items():
            areas[operation["tags"][0]].append(_operation(method, path, operation))
    shapes = [_shape(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    intro = (
        "The document itself is served under `/api/v1/openapi.json`. How to sign in, the stream, and what else OpenAPI can't "
        "say is in [the portal's API](portal-api.md); what `/problems/…` mean is in [problems](problems.md)."
    )
    parts = [f"## {area.capitalize()}\n\n" + "\n\n".join(areas[area]) for area in sorted(areas)]
    return page(
        "API: operations and shapes", intro, *parts, "## Shapes", *(shape for shape in shapes if shape)
    )


def problem_page() -> str:
    """The page of problems as text."""
    intro = (
        "Every error of the portal's API is a problem document (`application/problem+json`) with one of these types; "
        "they do not change."
    )
    rows = [(code(f"/problems/{kind}"), str(status), meaning) for kind, (status, meaning) in KINDS.items()]
    return page("Problems", intro, table(("type", "status", "what it means"), rows))


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    permission = operation.get("x-permission", "")
    parts = [f"### {method.upper()} {path}", f"{operation['description'].strip()}"]
    facts = [f"Permission: {code(permission)}."] if permission else []
    if body := _content(operation.get("requestBody", {})):
        facts.append(f"Body: {body}.")
    answers = {status: _content(answer) for status, answer in operation["responses"].items()}
    good = [
        f"{status}{f' with {what}' if what else ''}" for status, what in answers.items() if int(status) < 400
    ]
    bad = [status for status in answers if int(status) >= 400]
    facts.append(f"Answers {', '.join(good)}; problems {', '.join(bad)}.")
    parts.append(" ".join(facts))
    if parameters := operation.get("parameters", []):
        rows = [
            (code(p["name"]), p["in"], _type(p["schema"]), p.get("description") or p["schema"]["description"])
            for p in parameters
        ]
        parts.append(table(("parameter", "in", "type", "meaning"), rows))
    return "\n\n".join(parts)


def _content(answer: dict[str, Any]) -> str:
    for media, content in answer.get("content", {}).items():
        schema = content.get("schema", {})
        return _type(schema) if "$ref" in schema or schema.get("title") else code(media)
    return ""


def _shape(name: str, schema: Schema) -> str:
    title = f"### {_name(name)}\n\n{schema.get('description', '').strip()}"
    if "enum" in schema:
        return f"{title}\n\nOne of {', '.join(code(value) for value in schema['enum'])}."
    required = schema.get("required", [])
    rows = [
        (code(field) + ("" if field in required else " (may be missing)"), _type(item), _described(item))
        for field, item in schema.get("properties", {}).items()
    ]
    return f"{title}\n\n{table(('field', 'type', 'meaning'), rows)}" if rows else title


def _described(schema: Schema) -> str:
    return str(
        schema.get("description")
        or next((c["description"] for c in schema.get("anyOf", ()) if c.get("description")), "")
    )


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = _name(schema["$ref"].rsplit("/", 1)[1])
        return f"[{name}](#{name.lower().replace(' ', '-')})"
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(code(value) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if isinstance(more := schema.get("additionalProperties"), dict) and more:
        return f"mapping to {_type(more)}"
    return str(schema.get("type", "anything"))


def _name(name: str) -> str:
    """`Page_RunSummary_` reads `Page of RunSummary`."""
    return re.sub(r"^Page_(\w+)_$", r"Page of \1", name)
