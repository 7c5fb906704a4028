"""A fleet file: what is filled in, what is refused, and where the error points."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chainfleet.model.errors import FleetError
from chainfleet.model.fleet_file import LoadedFleet, json_schema, load_fleet

BASE = """\
name: small
network:
  chain_id: 1138
  validators_per_region: 2
regions:
  - northeurope
  - uksouth
  - francecentral
"""


def load(text: str, environ: dict[str, str] | None = None, **files: str) -> LoadedFleet:
    texts = {"fleet.yaml": text, **{name.replace("__", "."): value for name, value in files.items()}}

    def read(name: str) -> str:
        if name not in texts:
            raise FileNotFoundError(2, "No such file or directory")
        return texts[name]

    return load_fleet("fleet.yaml", read, environ or {})


def test_everything_but_names_has_a_default() -> None:
    fleet = load(BASE).fleet
    assert fleet.validator_count == 6
    assert fleet.network.block_period_seconds == 5
    assert fleet.deployment.ceilings.infrastructure == 128


def test_the_example_is_24_regions_with_48_validators(chain_138_loaded: LoadedFleet) -> None:
    fleet = chain_138_loaded.fleet
    assert (len(fleet.regions), fleet.validator_count, fleet.network.chain_id) == (24, 48, 138)
    assert len({region.cidr for region in fleet.regions}) == 24


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        (("chain_id: 1138", "chain_ID: 1138"), "3:3", "unknown key `network.chain_ID`"),
        (("chain_id: 1138", "chain_id: many"), "3:3", "whole number is wanted"),
        (("validators_per_region: 2", "validators_per_region: 0"), "4:3", "greater than or equal to 1"),
        (("validators_per_region: 2", "validators_per_region: 1"), "4:3", "3 validators"),
        (("- uksouth", "- northeurope"), "7:5", "given twice"),
        (("- uksouth", "- eastus2"), "7:5", "US region"),
        (("- uksouth", "- uksout"), "7:5", "unknown Azure region"),
        (("- uksouth", "- {name: uksouth, cloud: kubeconfig}"), "7:5", "names no context"),
        (("name: small", "name: small\nname: big"), "2:1", "given twice"),
        (("name: small", "name: [small"), "2:8", "not readable as YAML"),
        (("name: small\n", ""), "1:1", "`name` is missing"),
        (("name: small", "name: S"), "1:1", "2 to 40 lower-case letters"),
        # YAML reads `yes` as true, and Python takes that for 1: Mainnet's own id.
        (("chain_id: 1138", "chain_id: yes"), "3:3", "got True: a number is wanted"),
        (("chain_id: 1138", "chain_id: 9223372036854775772"), "3:3", "9223372036854775771"),
        (("- uksouth", "- 7"), "7:5", "a region is wanted: its name"),
        (("chain_id: 1138", "chain_id: 1138\n  besu_version: 26.8"), "4:3", "put it into quotes"),
        (("  chain_id: 1138", "\tchain_id: 1138"), "3:1", "a tab before the first word"),
    ],
)
def test_an_error_names_place_and_value(change: tuple[str, str], place: str, words: str) -> None:
    with pytest.raises(FleetError) as caught:
        load(BASE.replace(*change))
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"fleet.yaml:{place}: ")


def test_every_mistake_is_told_at_once_each_with_its_place() -> None:
    text = BASE.replace("chain_id: 1138", "chain_id: -1").replace("_region: 2", "_region: 99")
    with pytest.raises(FleetError) as caught:
        load(text + "deployment: {mode: turbo}\n")
    assert str(caught.value).count("fleet.yaml:") == 3
    assert all(key in str(caught.value) for key in ("chain_id", "validators_per_region", "deployment.mode"))


@pytest.mark.parametrize("days", [-1, 7, 731])
def test_logs_are_kept_as_long_as_every_cloud_can(days: int) -> None:
    with pytest.raises(FleetError, match="log_retention_days"):
        load(BASE + f"clouds: {{azure: {{log_retention_days: {days}}}}}\n")


@pytest.mark.parametrize(
    ("key", "value"),
    [("authorized_ip_ranges", "[everybody]"), ("administrator_groups", "[admins]")],
)
def test_who_may_reach_and_administer_clusters_is_checked(key: str, value: str) -> None:
    with pytest.raises(FleetError, match=key):
        load(BASE + f"clouds: {{azure: {{{key}: {value}}}}}\n")


def test_an_unknown_key_comes_with_the_nearest_known_one() -> None:
    with pytest.raises(FleetError, match="did you mean `validators_per_region`"):
        load(BASE.replace("validators_per_region", "validator_per_region"))


def test_overlapping_address_ranges_are_refused() -> None:
    text = BASE.replace("- northeurope", "- {name: northeurope, cidr: 10.9.0.0/16}")
    with pytest.raises(FleetError, match=r"10\.9\.8\.0/24 .* overlaps 10\.9\.0\.0/16"):
        load(text.replace("- uksouth", "- {name: uksouth, cidr: 10.9.8.0/24}"))


def test_given_ranges_are_left_out_when_the_others_get_theirs() -> None:
    fleet = load(BASE.replace("- uksouth", "- {name: uksouth, cidr: 10.0.0.0/15}")).fleet
    ranges = [region.cidr for region in fleet.regions]
    assert not any(a.overlaps(b) for i, a in enumerate(ranges) for b in ranges[:i] if a and b)


def test_where_no_range_is_left_the_region_that_needs_one_is_named() -> None:
    with pytest.raises(FleetError, match=r"no free /16 left for `uksouth`"):
        load(BASE.replace("- northeurope", "- {name: northeurope, cidr: 10.0.0.0/8}"))


@pytest.mark.parametrize("key", ["cpu: .inf", "memory_gib: .nan", f"gas_limit: {2**63}", "gas_limit: 0"])
def test_numbers_that_no_node_can_be_given_are_refused(key: str) -> None:
    with pytest.raises(FleetError, match=key.split(":")[0]):
        load(BASE.replace("network:\n", f"network:\n  {key}\n"))


def test_a_balance_fits_a_word_of_the_evm() -> None:
    account = "{address: '0xfe3b557e8fb62b89f4916b721be55ceb828dbd73', balance_wei: %d}"
    fleet = load(BASE.replace("network:\n", f"network:\n  allocations: [{account % (2**256 - 1)}]\n")).fleet
    assert fleet.network.allocations[0].balance_wei == 2**256 - 1
    with pytest.raises(FleetError, match="balance_wei"):
        load(BASE.replace("network:\n", f"network:\n  allocations: [{account % 2**256}]\n"))


def test_environment_references_are_followed() -> None:
    text = (
        BASE
        + "clouds: {azure: {subscription_id: '${SUB}', tenant_id: '${TEN:-t-1}', kubernetes_version: 'a$$b'}}\n"
    )
    azure = load(text, {"SUB": "s-9"}).fleet.clouds.azure
    assert (azure.subscription_id, azure.tenant_id, azure.kubernetes_version) == ("s-9", "t-1", "a$b")


def test_a_missing_variable_is_kept_and_told_where() -> None:
    loaded = load(BASE + "clouds: {azure: {subscription_id: '${SUB}', tenant_id: x}}\n")
    assert str(loaded.unresolved["SUB"]) == "fleet.yaml:9:18"
    with pytest.raises(FleetError, match="environment variables not set: SUB"):
        loaded.require_environment()


def test_a_secret_reference_never_becomes_its_value() -> None:
    chains = "contracts: {chains: [{name: own, chain_id: 1138, deployer: '${KEY}'}]}\n"
    loaded = load(BASE + chains, {"KEY": "0xsecret"})
    assert "0xsecret" not in loaded.fleet.model_dump_json()
    assert loaded.fleet.contracts.chains[0].deployer == "${KEY}"


def test_included_files_lie_under_the_including_one() -> None:
    common = "network: {chain_id: 7, block_period_seconds: 9}\n"
    loaded = load("include: [common.yaml]\n" + BASE, common__yaml=common)
    assert (loaded.fleet.network.chain_id, loaded.fleet.network.block_period_seconds) == (1138, 9)


def test_an_error_in_an_included_file_names_that_file() -> None:
    with pytest.raises(FleetError, match=r"^common\.yaml:1:11: unknown key `network\.blok`"):
        load("include: [common.yaml]\n" + BASE, common__yaml="network: {blok: 9}\n")


def test_files_that_include_each_other_are_refused() -> None:
    with pytest.raises(FleetError, match=r"includes itself: fleet\.yaml → a\.yaml → fleet\.yaml"):
        load("include: [a.yaml]\n" + BASE, a__yaml="include: [fleet.yaml]\n")


def test_a_missing_file_is_one_clear_error() -> None:
    with pytest.raises(FleetError, match=r"can't read gone\.yaml: no such file"):
        load("include: [gone.yaml]\n" + BASE)


def test_policy_does_not_change_the_revision_but_the_network_does() -> None:
    base = load(BASE).revision
    assert load(BASE + "deployment: {mode: max}\n").revision == base
    assert load(BASE.replace("1138", "1139")).revision != base


def test_the_schema_accepts_the_example() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"name", "network"}
    assert json.dumps(schema)


def test_unreadable_bytes_are_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FleetError, match="not a text file"):
        load_fleet(str(path), lambda name: Path(name).read_text(encoding="utf-8"), {})
