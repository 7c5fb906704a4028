"""Terraform's plugin protocol, answered on one event loop: waiting for one operation holds up no other."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc.aio
from tf.gen import grpc_stdio_pb2 as stdio
from tf.gen import tfplugin_pb2 as pb

from . import bodies, planning, resource, schema
from .arm import Arm, ArmError
from .identifiers import split_type
from .resource import Result
from .wire import State, is_known, plain, read, written

_EXPECTED = (ArmError, bodies.ExportError, ValueError, OSError)
"""What an attempt may raise that is told to Terraform as a diagnostic."""


class Service:
    """All calls of the protocol.

    Args:
        open_arm: makes the client at the first call that needs it; what it raises is told as a diagnostic.
    """

    def __init__(self, open_arm: Callable[[], Arm]) -> None:
        self._open_arm = open_arm
        self._arm: Arm | None = None
        self._running: dict[str, set[asyncio.Task[Any]]] = defaultdict(set)
        self._schema = schema.provider_schema()

    async def close(self) -> None:
        """Close the client's connections."""
        if self._arm is not None:
            await self._arm.close()

    async def get_metadata(self, _request: Any, _context: Any) -> pb.GetMetadata.Response:
        """What kinds of things there are."""
        return pb.GetMetadata.Response(
            server_capabilities=self._schema.server_capabilities,
            resources=[pb.GetMetadata.ResourceMetadata(type_name=schema.RESOURCE)],
        )

    async def get_provider_schema(self, _request: Any, _context: Any) -> pb.GetProviderSchema.Response:
        """The schemas of everything."""
        return self._schema

    async def validate_provider_config(self, _request: Any, _context: Any) -> Any:
        """Any setting will do: the environment is what counts."""
        return pb.ValidateProviderConfig.Response()

    async def configure_provider(self, _request: Any, _context: Any) -> pb.ConfigureProvider.Response:
        """Check that the environment says where ARM is."""
        try:
            self._client()
        except (KeyError, OSError) as error:
            detail = f"The environment of the provider's process lacks {error}."
            return pb.ConfigureProvider.Response(diagnostics=[_error("Missing configuration", detail)])
        return pb.ConfigureProvider.Response()

    async def validate_resource_config(self, request: Any, _context: Any) -> Any:
        """Refuse what Microsoft's provider refuses before any call."""
        config = read(request.config) or {}
        problems = []
        kind = config.get("type")
        if isinstance(kind, str):
            try:
                split_type(kind)
            except ValueError as error:
                problems.append(_error("Invalid configuration", str(error)))
        body = plain(config.get("body"))
        if isinstance(body, str):
            problems.append(_error("Invalid configuration", "`body` must be an object, not a JSON string"))
        if isinstance(body, dict):
            problems += [
                _error(
                    "Invalid configuration",
                    f'can\'t specify both the argument "{name}" and "{name}" in "body"',
                )
                for name in ("tags", "location")
                if name in body and config.get(name) is not None
            ]
        return pb.ValidateResourceConfig.Response(diagnostics=problems)

    async def upgrade_resource_state(self, request: Any, _context: Any) -> Any:
        """Hand the state on."""
        # JSON is an encoding that Terraform takes back: in it, dynamic values keep their type beside them.
        return pb.UpgradeResourceState.Response(upgraded_state=pb.DynamicValue(json=request.raw_state.json))

    async def plan_resource_change(self, request: Any, _context: Any) -> pb.PlanResourceChange.Response:
        """Say what a change would do."""
        proposed = read(request.proposed_new_state)
        if proposed is None:
            return pb.PlanResourceChange.Response(planned_state=request.proposed_new_state)
        planned = planning.plan(read(request.prior_state), proposed, read(request.config) or {})
        paths = [
            pb.AttributePath(steps=[pb.AttributePath.Step(attribute_name=name)]) for name in planned.replaces
        ]
        return pb.PlanResourceChange.Response(planned_state=written(planned.state), requires_replace=paths)

    async def read_resource(self, request: Any, context: Any) -> pb.ReadResource.Response:
        """Read a resource back."""
        state = read(request.current_state) or {}
        result = await self._attempt(context, state, lambda arm: resource.read(arm, state))
        return pb.ReadResource.Response(new_state=written(result.state), diagnostics=_diagnostics(result))

    async def apply_resource_change(self, request: Any, context: Any) -> pb.ApplyResourceChange.Response:
        """Create, update or delete."""
        prior, planned = read(request.prior_state), read(request.planned_state)
        result = await self._attempt(context, prior, lambda arm: _change(arm, prior, planned))
        return pb.ApplyResourceChange.Response(
            new_state=written(result.state), diagnostics=_diagnostics(result)
        )

    async def import_resource_state(self, request: Any, context: Any) -> pb.ImportResourceState.Response:
        """Take up a resource that exists."""
        result = await self._attempt(context, None, lambda arm: resource.import_(arm, request.id))
        found = [
            pb.ImportResourceState.ImportedResource(type_name=request.type_name, state=written(state))
            for state in result.imported
        ]
        return pb.ImportResourceState.Response(imported_resources=found, diagnostics=_diagnostics(result))

    async def get_functions(self, _request: Any, _context: Any) -> pb.GetFunctions.Response:
        """There are none."""
        return pb.GetFunctions.Response()

    async def stop_provider(self, _request: Any, context: Any) -> pb.StopProvider.Response:
        """Break off what the asking Terraform waits for; all others go on."""
        for task in tuple(self._running.get(context.peer(), ())):
            task.cancel("context canceled")
        return pb.StopProvider.Response()

    async def stream_stdio(self, _request: Any, _context: Any) -> AsyncIterator[stdio.StdioData]:
        """Nothing is ever printed; Terraform only wants the stream to exist."""
        await asyncio.Event().wait()
        yield stdio.StdioData()  # pragma: no cover

    def _client(self) -> Arm:
        if self._arm is None:
            self._arm = self._open_arm()
        return self._arm

    async def _attempt(
        self, context: Any, before: State | None, work: Callable[[Arm], Awaitable[Result]]
    ) -> Result:
        """Do some work that `stop_provider` may break off, and turn errors into diagnostics."""

        async def run() -> Result:
            return await work(self._client())

        task = asyncio.create_task(run())
        mine = self._running[context.peer()]
        mine.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            if not task.cancelled() or _being_cancelled():
                task.cancel()
                raise
            return Result(before, ("Failed to perform the operation", "context canceled"))
        except _EXPECTED as error:
            return Result(before, ("Failed to perform the operation", f"{type(error).__name__}: {error}"))
        finally:
            mine.discard(task)
            if not mine:
                self._running.pop(context.peer(), None)


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _change(arm: Arm, prior: State | None, planned: State | None) -> Result:
    if planned is None:
        return await resource.delete(arm, prior or {})
    if not is_known([planned.get("body"), planned.get("name"), planned.get("parent_id")]):
        raise ValueError("apply was asked with a value that is still unknown")
    if prior is None:
        return await resource.create(arm, planned)
    return await resource.update(arm, prior, planned)


