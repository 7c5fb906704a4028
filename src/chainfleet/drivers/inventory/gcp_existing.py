"""What one region of a project has of a fleet, and by which id Terraform's Google provider imports it.

Everything comes from Cloud Asset Inventory, in two lists for the whole project: resources, and the policies that say
who may do what with them. It follows the project with a delay of minutes. Ids are those of the provider's documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from chainfleet.drivers.gcp import GoogleReader
from chainfleet.drivers.terraform.plan_finding import MARK, NOTHING, Lookup

Planned = Mapping[str, Any]

_RESOURCES = (
    "cloudkms.googleapis.com/CryptoKey",
    "cloudkms.googleapis.com/KeyRing",
    "cloudresourcemanager.googleapis.com/Project",
    "compute.googleapis.com/Address",
    "compute.googleapis.com/Network",
    "compute.googleapis.com/Router",
    "compute.googleapis.com/Subnetwork",
    "container.googleapis.com/Cluster",
    "container.googleapis.com/NodePool",
    "iam.googleapis.com/ServiceAccount",
)


class Assets:
    """The assets of a project, read once for all regions.

    Raises:
        TaskFailed: they can't be listed.
    """

    def __init__(self, reader: GoogleReader) -> None:
        self.project = reader.project
        self.resources: dict[str, Mapping[str, Any]] = {}
        self.bindings: dict[str, list[Mapping[str, Any]]] = {}
        for row in _listed(reader, "RESOURCE"):
            self.resources[_path(row["name"])] = (row.get("resource") or {}).get("data") or {}
        for row in _listed(reader, "IAM_POLICY"):
            self.bindings[_path(row["name"])] = (row.get("iamPolicy") or {}).get("bindings") or []
        # A service account is an asset under its number; the provider and its members go by its address.
        for path, data in list(self.resources.items()):
            if data.get("email") and "/serviceAccounts/" in path:
                named = f"projects/{self.project}/serviceAccounts/{data['email']}"
                self.resources[named] = data
                self.bindings.setdefault(named, self.bindings.get(path, []))


def _listed(reader: GoogleReader, content: str) -> Iterable[Mapping[str, Any]]:
    kinds = [("assetTypes", kind) for kind in _RESOURCES]
    for page in reader.pages(
        "cloudasset", f"projects/{reader.project}/assets", kinds, contentType=content, pageSize="1000"
    ):
        yield from page.get("assets") or ()


def _path(name: str) -> str:
    """An asset's name without the service in front: `projects/p/regions/r/addresses/a`."""
    return name.removeprefix("//").partition("/")[2]


