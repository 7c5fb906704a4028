"""lightkube, the client that drivers use, works on the emulated cluster."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from lightkube import AsyncClient, KubeConfig
from lightkube.core.exceptions import ApiError
from lightkube.models.apps_v1 import StatefulSetSpec
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import StatefulSet
from lightkube.resources.core_v1 import ConfigMap, Pod


def stateful_set(name: str, space: str, replicas: int = 1) -> StatefulSet:
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels={"app": name}),
        spec=PodSpec(containers=[Container(name="main", image="example/app:1")]),
    )
    spec = StatefulSetSpec(
        selector=LabelSelector(matchLabels={"app": name}),
        template=template,
        replicas=replicas,
        serviceName=name,
    )
    return StatefulSet(metadata=ObjectMeta(name=name, namespace=space), spec=spec)


def test_apply_wait_watch_and_delete(served: Any) -> None:
    space = served.namespace()

    async def scenario() -> None:
        client = AsyncClient(
            config=KubeConfig.from_file(str(served.kubeconfig)), namespace=space, field_manager="t"
        )
        try:
            await client.apply(stateful_set("web", space))
            async for event, live in client.watch(StatefulSet, namespace=space):
                if event != "DELETED" and live.status and live.status.readyReplicas == 1:
                    break
            version = live.metadata.resourceVersion
            again = await client.apply(stateful_set("web", space))
            assert again.metadata.resourceVersion == version
            pods = [pod async for pod in client.list(Pod, namespace=space, labels={"app": "web"})]
            assert [p.metadata.name for p in pods] == ["web-0"]
            await client.patch(StatefulSet, "web", {"spec": {"replicas": 0}}, namespace=space)
            await client.delete(StatefulSet, "web", namespace=space)
            with pytest.raises(ApiError, match="not found"):
                await client.get(StatefulSet, "web", namespace=space)
        finally:
            await client.close()

    asyncio.run(scenario())


def test_a_conflict_carries_its_causes(served: Any) -> None:
    space = served.namespace()

    async def scenario() -> None:
        client = AsyncClient(config=KubeConfig.from_file(str(served.kubeconfig)), namespace=space)
        try:
            meta = ObjectMeta(name="c", namespace=space)
            await client.apply(ConfigMap(metadata=meta, data={"a": "1"}), field_manager="one")
            with pytest.raises(ApiError) as refused:
                await client.apply(ConfigMap(metadata=meta, data={"a": "2"}), field_manager="two")
            assert refused.value.status.code == 409
            assert refused.value.status.details.causes[0].field == ".data.a"
        finally:
            await client.close()

    asyncio.run(scenario())
