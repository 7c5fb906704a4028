"""OpenAPI v3 documents, enough for `kubectl apply`, `kubectl explain` and schema-reading clients.

They are made from the same models that writes are checked against, so that the document and the server
can't disagree about a field.
"""

from __future__ import annotations

import re
import typing
from functools import cache
from typing import Any

import msgspec

from .kinds import Kind, Kinds
from .schema import fields_of, model, strip_optional

Json = dict[str, Any]

_FIELD_DOC = re.compile(r"^\s*\* \*\*(\S+)\*\* ``.*?`` - (.*?)(?=^\s*\* \*\*|\Z)", re.MULTILINE | re.DOTALL)
_PATCH_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "force")


def index(kinds: Kinds) -> Json:
    """`/openapi/v3`: where the document of each group and version is."""
    versions = {k.api_version: _place(k) for k in kinds}
    return {
        "paths": {
            place: {"serverRelativeURL": f"/openapi/v3/{place}?hash=chainfleet"}
            for place in versions.values()
        }
    }


def _place(kind: Kind) -> str:
    return f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"


def document(kinds: Kinds, place: str) -> Json | None:
    """`/openapi/v3/{place}`; None if that group or version isn't served."""
    served = [k for k in kinds if _place(k) == place]
    if not served:
        return None
    schemas: Json = {}
    paths: Json = {}
    for kind in served:
        schemas[_schema_name(kind)] = _root_schema(kind, schemas)
        paths.update(_paths(kind))
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.34"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _gvk(kind: Kind) -> Json:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _schema_name(kind: Kind) -> str:
    cls = model(kind)
    return _name(cls) if cls else f"io.x-k8s.{kind.version}.{kind.kind}"


def _paths(kind: Kind) -> Json:
    middle = "namespaces/{namespace}/" if kind.namespaced else ""
    collection = f"/{_place(kind)}/{middle}{kind.plural}"
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{_schema_name(kind)}"}}}

    def operation(verb: str) -> Json:
        names = _PATCH_PARAMETERS if verb == "patch" else _PATCH_PARAMETERS[:3]
        return {
            "operationId": f"{verb}{kind.kind}",
            "parameters": [
                {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
                for name in names
            ],
            "responses": {"200": {"description": "OK", "content": content}},
            "x-kubernetes-action": verb,
            "x-kubernetes-group-version-kind": _gvk(kind),
        }

    return {
        collection: {"get": operation("list"), "post": operation("post")},
        f"{collection}/{{name}}": {
            "get": operation("get"),
            "put": operation("put"),
            "patch": operation("patch"),
            "delete": operation("delete"),
        },
    }


def _root_schema(kind: Kind, schemas: Json) -> Json:
    cls = model(kind)
    found = (
        dict(_class_schema(cls, schemas))
        if cls
        else {"type": "object", "description": kind.kind, "x-kubernetes-preserve-unknown-fields": True}
    )
    found["x-kubernetes-group-version-kind"] = [_gvk(kind)]
    return found


def _name(cls: type) -> str:
    module = cls.__module__.rpartition(".")[2]
    group, _, version = module.partition("_")
    return f"io.k8s.api.{group}.{version or 'v1'}.{cls.__name__}"


@cache
def _documentation(cls: type) -> tuple[str, dict[str, str]]:
    text = cls.__doc__ or ""
    head = text.partition("**parameters**")[0]
    fields = {name: " ".join(words.split()) for name, words in _FIELD_DOC.findall(text)}
    return " ".join(head.split()), fields


def _class_schema(cls: type, schemas: Json) -> Json:
    description, words = _documentation(cls)
    properties = {}
    for name, hint in fields_of(cls).items():
        found = _hint_schema(strip_optional(hint), schemas)
        properties[name] = {"description": words.get(name, ""), **found}
    required = [f.encode_name for f in msgspec.structs.fields(cls) if f.required]
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        **({"required": required} if required else {}),
    }


_SCALARS: dict[Any, Json] = {
    str: {"type": "string"},
    int: {"type": "integer", "format": "int32"},
    bool: {"type": "boolean"},
    float: {"type": "number", "format": "double"},
}


def _hint_schema(hint: Any, schemas: Json) -> Json:
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        name = _name(hint)
        if name not in schemas:
            schemas[name] = {}  # before going down: types refer to themselves
            schemas[name] = _class_schema(hint, schemas)
        return {"allOf": [{"$ref": f"#/components/schemas/{name}"}], "default": {}}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return {"type": "array", "items": _hint_schema(strip_optional(arguments[0]), schemas)}
    if hint is dict or (origin is dict and not arguments):
        return {"type": "object"}
    if origin is dict:
        return {"type": "object", "additionalProperties": _hint_schema(strip_optional(arguments[1]), schemas)}
    if origin is not None and set(arguments) <= {int, str}:
        return {"type": "string", "format": "int-or-string"}
    return {"type": "string", "format": "date-time"} if getattr(hint, "__name__", "") == "datetime" else {}
