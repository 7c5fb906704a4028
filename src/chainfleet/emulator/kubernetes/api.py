"""One cluster's API: what each request to it does. Transport is `server`'s business."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml

from . import discovery, openapi, reviews
from .deleting import delete
from .errors import ApiError, bad_request, no_such_path
from .kinds import Kind, Kinds
from .reading import Filter, Shape, Watch, list_objects, shape_of
from .requests import Target, manager, target
from .scaling import read_scale, write_scale
from .store import Item, Store
from .writing import APPLY_PATCH, Objects, Options

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """A request, free of transport: method, path with query, headers (lower case), body."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(slots=True)
class Answer:
    """What goes back: a body, or a watch to stream."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    watch: Watch | None = None


@dataclass(frozen=True, slots=True)
class Deferred:
    """A request that must wait for something: logs and the proxy, answered by the server."""

    target: Target
    query: Mapping[str, str]


def json_answer(body: Any, status: int = 200) -> Answer:
    """JSON as an answer."""
    return Answer(status, json.dumps(body, separators=(",", ":")).encode())


class Api:
    """Answers a cluster's requests.

    Args:
        objects: writes to the cluster.
        version: Kubernetes version, e.g. `1.34`.
        wall: seconds since 1970.
    """

    def __init__(self, objects: Objects, version: str, wall: Any) -> None:
        self._objects = objects
        self._store: Store = objects.store
        self._kinds: Kinds = objects.kinds
        self._version = version
        self._wall = wall
        self._documents: dict[tuple[str, int], bytes] = {}

    def answer(self, request: Request) -> Answer | Deferred:
        """Do what a request asks.

        Raises:
            ApiError: it can't be done.
        """
        parts = urlsplit(request.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if (found := self._about(parts.path.rstrip("/") or "/", request)) is not None:
            return found
        where = target(self._kinds, parts.path)
        if where.subresource in ("proxy", "log", "exec"):
            return Deferred(where, query)
        options = Options(
            manager=manager(query, request.headers.get("user-agent", "")),
            force=query.get("force") in ("true", "1"),
            dry_run="dryRun" in query,
            validation=query.get("fieldValidation") or "Warn",
        )
        answer = self._resource(where, query, request, options)
        if options.warnings:
            answer.headers["Warning"] = ", ".join(f'299 - "{w}"'.replace("\n", " ") for w in options.warnings)
        return answer

    def _about(self, path: str, request: Request) -> Answer | None:
        """The paths that are about the server itself."""
        if path in ("/healthz", "/livez", "/readyz"):
            return Answer(body=b"ok", content_type="text/plain")
        if path == "/version":
            return json_answer(discovery.version(self._version))
        if path in ("/api", "/apis"):
            return self._discovery(path, request)
        if path.startswith("/openapi/"):
            return self._openapi(path)
        parts = path.strip("/").split("/")
        found: Json | None = None
        if path == "/":
            found = {"paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v3", "/version"]}
        elif parts[0] == "apis" and len(parts) == 2:
            found = discovery.group(self._kinds, parts[1])
        elif (parts[0] == "apis" and len(parts) == 3) or parts == ["api", "v1"]:
            group, version = (parts[1], parts[2]) if parts[0] == "apis" else ("", "v1")
            found = discovery.resource_list(self._kinds, group, version)
        else:
            return None
        if found is None:
            raise no_such_path()
        return json_answer(found)

    def _discovery(self, path: str, request: Request) -> Answer:
        core = path == "/api"
        for choice in request.headers.get("accept", "").split(","):
            if discovery.AGGREGATED in choice and "as=APIGroupDiscoveryList" in choice:
                version = "v2" if "v=v2;" in f"{choice};" else "v2beta1"
                body = discovery.aggregated(self._kinds, core=core, version_of_format=version)
                answer = json_answer(body)
                answer.content_type = (
                    f"application/json;g={discovery.AGGREGATED};v={version};as=APIGroupDiscoveryList"
                )
                return answer
        return json_answer(discovery.core_versions() if core else discovery.group_list(self._kinds))

    def _openapi(self, path: str) -> Answer:
        key = (path, len(list(self._kinds)))
        if key not in self._documents:
            place = path.removeprefix("/openapi/v3").strip("/")
            if not path.startswith("/openapi/v3"):
                raise no_such_path()
            found = openapi.document(self._kinds, place) if place else openapi.index(self._kinds)
            if found is None:
                raise no_such_path()
            self._documents[key] = json.dumps(found, separators=(",", ":")).encode()
        return Answer(body=self._documents[key])

    def _resource(
        self, where: Target, query: Mapping[str, str], request: Request, options: Options
    ) -> Answer:
        kind, method = where.kind, request.method
        shape = shape_of(request.headers.get("accept", ""), query, self._wall)
        if where.subresource == "scale":
            return self._scale(where, request, options)
        if where.subresource in ("eviction", "token"):
            return json_answer(reviews.subresource(self._objects, where, _body(request)), 201)
        if method == "GET":
            return self._read(where, query, shape)
        if method == "POST" and not where.name:
            body = _body(request)
            if kind.verbs == ("create",):
                return json_answer(reviews.review(kind, body), 201)
            return self._one(kind, self._objects.create(kind, where.namespace, body, options), shape, 201)
        if method == "PUT" and where.name:
            item = self._objects.replace(
                kind, where.namespace, where.name, _body(request), options, _status_only(where)
            )
            return self._one(kind, item, shape)
        if method == "PATCH" and where.name:
            return self._patch(where, request, options, shape)
        if method == "DELETE":
            return self._delete(where, query, request, options)
        raise ApiError(
            405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
        )

    def _read(self, where: Target, query: Mapping[str, str], shape: Shape) -> Answer:
        kind = where.kind
        if where.name:
            return self._one(kind, self._objects.get(kind, where.namespace, where.name), shape)
        if query.get("watch") in ("true", "1"):
            return Answer(watch=Watch(self._store, kind, where.namespace, query, shape))
        return Answer(body=list_objects(self._store, kind, where.namespace, query, shape))

    def _patch(self, where: Target, request: Request, options: Options, shape: Shape) -> Answer:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip()
        if content_type == APPLY_PATCH and not options.manager:
            raise bad_request("fieldManager is required for apply patch")
        item, created = self._objects.patch(
            where.kind,
            where.namespace,
            where.name,
            content_type,
            _body(request),
            options,
            _status_only(where),
        )
        return self._one(where.kind, item, shape, 201 if created else 200)

    def _delete(self, where: Target, query: Mapping[str, str], request: Request, options: Options) -> Answer:
        body = _body(request) if request.body else {}
        for name in ("propagationPolicy", "gracePeriodSeconds"):
            if name in query:
                body[name] = int(query[name]) if name.startswith("grace") else query[name]
        if where.name:
            return json_answer(delete(self._objects, where.kind, where.namespace, where.name, body, options))
        wanted = Filter(where.namespace, query)
        for item in self._store.items(where.kind.id, where.namespace):
            if wanted.takes(item.obj):
                delete(
                    self._objects,
                    where.kind,
                    item.obj["metadata"].get("namespace", ""),
                    item.obj["metadata"]["name"],
                    body,
                    options,
                )
        return json_answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})

    def _scale(self, where: Target, request: Request, options: Options) -> Answer:
        if request.method == "GET":
            live = self._objects.get(where.kind, where.namespace, where.name).obj
            return json_answer(read_scale(live))
        content_type = request.headers.get("content-type", "").partition(";")[0].strip()
        return json_answer(
            write_scale(self._objects, where, request.method, content_type, _body(request), options)
        )

    def _one(self, kind: Kind, item: Item, shape: Shape, status: int = 200) -> Answer:
        return Answer(status, shape.one(kind, item))


def _status_only(where: Target) -> str:
    return "status" if where.subresource == "status" else ""


def _body(request: Request) -> Any:
    try:
        if "yaml" in request.headers.get("content-type", ""):
            try:
                return json.loads(request.body)  # clients send JSON as YAML, and JSON is far quicker to read
            except ValueError:
                return yaml.safe_load(request.body)
        return json.loads(request.body)
    except (ValueError, yaml.YAMLError) as problem:
        raise bad_request(f"the object provided is unrecognized: {problem}") from None
