"""From the text of `fleet.yaml` to a resolved `Fleet`, with errors that name file, line and column."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, ValidationError

from .complaints import explain, nearest
from .errors import FleetError, InputError, Place
from .fleet import AwsCloud, AzureCloud, Clouds, Contracts, Deployment, Fleet, GcpCloud, Network, Region
from .fleet_document import Document, Path, merge, read_document, resolve_references
from .fleet_monitoring import Monitoring
from .fleet_parts import NAME_PATTERN, Name, Part
from .region import REGION_SETS, azure_regions, is_us, region_set

_ACCOUNTS: Mapping[str, Mapping[str, str]] = {
    "azure": {"subscription_id": AzureCloud().subscription_id, "tenant_id": AzureCloud().tenant_id},
    "aws": {"account_id": AwsCloud().account_id},
    "gcp": {"project": GcpCloud().project},
}
"""What names the account in each cloud, and the environment variable that it is taken from by default."""

_NAMES = {
    "aws": (r"[a-z]{2}(-[a-z]+)+-\d", "eu-west-1"),
    "gcp": (r"[a-z]+-[a-z]+\d+", "europe-west1"),
}
"""How these clouds write their regions' names, with an example."""

SECRET_REFERENCES = frozenset({"deployer", "token", "alert_webhook"})
"""Keys whose `${ENV}` reference is kept: the value is a secret and is read at the moment of use."""


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


RegionEntry = Annotated[Region, BeforeValidator(_named, json_schema_input_type=Name | Region)]
"""A region by its name alone, or with settings of its own."""


class FleetFile(Part):
    """The shape of `fleet.yaml` as written: what may be left out, is."""

    include: tuple[str, ...] = Field((), examples=[["base.yaml"]])
    """Files laid under this one, first to last; paths are relative to this file."""
    name: Name = Field(examples=["chain-138"])
    """Name of the fleet: start of every resource's name, and of its state folder."""
    network: Network
    """The chain: consensus, timing, the node image."""
    region_set: Literal["azure-non-us-24", "azure-non-us-31"] | None = Field(
        None, examples=["azure-non-us-24"]
    )
    """A list of regions that comes with chainfleet; `regions` are added to it."""
    regions: tuple[RegionEntry, ...] = Field((), examples=[["northeurope", "westeurope"]])
    """Regions one by one: a name, or a mapping with settings of its own."""
    clouds: Clouds = Clouds()
    """Settings of the clouds that regions name."""
    contracts: Contracts = Contracts()
    """What is deployed to which chains."""
    monitoring: Monitoring = Monitoring()
    """What watches the network."""
    deployment: Deployment = Field(default_factory=Deployment)
    """How the fleet is rolled out."""


_NEW_FLEET = """\
# chainfleet schema > fleet.schema.json gives completion in editors.
name: {name}

network:
  chain_id: {chain_id}
  validators_per_region: 2
  block_period_seconds: 5
  request_timeout_seconds: 10

regions:
{regions}

contracts:
  chains:
    - name: {name}
      chain_id: {chain_id}

deployment:
  mode: ultra
"""


FEWEST_REGIONS = 4
"""With two validators each, no region then holds more than the network can lose: (8 - 1) // 3 = 2."""


def new_fleet(name: str, chain_id: int, regions: int) -> str:
    """A fleet file to start from, with that many of the recommended regions.

    Raises:
        InputError: there are not so many, or too few for a fault to be tolerated.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise InputError(
            f"--name {name}: not a name for a fleet",
            way_out="2 to 40 lower-case letters, digits and hyphens, a letter first and no hyphen last",
        )
    names = region_set(REGION_SETS[1])
    if not FEWEST_REGIONS <= regions <= len(names):
        raise InputError(
            f"--regions {regions}: give {FEWEST_REGIONS} to {len(names)}",
            way_out="list further regions in the file by hand",
        )
    listed = "\n".join(f"  - {region}" for region in names[:regions])
    return _NEW_FLEET.format(name=name, chain_id=chain_id, regions=listed)


@dataclass(frozen=True, slots=True)
class LoadedFleet:
    """A fleet with what is needed to talk about its file.

    Attributes:
        fleet: the resolved fleet.
        unresolved: environment variables that are referred to and not set, with their places.
        revision: fingerprint of the resolved fleet (12 hex digits).
    """

    fleet: Fleet
    unresolved: Mapping[str, Place]
    revision: str
    _document: Document

    def place(self, *path: str | int) -> Place:
        """Where a value of the fleet stands in the file."""
        return self._document.place(path)

    def require_environment(self) -> None:
        """Raise FleetError if a variable that the file refers to isn't set."""
        if self.unresolved:
            names = ", ".join(sorted(self.unresolved))
            place = self.unresolved[min(self.unresolved)]
            way_out = "set them, or use --emulated to deploy without an account"
            raise FleetError(f"environment variables not set: {names}", place=place, way_out=way_out)


