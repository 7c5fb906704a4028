"""Cloud Asset Inventory's rows for what the provider's stand-in has, written from the resources and not from our code."""

from __future__ import annotations

from typing import Any

_NUMBER = "123456789"


def assets(cloud: dict[str, dict[str, dict[str, Any]]], project: str) -> list[dict[str, Any]]:
    """One row for each resource, and one for each policy."""
    rows = [_row(kind, values, project) for kind, found in cloud.items() for values in found.values()]
    found = [row for row in rows if row is not None]
    name = f"//cloudresourcemanager.googleapis.com/projects/{_NUMBER}"
    found.append(_resource(name, "cloudresourcemanager.googleapis.com/Project", {"projectId": project}))
    for router in (row for row in found if row["assetType"] == "compute.googleapis.com/Router"):
        nats = cloud.get("google_compute_router_nat", {}).values()
        router["resource"]["data"]["nats"] = [
            {"name": nat["name"]} for nat in nats if nat["router"] == router["resource"]["data"]["name"]
        ]
    return found + _policies(cloud, project)


def _row(kind: str, v: dict[str, Any], project: str) -> dict[str, Any] | None:
    compute = f"//compute.googleapis.com/projects/{project}"
    labels = v.get("effective_labels") or v.get("terraform_labels") or {}
    data = {"name": v.get("name"), "labels": labels}
    if kind == "google_compute_network":
        return _resource(f"{compute}/global/networks/{v['name']}", "compute.googleapis.com/Network", data)
    if kind == "google_compute_subnetwork":
        place = f"{compute}/regions/{v['region']}/subnetworks/{v['name']}"
        return _resource(place, "compute.googleapis.com/Subnetwork", data)
    if kind == "google_compute_address":
        place = f"{compute}/regions/{v['region']}/addresses/{v['name']}"
        return _resource(place, "compute.googleapis.com/Address", data)
    if kind == "google_compute_router":
        place = f"{compute}/regions/{v['region']}/routers/{v['name']}"
        return _resource(place, "compute.googleapis.com/Router", data)
    if kind == "google_container_cluster":
        place = f"//container.googleapis.com/projects/{project}/locations/{v['location']}/clusters/{v['name']}"
        return _resource(place, "container.googleapis.com/Cluster", {"name": v["name"], "resourceLabels": labels})
    if kind == "google_container_node_pool":
        return _resource(
            f"//container.googleapis.com/{v['cluster']}/nodePools/{v['name']}", "container.googleapis.com/NodePool", data
        )
    if kind == "google_kms_key_ring":
        place = f"//cloudkms.googleapis.com/projects/{project}/locations/{v['location']}/keyRings/{v['name']}"
        return _resource(place, "cloudkms.googleapis.com/KeyRing", {"name": place})
    if kind == "google_kms_crypto_key":
        place = f"//cloudkms.googleapis.com/{v['key_ring']}/cryptoKeys/{v['name']}"
        return _resource(place, "cloudkms.googleapis.com/CryptoKey", data)
    if kind == "google_service_account":
        email = f"{v['account_id']}@{project}.iam.gserviceaccount.com"
        place = f"//iam.googleapis.com/projects/{project}/serviceAccounts/{len(email)}"
        return _resource(place, "iam.googleapis.com/ServiceAccount", {"email": email})
    return None


def _resource(name: str, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "assetType": kind, "resource": {"version": "v1", "data": data}}


def _policies(cloud: dict[str, dict[str, dict[str, Any]]], project: str) -> list[dict[str, Any]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for kind, named in (
        ("google_project_iam_member", "project"),
        ("google_kms_crypto_key_iam_member", "crypto_key_id"),
        ("google_service_account_iam_member", "service_account_id"),
    ):
        for values in cloud.get(kind, {}).values():
            place = _place(kind, values[named], project)
            binding: dict[str, Any] = {"role": values["role"], "members": [values["member"]]}
            for condition in values.get("condition") or ():
                binding["condition"] = {"title": condition["title"], "expression": condition["expression"]}
            found.setdefault(place, []).append(binding)
    return [{"name": name, "assetType": "x", "iamPolicy": {"bindings": rows}} for name, rows in found.items()]


def _place(kind: str, named: str, project: str) -> str:
    if kind == "google_project_iam_member":
        return f"//cloudresourcemanager.googleapis.com/projects/{_NUMBER}"
    if kind == "google_kms_crypto_key_iam_member":
        return f"//cloudkms.googleapis.com/{named}"
    return f"//iam.googleapis.com/projects/{project}/serviceAccounts/{len(named.rpartition('/')[2])}"
