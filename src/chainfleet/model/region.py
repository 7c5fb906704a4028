"""What is known of the clouds' regions, from the data file beside this module."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

REGION_SETS = ("azure-non-us-24", "azure-non-us-31")

_US_AZURE = frozenset(
    [
        "centralus",
        "eastus",
        "eastus2",
        "eastus3",
        "northcentralus",
        "southcentralus",
        "westcentralus",
        "westus",
        "westus2",
        "westus3",
        "usgovvirginia",
        "usgovtexas",
        "usgovarizona",
        "usdodcentral",
        "usdodeast",
        "usgoviowa",
    ]
)


@dataclass(frozen=True, slots=True)
class RegionFacts:
    """One region of a cloud, outside the United States.

    Attributes:
        name: the cloud's name, e.g. `northeurope`.
        display_name: for people.
        continent: for spreading and for choosing a substitute.
        zones: number of availability zones, 0 where it has none or that isn't known.
        restricted: whether the cloud gives access to it only when asked (Azure's reserved, AWS's opt-in regions).
        latitude: degrees north.
        longitude: degrees east.
        cloud: whose it is.
    """

    name: str
    display_name: str
    continent: str
    zones: int
    restricted: bool
    latitude: float
    longitude: float
    cloud: str = "azure"


@cache
def _document(name: str = "azure_regions.json") -> dict[str, object]:
    text = (files("chainfleet.model") / "data" / name).read_text(encoding="utf-8")
    document: dict[str, object] = json.loads(text)
    return document


@cache
def azure_regions() -> dict[str, RegionFacts]:
    """All known Azure regions outside the United States, by name."""
    rows = _document()["regions"]
    assert isinstance(rows, list)
    return {
        row["name"]: RegionFacts(
            name=row["name"],
            display_name=row["display_name"],
            continent=row["continent"],
            zones=row["zone_count"] or 0,
            restricted=bool(row["restricted_access"]),
            latitude=row["latitude"] or 0.0,
            longitude=row["longitude"] or 0.0,
        )
        for row in rows
    }


@cache
def known_regions(cloud: str) -> dict[str, RegionFacts]:
    """All known regions of a cloud outside the United States, by name; empty for existing clusters."""
    if cloud == "azure":
        return azure_regions()
    rows = _document("other_regions.json")["regions"]
    assert isinstance(rows, list)
    return {
        row["name"]: RegionFacts(
            name=row["name"],
            display_name=row["display_name"],
            continent=row["continent"],
            zones=0,
            restricted=row.get("opt_in", False),
            latitude=row["latitude"],
            longitude=row["longitude"],
            cloud=row["cloud"],
        )
        for row in rows
        if row["cloud"] == cloud
    }


def region_set(name: str) -> tuple[str, ...]:
    """Return the names of a named set of regions; KeyError if there is no such set."""
    recommended, reserve = _document()["recommended_24"], _document()["reserve_7"]
    assert isinstance(recommended, list)
    assert isinstance(reserve, list)
    sets = {REGION_SETS[0]: tuple(recommended), REGION_SETS[1]: (*recommended, *reserve)}
    return sets[name]


def is_us(cloud: str, name: str) -> bool:
    """Whether that region lies in the United States, by the naming rules of its cloud."""
    if cloud == "azure":
        return name in _US_AZURE
    return cloud in ("aws", "gcp") and name.startswith("us-")