def load_fleet(file: str, read: Callable[[str], str], environ: Mapping[str, str]) -> LoadedFleet:
    """Read a fleet file with its includes, check it and fill in every default.

    Args:
        file: path as the operator wrote it.
        read: returns the text of a path; OSErrors become FleetErrors.
        environ: values for `${ENV}` references.

    Raises:
        FleetError: with the place and what would be right.
    """
    document = _with_includes(file, read, seen=())
    _refer_to_account(document)
    resolve_references(document, environ, keep=SECRET_REFERENCES)
    document.data.pop("include", None)
    try:
        written = FleetFile.model_validate(document.data)
    except ValidationError as error:
        raise explain(error, document, FleetFile, SECRET_REFERENCES) from None
    _check_numbers(document.data, written, document)
    fleet = Fleet(
        **{field: getattr(written, field) for field in Fleet.model_fields if field != "regions"},
        regions=_resolve_regions(written, document),
    )
    _check_size(fleet, document)
    _check_chains(fleet, document)
    return LoadedFleet(fleet, document.unresolved, fingerprint(fleet), document)


def flat_document(file: str, read: Callable[[str], str]) -> str:
    """The fleet file as one text: as it stands, or with its includes laid under it; references stay references.

    Raises:
        FleetError: it can't be read.
    """
    document = _with_includes(file, read, seen=())
    if "include" not in document.data:
        return read(file)
    merged = {key: value for key, value in document.data.items() if key != "include"}
    return yaml.safe_dump(merged, sort_keys=False, allow_unicode=True)


