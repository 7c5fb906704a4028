"""The regions there are: those of the published data, and a few of the United States."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any

# Enough of them that a fleet which names one by mistake meets a region that exists.
_UNITED_STATES = {
    "centralus": ("Central US", 41.5908, -93.6208, 3),
    "eastus": ("East US", 37.3719, -79.8164, 3),
    "eastus2": ("East US 2", 36.6681, -78.3889, 3),
    "northcentralus": ("North Central US", 41.8819, -87.6278, 0),
    "southcentralus": ("South Central US", 29.4167, -98.5, 3),
    "westus": ("West US", 37.783, -122.417, 0),
    "westus2": ("West US 2", 47.233, -119.852, 3),
    "westus3": ("West US 3", 33.448376, -112.074036, 3),
}


@dataclass(frozen=True, slots=True)
class Location:
    """One region."""

    name: str
    display_name: str
    geography_group: str
    physical_location: str
    latitude: float
    longitude: float
    zones: int
    paired: str
    restricted: bool

    def body(self, subscription: str) -> dict[str, Any]:
        """As `/subscriptions/{id}/locations` lists it."""
        body: dict[str, Any] = {
            "id": f"/subscriptions/{subscription}/locations/{self.name}",
            "name": self.name,
            "type": "Region",
            "displayName": self.display_name,
            "regionalDisplayName": f"({self.geography_group}) {self.display_name}",
            "metadata": {
                "regionType": "Physical",
                "regionCategory": "Recommended" if self.zones else "Other",
                "geographyGroup": self.geography_group,
                "latitude": str(self.latitude),
                "longitude": str(self.longitude),
                "physicalLocation": self.physical_location,
                "pairedRegion": [],
            },
        }
        if self.paired:
            pair = f"/subscriptions/{subscription}/locations/{self.paired}"
            body["metadata"]["pairedRegion"] = [{"name": self.paired, "id": pair}]
        if self.zones:
            body["availabilityZoneMappings"] = [
                {"logicalZone": str(z), "physicalZone": f"{self.name}-az{z}"}
                for z in range(1, self.zones + 1)
            ]
        return body


class Locations:
    """All regions, found by any spelling that ARM takes."""

    def __init__(self, locations: Iterable[Location]) -> None:
        self._all = {location.name: location for location in locations}

    def __iter__(self) -> Any:
        return iter(self._all.values())

    @property
    def names(self) -> str:
        """All names, joined by commas."""
        return ",".join(self._all)

    def normalise(self, text: object) -> str | None:
        """The name of a region given as name or display name, or None if there is no such region."""
        if not isinstance(text, str):
            return None
        name = text.replace(" ", "").lower()
        return name if name in self._all else None

    def get(self, name: str) -> Location | None:
        """A region by its name."""
        return self._all.get(name)


def load_locations() -> Locations:
    """Read the regions that the package knows."""
    text = resources.files("chainfleet.model").joinpath("data/azure_regions.json").read_text("utf-8")
    found = [
        Location(
            name=row["name"],
            display_name=row["display_name"],
            geography_group=row["geography_group"] or "",
            physical_location=row["physical_location"] or "",
            latitude=row["latitude"] or 0.0,
            longitude=row["longitude"] or 0.0,
            zones=row["zone_count"] or 0,
            paired=row["paired_region"] or "",
            restricted=bool(row["restricted_access"]),
        )
        for row in json.loads(text)["regions"]
    ]
    for name, (label, latitude, longitude, zones) in _UNITED_STATES.items():
        found.append(Location(name, label, "US", label, latitude, longitude, zones, "", restricted=False))
    return Locations(found)