class GoogleExisting:
    """Looks for a fleet's resources in one region."""

    def __init__(self, assets: Assets, fleet: str, region: str) -> None:
        self._assets, self._fleet, self._region = assets, fleet, region

    def look(self, kind: str, planned: Planned) -> Lookup:
        """Look for a resource of a Terraform type by what is planned for it."""
        method = _LOOKS.get(kind)
        if method is None:
            return Lookup(problem=f"how {kind} is imported isn't known here: import it by hand, if it exists")
        try:
            return Lookup(method(self, planned))
        except KeyError:
            # What it is named by is known only when something else exists.
            return NOTHING

    def strangers(self, known: Collection[str]) -> list[str]:
        """What carries the fleet's label in this region and is none of the known import ids."""
        return sorted(
            path
            for path, data in self._assets.resources.items()
            if path not in known
            and (labels := data.get("labels") or data.get("resourceLabels") or {}).get(MARK) == self._fleet
            and labels.get("chainfleet-region") == self._region
        )

    def _at(self, path: str) -> str:
        """A path that is there; else nothing."""
        return path if path in self._assets.resources else ""

    @property
    def _project(self) -> str:
        return f"projects/{self._assets.project}"

    def address(self, planned: Planned) -> str:
        """By region and name."""
        return self._at(f"{self._project}/regions/{planned['region']}/addresses/{planned['name']}")

    def network(self, planned: Planned) -> str:
        """By its name."""
        return self._at(f"{self._project}/global/networks/{planned['name']}")

    def subnetwork(self, planned: Planned) -> str:
        """By region and name."""
        return self._at(f"{self._project}/regions/{planned['region']}/subnetworks/{planned['name']}")

    def router(self, planned: Planned) -> str:
        """By region and name."""
        return self._at(f"{self._project}/regions/{planned['region']}/routers/{planned['name']}")

    def router_nat(self, planned: Planned) -> str:
        """A part of its router."""
        router = f"{self._project}/regions/{planned['region']}/routers/{planned['router']}"
        nats = self._assets.resources.get(router, {}).get("nats") or ()
        return (
            f"{router}/{planned['name']}" if any(nat.get("name") == planned["name"] for nat in nats) else ""
        )

    def cluster(self, planned: Planned) -> str:
        """By location and name."""
        return self._at(f"{self._project}/locations/{planned['location']}/clusters/{planned['name']}")

    def node_pool(self, planned: Planned) -> str:
        """By its cluster and name; imported by words, not by a path."""
        path = self._at(f"{planned['cluster']}/nodePools/{planned['name']}")
        words = path.split("/")
        return "/".join((words[1], words[3], words[5], words[7])) if path else ""

    def key_ring(self, planned: Planned) -> str:
        """By location and name."""
        return self._at(f"{self._project}/locations/{planned['location']}/keyRings/{planned['name']}")

    def crypto_key(self, planned: Planned) -> str:
        """By its ring and name."""
        return self._at(f"{planned['key_ring']}/cryptoKeys/{planned['name']}")

    def service_account(self, planned: Planned) -> str:
        """By its address."""
        email = f"{planned['account_id']}@{self._assets.project}.iam.gserviceaccount.com"
        return self._at(f"{self._project}/serviceAccounts/{email}")

    def key_member(self, planned: Planned) -> str:
        """By key, role and member."""
        return self._member(planned["crypto_key_id"], planned["crypto_key_id"], planned)

    def account_member(self, planned: Planned) -> str:
        """By service account, role and member."""
        return self._member(planned["service_account_id"], planned["service_account_id"], planned)

    def project_member(self, planned: Planned) -> str:
        """By project, role and member, and the title of its condition."""
        return self._member(self._project, planned["project"], planned)

    def _member(self, path: str, named: str, planned: Planned) -> str:
        role, member = planned["role"], planned["member"]
        titles = [row.get("title", "") for row in planned.get("condition") or ()] or [""]
        for binding in self._bindings(path):
            title = (binding.get("condition") or {}).get("title", "")
            if binding.get("role") == role and member in binding.get("members", ()) and title == titles[0]:
                return " ".join(word for word in (named, role, member, title) if word)
        return ""

    def _bindings(self, path: str) -> Iterable[Mapping[str, Any]]:
        if path in self._assets.bindings or path != self._project:
            return self._assets.bindings.get(path, ())
        # A project is an asset under its number.
        numbered = (
            p for p, data in self._assets.resources.items() if data.get("projectId") == self._assets.project
        )
        return self._assets.bindings.get(next(numbered, ""), ())


_LOOKS: Mapping[str, Callable[[GoogleExisting, Planned], str]] = {
    "google_compute_address": GoogleExisting.address,
    "google_compute_network": GoogleExisting.network,
    "google_compute_router": GoogleExisting.router,
    "google_compute_router_nat": GoogleExisting.router_nat,
    "google_compute_subnetwork": GoogleExisting.subnetwork,
    "google_container_cluster": GoogleExisting.cluster,
    "google_container_node_pool": GoogleExisting.node_pool,
    "google_kms_crypto_key": GoogleExisting.crypto_key,
    "google_kms_crypto_key_iam_member": GoogleExisting.key_member,
    "google_kms_key_ring": GoogleExisting.key_ring,
    "google_project_iam_member": GoogleExisting.project_member,
    "google_service_account": GoogleExisting.service_account,
    "google_service_account_iam_member": GoogleExisting.account_member,
}

KINDS = frozenset(_LOOKS)
"""Terraform types that can be looked for."""