def _error(summary: str, detail: str) -> pb.Diagnostic:
    return pb.Diagnostic(severity=pb.Diagnostic.ERROR, summary=summary, detail=detail)


def _diagnostics(result: Result) -> list[pb.Diagnostic]:
    return [_error(*result.problem)] if result.problem else []


_CALLS = (
    "GetMetadata",
    "GetProviderSchema",
    "ValidateProviderConfig",
    "ConfigureProvider",
    "ValidateResourceConfig",
    "UpgradeResourceState",
    "PlanResourceChange",
    "ReadResource",
    "ApplyResourceChange",
    "ImportResourceState",
    "GetFunctions",
    "StopProvider",
)


def handlers(service: Service) -> list[grpc.GenericRpcHandler]:
    """The service as gRPC handlers."""
    calls = {}
    for name in _CALLS:
        message = getattr(pb, name)
        method = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
        calls[name] = grpc.unary_unary_rpc_method_handler(
            _logged(getattr(service, method)),
            request_deserializer=message.Request.FromString,
            response_serializer=message.Response.SerializeToString,
        )
    stream = grpc.unary_stream_rpc_method_handler(
        service.stream_stdio, response_serializer=stdio.StdioData.SerializeToString
    )
    return [
        grpc.method_handlers_generic_handler("tfplugin6.Provider", calls),
        grpc.method_handlers_generic_handler("plugin.GRPCStdio", {"StreamStdio": stream}),
    ]


def _logged(method: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
    async def call(request: Any, context: Any) -> Any:
        try:
            return await method(request, context)
        except Exception as error:
            sys.stderr.write(f"azapi stand-in: {method.__name__}: {type(error).__name__}: {error}\n")
            raise

    return call
