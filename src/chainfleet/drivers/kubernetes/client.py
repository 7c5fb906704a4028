"""One cluster: objects applied by server-side apply, watched, and the JSON-RPC of pods behind its proxy.

Only this module and `access` talk to an API server. Every error leaves as `TaskFailed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chainfleet.drivers.calls import call
from chainfleet.model.errors import ErrorClass, TaskFailed

from .errors import failure
from .matching import HASH_ANNOTATION, is_applied, with_hash
from .names import FIELD_MANAGER, Manifest
from .resources import API_VERSIONS, is_namespaced, resource

if TYPE_CHECKING:
    import httpx2
    from lightkube import AsyncClient

RpcCall = tuple[str, Sequence[Any]]
"""Method and parameters."""
Key = tuple[str, str]
"""Kind and name of an object, in a known namespace."""

_AT_ONCE = 4
"""Requests under way per cluster; API servers throttle clients that send more (APF)."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying some manifests did.

    Attributes:
        changed: `Kind/name` of the objects that were made or changed.
        unchanged: how many were right already.
    """

    changed: tuple[str, ...]
    unchanged: int


class RpcError(Exception):
    """A node answered a JSON-RPC call with an error.

    Attributes:
        code: JSON-RPC error code.
        message: the node's text.
        data: whatever the node added, e.g. revert data.
    """

    def __init__(self, method: str, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{method}: {message} ({code})")
        self.code = code
        self.message = message
        self.data = data


class Cluster:
    """A client of one cluster, shared by all attempts of this process.

    Args:
        name: the region, for messages.
        server: address of the API server.
        kube: client library's client.
        http: HTTP client with the same server, trust and credentials, for the service proxy.
        expires_at: when the credentials run out, in seconds since 1970, where they say so.
    """

    def __init__(
        self,
        name: str,
        server: str,
        kube: AsyncClient,
        http: httpx2.AsyncClient,
        expires_at: float | None = None,
    ) -> None:
        self.name = name
        self.server = server
        self.expires_at = expires_at
        self._kube = kube
        self._http = http
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def close(self) -> None:
        """Give the connections back."""
        await self._kube.close()
        await self._http.aclose()

    async def apply(
        self,
        manifests: Sequence[Manifest],
        *,
        fence: Callable[[], None],
        manager: str = FIELD_MANAGER,
        force: bool = False,
    ) -> Applied:
        """Bring objects to what the manifests want, in their order.

        Objects that are as wanted already are left alone. What changed is told by the server: an
        apply that changes nothing leaves `resourceVersion` as it is.

        Raises:
            TaskFailed: refused; CONFLICT names the other owner of a field.
        """
        live = await self.live(manifests)
        changed: list[str] = []
        for manifest in manifests:
            before = live.get(_key(manifest))
            if is_applied(manifest, before):
                continue
            fence()
            after = await self._apply_one(with_hash(manifest), manager=manager, force=force)
            if before is None or _version(before) != _version(after):
                changed.append("/".join(_key(manifest)))
        return Applied(tuple(changed), len(manifests) - len(changed))

    async def are_applied(self, manifests: Sequence[Manifest]) -> bool:
        """Whether every object is as wanted; reads only."""
        live = await self.live(manifests)
        return all(is_applied(manifest, live.get(_key(manifest))) for manifest in manifests)

    async def live(self, manifests: Iterable[Manifest]) -> dict[Key, Manifest]:
        """Return the objects that the manifests name, as the server has them: one list per kind."""
        wanted = list(manifests)
        groups = {(m["apiVersion"], m["kind"], m["metadata"].get("namespace")) for m in wanted}
        lists = await asyncio.gather(
            *(self.list_objects(kind, ns) for _, kind, ns in sorted(groups, key=str))
        )
        names = {_key(m) for m in wanted}
        return {_key(item): item for items in lists for item in items if _key(item) in names}

    async def patch(self, manifest: Manifest, *, manager: str, force: bool = False) -> Manifest:
        """Apply one manifest as it is, by another field manager; return the object."""
        return await self._apply_one(manifest, manager=manager, force=force)

    async def get(self, kind: str, name: str, namespace: str | None = None) -> Manifest | None:
        """Return an object, or None if there is none."""
        async with self._guarded(f"get {kind}/{name}"):
            try:
                return dict(await self._kube.get(_class(kind), name, namespace=namespace))
            except Exception as error:
                if _code(error) == 404:
                    return None
                raise

    async def list_objects(
        self, kind: str, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """Return the objects of a kind; of a namespace that doesn't exist, none."""
        where: dict[str, Any] = {"labels": dict(labels)} if labels else {}
        if namespace and is_namespaced(API_VERSIONS[kind], kind):
            where["namespace"] = namespace
        # Items of a list don't say what they are.
        head = {"apiVersion": API_VERSIONS[kind], "kind": kind}
        async with self._guarded(f"list {kind}"):
            return [{**head, **item} async for item in self._kube.list(_class(kind), **where)]

    async def delete(self, kind: str, name: str, namespace: str | None = None) -> bool:
        """Delete an object; return whether there was one."""
        async with self._guarded(f"delete {kind}/{name}"):
            try:
                await self._kube.delete(_class(kind), name, namespace=namespace)
            except Exception as error:
                if _code(error) == 404:
                    return False
                raise
        return True

    async def wait_for(
        self, kind: str, name: str, namespace: str, ready: Callable[[Manifest | None], bool], timeout_s: float
    ) -> Manifest | None:
        """Watch an object until it is as wanted; return it, or None where being gone is what was wanted.

        Raises:
            TaskFailed: TIMEOUT when it didn't become so in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    current = await self.get(kind, name, namespace)
                    if ready(current):
                        return current
                    async for seen in self._changes(kind, name, namespace, current):
                        if ready(seen):
                            return seen
        except TimeoutError:
            message = f"{kind}/{name} in {self.name} did not become ready within {timeout_s:.0f} s"
            raise TaskFailed(ErrorClass.TIMEOUT, message, fingerprint=f"kubernetes:wait:{kind}") from None

    async def rpc(
        self,
        namespace: str,
        service: str,
        port: int,
        method: str,
        params: Sequence[Any] = (),
        timeout_s: float = 10,
    ) -> Any:
        """Call a JSON-RPC method of a pod, through the API server's service proxy.

        Raises:
            RpcError: the node answered with an error.
            TaskFailed: CHAIN_NOT_READY if nobody answers behind the service, else as for any request.
        """
        body = _rpc_body(1, method, params)
        answer = await self._post_rpc(namespace, service, port, body, method, timeout_s)
        return _rpc_result(method, answer if isinstance(answer, Mapping) else {})

    async def rpc_batch(
        self, namespace: str, service: str, port: int, calls: Sequence[RpcCall], timeout_s: float = 10
    ) -> list[Any]:
        """Call several methods in one request; answers come in the order of the calls.

        An answer is an RpcError where the node refused that call; raises as `rpc` does otherwise.
        """
        body = [_rpc_body(number, method, params) for number, (method, params) in enumerate(calls)]
        what = calls[0][0] if calls else "nothing"
        answer = await self._post_rpc(namespace, service, port, body, what, timeout_s)
        if not isinstance(answer, list):
            _rpc_result(what, answer)  # one error for all of them
            answer = []
        by_id = {entry.get("id"): entry for entry in answer}
        return [_rpc_answer(method, by_id.get(number, {})) for number, (method, _) in enumerate(calls)]

    async def fetch(self, namespace: str, service: str, port: int, path: str, timeout_s: float = 10) -> str:
        """Return the text that a pod answers to a GET, through the API server's service proxy.

        Raises:
            TaskFailed: CHAIN_NOT_READY if nobody answers behind the service, else as for any request.
        """
        url = f"/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy/{path.lstrip('/')}"
        what = f"get {path} of {service} in {self.name}"
        try:
            with call("kubernetes", what):
                response = await self._http.get(url, timeout=timeout_s)
            if response.status_code in (502, 503):
                raise TaskFailed(
                    ErrorClass.CHAIN_NOT_READY, f"{what}: no pod answers", fingerprint="besu:no-answer"
                )
            response.raise_for_status()
            return str(response.text)
        except TaskFailed:
            raise
        except Exception as error:
            raise _as_failure(error, what) from error

    async def _post_rpc(
        self, namespace: str, service: str, port: int, body: Any, method: str, timeout_s: float
    ) -> Any:
        path = f"/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy/"
        what = f"{method} of {service} in {self.name}"
        try:
            with call("chain", what):
                response = await self._http.post(path, json=body, timeout=timeout_s)
            if response.status_code in (502, 503):
                raise TaskFailed(
                    ErrorClass.CHAIN_NOT_READY, f"{what}: no pod answers", fingerprint="besu:no-answer"
                )
            answer = _json(response)
            # Besu answers an unknown or disabled method with status 400 and a JSON-RPC error.
            if not isinstance(answer, list) and ("error" not in answer or answer.get("kind") == "Status"):
                response.raise_for_status()
        except TaskFailed:
            raise
        except Exception as error:
            raise _as_failure(error, what) from error
        return answer

    async def _apply_one(self, manifest: Manifest, *, manager: str, force: bool) -> Manifest:
        from lightkube.types import PatchType

        kind, name = _key(manifest)
        async with self._guarded(f"apply {kind}/{name}"):
            return dict(
                await self._kube.patch(
                    _class(kind),
                    name,
                    manifest,
                    namespace=manifest["metadata"].get("namespace"),
                    patch_type=PatchType.APPLY,
                    field_manager=manager,
                    force=force,
                )
            )

    async def _changes(
        self, kind: str, name: str, namespace: str, since: Manifest | None
    ) -> AsyncIterator[Manifest | None]:
        """Yield the states of an object until the server ends the watch."""
        version = None if since is None else _version(since)
        fields: dict[str, Any] = {"metadata.name": name}
        from lightkube.types import on_error_stop

        stream = self._kube.watch(
            _class(kind),
            namespace=namespace,
            fields=fields,
            resource_version=version,
            server_timeout=240,
            on_error=on_error_stop,
        )
        try:
            async for event, item in stream:
                yield None if event == "DELETED" else dict(item)
        except Exception as error:
            if _code(error) != 410:  # 410: the version is too old, the caller reads anew
                raise _as_failure(error, f"watch {kind}/{name} in {self.name}") from error
        await asyncio.sleep(0.2)

    @asynccontextmanager
    async def _guarded(self, what: str) -> AsyncIterator[None]:
        async with self._slots:
            try:
                with call("kubernetes", what):
                    yield
            except TaskFailed:
                raise
            except Exception as error:
                raise _as_failure(error, f"{what} in {self.name}") from error


def _as_failure(error: Exception, what: str) -> TaskFailed:
    import httpx2

    if isinstance(error, httpx2.HTTPError | OSError):
        return failure(error, what)
    raise error


def _code(error: Exception) -> int:
    response = getattr(error, "response", None)
    status = getattr(error, "status", None)
    return int(getattr(response, "status_code", 0) or getattr(status, "code", 0) or 0)


def _json(response: httpx2.Response) -> Any:
    try:
        answer = response.json()
    except ValueError:
        answer = {}
    return answer if isinstance(answer, Mapping | list) else {}


def _rpc_body(number: int, method: str, params: Sequence[Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def _rpc_answer(method: str, answer: Mapping[str, Any]) -> Any:
    if "error" in answer:
        problem = answer["error"]
        code, message = int(problem.get("code", 0)), str(problem.get("message", ""))
        return RpcError(method, code, message, problem.get("data"))
    return answer.get("result")


def _rpc_result(method: str, answer: Mapping[str, Any]) -> Any:
    result = _rpc_answer(method, answer)
    if isinstance(result, RpcError):
        raise result
    return result


def _class(kind: str) -> Any:
    return resource(API_VERSIONS[kind], kind)


def _key(manifest: Mapping[str, Any]) -> Key:
    return str(manifest["kind"]), str(manifest["metadata"]["name"])


def _version(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"].get("resourceVersion", ""))


__all__ = ["HASH_ANNOTATION", "Applied", "Cluster", "RpcError"]
