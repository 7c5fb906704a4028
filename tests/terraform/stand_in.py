"""Stand-ins for the AWS and Google providers: their real schemas, over a cloud that is a JSON file.

`python stand_in.py CLOUD.json aws google` prints a value for TF_REATTACH_PROVIDERS and serves until its standard input
ends. Terraform then checks the modules against the schemas that tools/provider_schemas.py took from the providers'
own, plans them, and creates, reads and imports resources in the file. Behaviour of the providers beyond their schemas
(defaults, which change replaces, what the clouds refuse) isn't in here.
"""

from __future__ import annotations

import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import grpc
from tf.gen import tfplugin_pb2 as pb

from chainfleet.emulator.azapi.wire import UNKNOWN, State, is_known, read, written

DATA = Path(__file__).parent / "data"

_ALL_MARKS = {"tags_all": "tags", "effective_labels": "labels", "terraform_labels": "labels"}
"""Attributes that hold all tags or labels, and the attribute with those of the resource's own."""

_NAMING = ("name", "node_group_name", "addon_name", "account_id", "role", "policy_arn", "member", "subnet_id")

_NESTING = {"single": 1, "list": 2, "set": 3, "map": 4}


class Cloud:
    """Resources by type and import id, in a file that a test may edit between runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()

    def get(self, kind: str, name: str) -> State | None:
        with self._lock:
            found: State | None = self._all().get(kind, {}).get(name)
        return found

    def imported(self, kind: str, name: str) -> State | None:
        """What an import id means: the resource with that id, or the one whose attributes it is put together of."""
        with self._lock:
            rows = self._all().get(kind, {})
        words = _words(name)
        found = [row for key, row in rows.items() if key == name or words <= _words(*row.values())]
        return found[0] if len(found) == 1 else rows.get(name)

    def given(self, mark: str) -> State:
        """What a test wants a resource to have that is made: its id, mostly."""
        with self._lock:
            return self._all().get("given", {}).get(mark, {})

    def put(self, kind: str, name: str, values: State | None) -> None:
        with self._lock:
            everything = self._all()
            rows = everything.setdefault(kind, {})
            rows.pop(name, None)
            if values is not None:
                rows[name] = values
            self._path.write_text(json.dumps(everything, indent=1))

    def _all(self) -> dict[str, dict[str, State]]:
        return json.loads(self._path.read_text()) if self._path.exists() else {}


def _words(*values: Any) -> set[str]:
    """Every word in these values, however deep."""
    found: set[str] = set()
    for value in values:
        if isinstance(value, str):
            found |= set(re.split(r"[/:#\s]", value))
        elif isinstance(value, dict):
            found |= _words(*value.values())
        elif isinstance(value, list):
            found |= _words(*value)
    return found


class Provider:
    """One provider."""

    def __init__(self, name: str, cloud: Cloud) -> None:
        document = json.loads((DATA / f"provider_{name}.json").read_text())
        self._resources = document["resource_schemas"]
        self._data = document["data_source_schemas"]
        self._cloud = cloud
        self.source = document["source"]["provider"]
        self._marks: dict[str, str] = {}
        self._schema = pb.GetProviderSchema.Response(
            provider=pb.Schema(block=_block(document["provider"]["block"])),
            provider_meta=pb.Schema(block=pb.Schema.Block()),
            resource_schemas={kind: _schema(row) for kind, row in self._resources.items()},
            data_source_schemas={kind: _schema(row) for kind, row in self._data.items()},
            server_capabilities=pb.ServerCapabilities(plan_destroy=True),
        )

    def get_provider_schema(self, _request: Any) -> Any:
        return self._schema

    def configure_provider(self, request: Any) -> Any:
        settings = read(request.config) or {}
        blocks = settings.get("default_tags") or []
        self._marks = settings.get("default_labels") or {
            k: v for row in blocks for k, v in row["tags"].items()
        }
        return pb.ConfigureProvider.Response()

    def upgrade_resource_state(self, request: Any) -> Any:
        return pb.UpgradeResourceState.Response(upgraded_state=pb.DynamicValue(json=request.raw_state.json))

    def plan_resource_change(self, request: Any) -> Any:
        proposed = read(request.proposed_new_state)
        if proposed is None:
            return pb.PlanResourceChange.Response(planned_state=written(None))
        for name, own in _ALL_MARKS.items():
            if name in proposed:
                proposed[name] = self._marks | (proposed.get(own) or {})
        if read(request.prior_state) is None:
            proposed = _fill(self._resources[request.type_name]["block"], proposed)
        return pb.PlanResourceChange.Response(planned_state=written(proposed))

    def apply_resource_change(self, request: Any) -> Any:
        kind, prior, planned = request.type_name, read(request.prior_state), read(request.planned_state)
        if planned is None:
            self._cloud.put(kind, (prior or {})["id"], None)
            return pb.ApplyResourceChange.Response(new_state=written(None))
        made = _invented(self._resources[kind]["block"], planned, _mark(kind, planned))
        made |= {"id": planned["id"] if is_known(planned["id"]) else _mark(kind, planned)}
        made |= self._cloud.given(_mark(kind, planned))
        self._cloud.put(kind, made["id"], made)
        return pb.ApplyResourceChange.Response(new_state=written(made))

    def read_resource(self, request: Any) -> Any:
        state = read(request.current_state) or {}
        return pb.ReadResource.Response(new_state=written(self._cloud.get(request.type_name, state["id"])))

    def import_resource_state(self, request: Any) -> Any:
        known = self._cloud.imported(request.type_name, request.id)
        if known is None:
            said = pb.Diagnostic(severity=pb.Diagnostic.ERROR, summary=f"no {request.type_name} {request.id}")
            return pb.ImportResourceState.Response(diagnostics=[said])
        state = _empty(self._resources[request.type_name]["block"]) | {"id": known["id"]}
        found = pb.ImportResourceState.ImportedResource(type_name=request.type_name, state=written(state))
        return pb.ImportResourceState.Response(imported_resources=[found])

    def read_data_source(self, request: Any) -> Any:
        asked = read(request.config) or {}
        known = self._cloud.get(request.type_name, "here") or {}
        state = {name: known.get(name, value) for name, value in asked.items()}
        return pb.ReadDataSource.Response(state=written(state))


def _schema(row: State) -> pb.Schema:
    return pb.Schema(version=row["version"], block=_block(row["block"]))


def _block(block: State) -> pb.Schema.Block:
    attributes = [
        pb.Schema.Attribute(
            name=name,
            type=json.dumps(row["type"]).encode(),
            required=row.get("required", False),
            optional=row.get("optional", False),
            computed=row.get("computed", False),
        )
        for name, row in block.get("attributes", {}).items()
    ]
    blocks = [
        pb.Schema.NestedBlock(
            type_name=name,
            nesting=_NESTING[row["nesting_mode"]],
            block=_block(row["block"]),
            min_items=row.get("min_items", 0),
            max_items=row.get("max_items", 0),
        )
        for name, row in block.get("block_types", {}).items()
    ]
    return pb.Schema.Block(attributes=attributes, block_types=blocks)


def _empty(block: State) -> State:
    nothing: State = dict.fromkeys(block.get("attributes", {}))
    for name, row in block.get("block_types", {}).items():
        nothing[name] = None if row["nesting_mode"] == "single" else []
    return nothing


def _fill(block: State, values: State) -> State:
    """What nobody has set and the provider computes is not known before it is made."""
    filled = dict(values)
    for name, row in block.get("attributes", {}).items():
        if row.get("computed") and filled.get(name) is None:
            filled[name] = UNKNOWN
    for name, row in block.get("block_types", {}).items():
        inner = filled.get(name)
        if isinstance(inner, list):
            filled[name] = [_fill(row["block"], each) for each in inner]
    return filled


def _invented(block: State, values: State, mark: str) -> State:
    """A value for everything that is known only afterwards."""
    made = dict(values)
    for name, row in block.get("attributes", {}).items():
        if not is_known(values[name]):
            made[name] = _value(row["type"], f"{mark}.{name}")
    for name, row in block.get("block_types", {}).items():
        inner = values.get(name)
        if isinstance(inner, list):
            made[name] = [_invented(row["block"], each, f"{mark}.{name}") for each in inner]
    return made


def _value(kind: Any, mark: str) -> Any:
    if kind == "string":
        return mark
    if isinstance(kind, str):
        return 1 if kind == "number" else False
    if kind[0] == "object":
        return {name: _value(inner, f"{mark}.{name}") for name, inner in kind[1].items()}
    return {} if kind[0] == "map" else [_value(kind[1], mark)]


def _mark(kind: str, planned: State) -> str:
    """What tells one resource of a type from another."""
    tags = planned.get("tags")
    if isinstance(tags, dict) and "Name" in tags:
        return f"{kind}.{tags['Name']}"
    return ".".join([kind, *(planned[name] for name in _NAMING if isinstance(planned.get(name), str))])


def serve(provider: Provider) -> tuple[grpc.Server, int]:
    """Answer on a free port of the loopback; what has no method of its own succeeds with nothing to say."""
    calls = {}
    for name in vars(pb):
        message = getattr(pb, name)
        if not hasattr(message, "Request") or not hasattr(message, "Response"):
            continue
        method = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
        answer = getattr(provider, method, None) or partial(_nothing, message.Response)
        calls[name] = grpc.unary_unary_rpc_method_handler(
            lambda request, _context, answer=answer: answer(request),
            request_deserializer=message.Request.FromString,
            response_serializer=message.Response.SerializeToString,
        )
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tfplugin6.Provider", calls),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def _nothing(response: Any, _request: Any) -> Any:
    return response()


def main() -> None:
    cloud = Cloud(Path(sys.argv[1]))
    attached, servers = {}, []
    for name in sys.argv[2:]:
        provider = Provider(name, cloud)
        server, port = serve(provider)
        servers.append(server)
        address = {"Network": "tcp", "String": f"127.0.0.1:{port}"}
        # Terraform looks once a second whether this process lives; with no such process it cancels its calls then.
        entry = {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": address}
        attached[f"registry.terraform.io/{provider.source}"] = entry
    print(json.dumps(attached), flush=True)  # noqa: T201
    sys.stdin.read()
    for server in servers:
        server.stop(grace=0.2)


if __name__ == "__main__":
    main()
