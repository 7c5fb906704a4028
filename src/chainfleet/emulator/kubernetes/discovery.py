"""What an API server tells about itself: version, groups, resources; plain and aggregated."""

from __future__ import annotations

from typing import Any

from .kinds import Kind, Kinds

Json = dict[str, Any]

AGGREGATED = "apidiscovery.k8s.io"


def version(kubernetes_version: str) -> Json:
    """`/version`."""
    major, minor, *rest = [*kubernetes_version.split("."), "", ""]
    patch = rest[0] or "2"
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "gitVersion": f"v{major}.{minor}.{patch}",
        "gitCommit": "0" * 40,
        "gitTreeState": "clean",
        "buildDate": "2025-09-01T00:00:00Z",
        "goVersion": "go1.24",
        "compiler": "gc",
        "platform": "linux/amd64",
    }


def core_versions() -> Json:
    """`/api`."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def _group(name: str, versions: list[str]) -> Json:
    listed = [{"groupVersion": f"{name}/{v}", "version": v} for v in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def group_list(kinds: Kinds) -> Json:
    """`/apis`."""
    groups = [_group(name, versions) for name, versions in kinds.groups().items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(kinds: Kinds, name: str) -> Json | None:
    """`/apis/{group}`; None if it isn't served."""
    versions = kinds.groups().get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions else None


def resource_list(kinds: Kinds, group_name: str, version_name: str) -> Json | None:
    """`/api/v1` and `/apis/{group}/{version}`; None if it isn't served."""
    served = [k for k in kinds if (k.group, k.version) == (group_name, version_name)]
    if not served:
        return None
    resources = [entry for kind in served for entry in _resources(kind)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": served[0].api_version,
        "resources": resources,
    }


def _resources(kind: Kind) -> list[Json]:
    main: Json = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short:
        main["shortNames"] = list(kind.short)
    if kind.categories:
        main["categories"] = list(kind.categories)
    subs = [
        {
            "name": f"{kind.plural}/{name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": _sub_kind(kind, name),
            "verbs": _sub_verbs(name),
            **({"group": "autoscaling", "version": "v1"} if name == "scale" else {}),
        }
        for name in kind.subresources
    ]
    return [main, *subs]


def _sub_kind(kind: Kind, name: str) -> str:
    return {"scale": "Scale", "eviction": "Eviction", "token": "TokenRequest"}.get(name, kind.kind)


def _sub_verbs(name: str) -> list[str]:
    return {
        "log": ["get"],
        "eviction": ["create"],
        "token": ["create"],
        "proxy": ["create", "get", "update"],
    }.get(name, ["get", "patch", "update"])


def aggregated(kinds: Kinds, *, core: bool, version_of_format: str) -> Json:
    """`/api` and `/apis` in one answer, as newer clients ask for it."""
    names = [""] if core else list(kinds.groups())
    items = []
    for name in names:
        versions = []
        for version_name in ["v1"] if core else kinds.groups()[name]:
            served = [k for k in kinds if (k.group, k.version) == (name, version_name)]
            versions.append(
                {
                    "version": version_name,
                    "resources": [_aggregated_resource(k) for k in served],
                    "freshness": "Current",
                }
            )
        items.append({"metadata": {"name": name} if name else {}, "versions": versions})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"{AGGREGATED}/{version_of_format}",
        "metadata": {},
        "items": items,
    }


def _gvk(kind: Kind, name: str = "") -> Json:
    if name == "scale":
        return {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    return {
        "group": kind.group,
        "version": kind.version,
        "kind": _sub_kind(kind, name) if name else kind.kind,
    }


def _aggregated_resource(kind: Kind) -> Json:
    entry: Json = {
        "resource": kind.plural,
        "responseKind": _gvk(kind),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short:
        entry["shortNames"] = list(kind.short)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if kind.subresources:
        entry["subresources"] = [
            {"subresource": name, "responseKind": _gvk(kind, name), "verbs": _sub_verbs(name)}
            for name in kind.subresources
        ]
    return entry
