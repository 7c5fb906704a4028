"""Cloud Asset Inventory's rows for what the provider's stand-in has, written from the resources and not from our code."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

_NUMBER = "123456789"
_KINDS = {
    "cloudkms.googleapis.com": "cloudkms.googleapis.com/CryptoKey",
    "cloudresourcemanager.googleapis.com": "cloudresourcemanager.googleapis.com/Project",
    "iam.googleapis.com": "iam.googleapis.com/ServiceAccount",
}


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
        place = (
            f"//container.googleapis.com/projects/{project}/locations/{v['location']}/clusters/{v['name']}"
        )
        return _resource(
            place, "container.googleapis.com/Cluster", {"name": v["name"], "resourceLabels": labels}
        )
    if kind == "google_container_node_pool":
        return _resource(
            f"//container.googleapis.com/{v['cluster']}/nodePools/{v['name']}",
            "container.googleapis.com/NodePool",
            data,
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
    return [
        {"name": name, "assetType": _KINDS[name.split("/")[2]], "iamPolicy": {"bindings": rows}}
        for name, rows in found.items()
    ]


def _place(kind: str, named: str, project: str) -> str:
    if kind == "google_project_iam_member":
        return f"//cloudresourcemanager.googleapis.com/projects/{_NUMBER}"
    if kind == "google_kms_crypto_key_iam_member":
        return f"//cloudkms.googleapis.com/{named}"
    return f"//iam.googleapis.com/projects/{project}/serviceAccounts/{len(named.rpartition('/')[2])}"


def given(fleet: str, region: str, project: str) -> dict[str, dict[str, Any]]:
    """Ids as Google's provider makes them of names, by type and name."""
    name = f"{fleet}-{region}"
    short = f"{fleet}-{sha256(name.encode()).hexdigest()[:6]}"[:24]
    regional = f"projects/{project}/regions/{region}"
    cluster = f"projects/{project}/locations/{region}/clusters/{name}"
    ring = f"projects/{project}/locations/{region}/keyRings/{name}"
    found = {
        f"google_compute_network.{name}": f"projects/{project}/global/networks/{name}",
        f"google_compute_subnetwork.{name}-nodes": f"{regional}/subnetworks/{name}-nodes",
        f"google_compute_address.{name}-egress": f"{regional}/addresses/{name}-egress",
        f"google_compute_address.{name}-validator-0": f"{regional}/addresses/{name}-validator-0",
        f"google_compute_router.{name}": f"{regional}/routers/{name}",
        "google_compute_router_nat.egress": f"{regional}/routers/{name}/egress",
        f"google_kms_key_ring.{name}": ring,
        "google_kms_crypto_key.secrets": f"{ring}/cryptoKeys/secrets",
        f"google_container_cluster.{name}": cluster,
        "google_container_node_pool.system": f"{cluster}/nodePools/system",
        "google_container_node_pool.validators": f"{cluster}/nodePools/validators",
    }
    ids = {mark: {"id": place} for mark, place in found.items()}
    for use in ("nodes", "val"):
        email = f"{short}-{use}@{project}.iam.gserviceaccount.com"
        place = f"projects/{project}/serviceAccounts/{email}"
        ids[f"google_service_account.{short}-{use}"] = {"id": place, "name": place, "email": email}
    return ids
