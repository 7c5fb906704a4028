"""What a region needs, what fits, and where else it could go."""

from __future__ import annotations

import boto3
import pytest

from chainfleet.drivers.inventory.needs import (
    Verdict,
    azure_counts,
    distance_km,
    judge,
    pools_of,
    substitutes,
)
from chainfleet.model.fleet import Fleet
from chainfleet.model.region import azure_regions, known_regions, region_set


@pytest.mark.parametrize(
    ("needed", "used", "limit", "spare", "verdict"),
    [
        (12, 0, 20, 8, Verdict.OK),
        (12, 0, 19, 8, Verdict.TIGHT),
        (12, 8, 20, 0, Verdict.OK),
        (12, 9, 20, 0, Verdict.SHORT),
        (0, 25, 20, 0, Verdict.SHORT),
    ],
)
def test_what_fits(needed: int, used: int, limit: int, spare: int, verdict: Verdict) -> None:
    assert judge(needed, used, limit, spare=spare) is verdict


def test_a_region_counts_what_the_module_makes(chain_138: Fleet) -> None:
    counts = azure_counts(chain_138, chain_138.region("uksouth"))
    assert counts["StandardSkuPublicIpAddresses"] == 3
    assert counts["managedClusters"] == 1
    assert counts["virtualMachineScaleSets"] == len(pools_of(chain_138, "azure")) == 2
    assert counts["PremiumDiskCount"] == 2 + 3


def test_the_substitute_is_on_the_same_continent_and_near(chain_138: Fleet) -> None:
    taken = [region.name for region in chain_138.regions]
    for_paris = substitutes("azure", "francecentral", taken)
    assert set(for_paris) == set(region_set("azure-non-us-31")) - set(taken)
    assert for_paris[0] == "belgiumcentral"
    facts = azure_regions()
    assert (
        facts[substitutes("azure", "southeastasia", taken)[0]].continent == facts["southeastasia"].continent
    )


def test_distances_are_those_of_the_globe() -> None:
    facts = azure_regions()
    # Dublin to Amsterdam is about 750 km, Dublin to Sydney about 17,200 km.
    assert distance_km(facts["northeurope"], facts["westeurope"]) == pytest.approx(750, abs=60)
    assert distance_km(facts["northeurope"], facts["australiaeast"]) == pytest.approx(17_200, abs=200)
    assert distance_km(facts["uksouth"], facts["uksouth"]) == 0


def test_the_regions_of_aws_are_those_that_its_sdk_knows_outside_the_us() -> None:
    there = boto3.session.Session().get_available_regions("eks")
    assert set(known_regions("aws")) == {name for name in there if not name.startswith("us-")}
    assert not set(known_regions("aws")) & set(known_regions("gcp"))


@pytest.mark.parametrize(
    ("cloud", "region", "taken", "first"),
    [
        ("aws", "eu-west-3", [], "eu-west-2"),
        ("aws", "ap-northeast-1", ["ap-northeast-3"], "ap-northeast-2"),
        ("gcp", "southamerica-east1", [], "southamerica-west1"),
        ("gcp", "europe-west8", ["europe-west12"], "europe-west6"),
    ],
)
def test_other_clouds_have_substitutes_as_well(cloud: str, region: str, taken: list[str], first: str) -> None:
    found = substitutes(cloud, region, [region, *taken])
    assert found[0] == first
    assert region not in found
    # A region that opened after this list was made has no place in it.
    assert substitutes(cloud, "atlantis-1", []) == []