def fingerprint(fleet: Fleet) -> str:
    """A short name for exactly this fleet; policy (`deployment`) does not count, it deploys the same thing."""
    text = json.dumps(fleet.model_dump(mode="json", exclude={"deployment"}), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `fleet.yaml`, for editors and the API."""
    schema = FleetFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "chainfleet fleet"}


def _with_includes(file: str, read: Callable[[str], str], seen: tuple[str, ...]) -> Document:
    if file in seen:
        raise FleetError(
            "includes itself: " + " → ".join((*seen, file)),
            place=Place(file),
            way_out="take one of these includes out",
        )
    try:
        text = read(file)
    except OSError as error:
        place = Place(seen[-1]) if seen else Place(file)
        reason = (error.strerror or str(error)).lower()
        what = f"can't read {file}" if seen else "can't be read"
        raise FleetError(f"{what}: {reason}", place=place, way_out="check the path") from None
    except UnicodeDecodeError:
        raise FleetError("not a text file (UTF-8)", place=Place(file), way_out="give a YAML file") from None
    document = read_document(text, file)
    includes = document.data.get("include", [])
    if not isinstance(includes, list) or not all(isinstance(item, str) for item in includes):
        raise FleetError(
            "`include` is a list of file names",
            place=document.place(("include",)),
            way_out="write `include: [base.yaml]`",
        )
    folder = file.rsplit("/", 1)[0] + "/" if "/" in file else ""
    for include in reversed(includes):
        path = include if include.startswith("/") else folder + include
        document = merge(_with_includes(path, read, (*seen, file)), document)
    return document


def _refer_to_account(document: Document) -> None:
    """Write down the references that a fleet's clouds have by default, so that they are resolved like written ones."""
    for cloud in _clouds_of(document):
        clouds = document.data.setdefault("clouds", {})
        settings = clouds.setdefault(cloud, {}) if isinstance(clouds, dict) else None
        if isinstance(settings, dict):
            for key, reference in _ACCOUNTS[cloud].items():
                settings.setdefault(key, reference)


def _clouds_of(document: Document) -> set[str]:
    """Clouds that need an account and that some region of the document names."""
    regions = document.data.get("regions")
    entries = regions if isinstance(regions, list) else []
    found = {str(entry.get("cloud", "azure")) if isinstance(entry, dict) else "azure" for entry in entries}
    return (found | ({"azure"} if document.data.get("region_set") else set())) & set(_ACCOUNTS)


def _resolve_regions(written: FleetFile, document: Document) -> tuple[Region, ...]:
    entries: list[tuple[Region, Path]] = []
    if written.region_set:
        entries += [(Region(name=name), ("region_set",)) for name in region_set(written.region_set)]
    entries += [(region, ("regions", index)) for index, region in enumerate(written.regions)]
    if not entries:
        way_out = "give `region_set: azure-non-us-24` or a list `regions:`"
        raise FleetError("the fleet has no region", place=document.place(()), way_out=way_out)
    _check_region_names(entries, document)
    return _with_cidrs(entries, document)


def _check_region_names(entries: list[tuple[Region, Path]], document: Document) -> None:
    first: dict[str, Path] = {}
    for region, path in entries:
        place = document.place(path)
        if region.name in first:
            before = document.place(first[region.name])
            way_out = f"it is also at {before}; keep one of them"
            raise FleetError(f"region `{region.name}` is given twice", place=place, way_out=way_out)
        first[region.name] = path
        if is_us(region.cloud, region.name):
            way_out = "choose one of the regions outside the United States (`chainfleet init` lists them)"
            raise FleetError(
                f"`{region.name}` is a US region; fleets are non-US", place=place, way_out=way_out
            )
        if region.cloud == "azure" and region.name not in azure_regions():
            raise FleetError(
                f"unknown Azure region `{region.name}`",
                place=place,
                way_out=nearest(region.name, azure_regions()),
            )
        pattern, example = _NAMES.get(region.cloud, ("", ""))
        if pattern and not re.fullmatch(pattern, region.name):
            raise FleetError(
                f"`{region.name}` is no region of cloud `{region.cloud}`",
                place=place,
                way_out=f"give it as the cloud writes it, e.g. {example}",
            )
        if region.cloud == "kubeconfig" and not region.context:
            way_out = "add `context:` with the context's name in your kubeconfig"
            raise FleetError(f"region `{region.name}` names no context", place=place, way_out=way_out)


def _with_cidrs(entries: list[tuple[Region, Path]], document: Document) -> tuple[Region, ...]:
    given: list[tuple[IPv4Network, Region]] = []
    for region, path in entries:
        if region.cidr is not None:
            for other_cidr, other in given:
                if region.cidr.overlaps(other_cidr):
                    message = f"address range {region.cidr} of `{region.name}` overlaps {other_cidr} of `{other.name}`"
                    way_out = "regions are peered: give each its own range"
                    raise FleetError(message, place=document.place(path), way_out=way_out)
            given.append((region.cidr, region))
    free = (
        net
        for net in IPv4Network("10.0.0.0/8").subnets(new_prefix=16)
        if not any(net.overlaps(c) for c, _ in given)
    )
    regions = []
    for region, path in entries:
        cidr = region.cidr or next(free, None)
        if cidr is None:
            message = f"10.0.0.0/8 has no free /16 left for `{region.name}`"
            way_out = "give it a `cidr:`, or the others smaller ones"
            raise FleetError(message, place=document.place(path), way_out=way_out)
        regions.append(region.model_copy(update={"cidr": cidr}))
    return tuple(regions)


def _check_size(fleet: Fleet, document: Document) -> None:
    count = fleet.validator_count
    if count < 4:
        message = f"{count} validators: QBFT tolerates a fault only from 4 validators on"
        way_out = "raise network.validators_per_region or add regions"
        raise FleetError(message, place=document.place(("network", "validators_per_region")), way_out=way_out)
    for index, chain in enumerate(fleet.contracts.chains):
        if chain.rpc_url is None and chain.chain_id != fleet.network.chain_id:
            message = f"chain `{chain.name}` has id {chain.chain_id} and no rpc_url, but the fleet's own chain is {fleet.network.chain_id}"
            place = document.place(("contracts", "chains", index))
            raise FleetError(message, place=place, way_out="give its `rpc_url`")


def _check_chains(fleet: Fleet, document: Document) -> None:
    seen: set[str] = set()
    for index, chain in enumerate(fleet.contracts.chains):
        if chain.name in seen:
            place = document.place(("contracts", "chains", index))
            raise FleetError(f"chain `{chain.name}` is given twice", place=place, way_out="keep one of them")
        seen.add(chain.name)
    oracle = fleet.contracts.oracle
    if not oracle.minimum_answer <= oracle.first_answer <= oracle.maximum_answer:
        message = f"first_answer {oracle.first_answer} lies outside {oracle.minimum_answer} … {oracle.maximum_answer}"
        raise FleetError(
            message,
            place=document.place(("contracts", "oracle", "first_answer")),
            way_out="widen minimum_answer and maximum_answer, or change first_answer",
        )


def _check_numbers(data: Any, read: Any, document: Document, path: Path = ()) -> None:
    """Refuse `true` where a number belongs: YAML reads `yes` and `on` so as well, and Python takes it for 1."""
    if isinstance(data, bool) and not isinstance(read, bool):
        dotted = ".".join(str(part) for part in path)
        raise FleetError(
            f"`{dotted}`: got {data}: a number is wanted",
            place=document.place(path),
            way_out="write the number; YAML takes yes, no, on and off for true and false",
        )
    if isinstance(data, dict):
        for key, value in data.items():
            _check_numbers(value, getattr(read, key, value), document, (*path, key))
    elif isinstance(data, list) and isinstance(read, tuple):
        for index, (value, other) in enumerate(zip(data, read, strict=False)):
            _check_numbers(value, other, document, (*path, index))
