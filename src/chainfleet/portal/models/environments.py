"""Environments: named fleets with their revisions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from chainfleet.model.fleet import Cloud
from chainfleet.model.task import Mode

from .common import EnvironmentName, Fault, Given, Reason, RunName, Told, Wall
from .runs import RunSummary

FleetText = Annotated[str, StringConstraints(min_length=1, max_length=500_000)]
EnvironmentAction = Literal[
    "change", "clone", "lock", "unlock", "archive", "restore", "rehearse", "deploy", "verify", "destroy"
]
Health = Literal["unknown", "healthy", "degraded", "down"]


class TargetSettings(Given):
    """Which cloud an environment is deployed to: the real one, or the emulated one on this machine."""

    emulated: bool = False
    time_scale: Annotated[float, Field(gt=0, le=100_000)] | None = Field(
        None, description="How much faster than real the emulated cloud is; 60 where not given."
    )
    faults: Literal["storm"] | None = Field(None, description="Built-in faults of the emulated cloud.")
    allow_mainnet: bool = False


class FleetGiven(Given):
    """A fleet, either as YAML text or as a form (the same keys as a JSON object)."""

    document: FleetText | None = Field(None, description="The fleet file as YAML text.")
    form: dict[str, Any] | None = Field(None, description="The fleet file as a JSON object.")


class EnvironmentGiven(FleetGiven):
    """A new environment."""

    name: EnvironmentName
    target: TargetSettings = TargetSettings()
    note: Reason = ""


class EnvironmentChanged(FleetGiven):
    """A change of an environment; what is left out stays."""

    target: TargetSettings | None = None
    note: Reason = ""


class CloneGiven(Given):
    """A copy of an environment, to other regions where given."""

    name: EnvironmentName
    regions: list[Annotated[str, StringConstraints(min_length=1, max_length=60)]] | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Regions of the copy; those of the original if left out.",
    )
    target: TargetSettings | None = None
    note: Reason = ""


class LockGiven(Given):
    """Why an environment is locked."""

    reason: Annotated[Reason, StringConstraints(min_length=1)]


class Lock(Told):
    """Nothing may be changed or started while an environment is locked."""

    by: str
    reason: str
    wall: Wall


class RegionOfFleet(Told):
    """One region of a fleet."""

    name: str
    cloud: Cloud
    validators: int
    wave: int | None = Field(None, description="Which wave, counted from 0; null where there are no waves.")


class FleetFacts(Told):
    """What a fleet comes to."""

    name: str
    chain_id: int
    validators: int
    quorum: int = Field(description="Validators needed for a block.")
    mode: Mode
    clouds: list[Cloud]
    regions: list[RegionOfFleet]
    chains: list[str] = Field(description="Chains that contracts go to.")
    fingerprint: str = Field(description="Short name of exactly this fleet, as in plans and runs.")


class RevisionSummary(Told):
    """One revision of an environment's fleet."""

    number: int
    fingerprint: str
    wall: Wall
    by: str
    note: str = ""


class Revision(RevisionSummary):
    """One revision with its text."""

    document: str
    form: dict[str, Any]


class RevisionDiff(Told):
    """How two revisions differ."""

    a: int
    b: int
    text: str = Field(description="Unified diff of the two documents; empty if they are equal.")
    changes: list[FieldChange]


class FieldChange(Told):
    """One value that differs between two revisions."""

    path: str = Field(description="Dotted path of keys and indices.")
    before: Any = None
    after: Any = None


class EnvironmentSummary(Told):
    """An environment as lists show it."""

    name: str
    revision: int
    etag: str
    fleet: FleetFacts | None = Field(description="Null where the ledger holds no document of the fleet.")
    target: TargetSettings
    archived: bool = False
    lock: Lock | None = None
    changed_wall: Wall | None = None
    health: Health = "unknown"
    run: RunSummary | None = Field(None, description="The last run.")
    history: list[RunBar] = Field([], description="The last 30 runs, oldest first, for bars.")
    allowed: list[EnvironmentAction] = Field(description="What the caller may do with it now.")
    head: int = Field(0, description="Last sequence number of its ledger.")


class RunBar(Told):
    """One run in a strip of bars."""

    run: RunName
    verdict: str
    elapsed_s: float


class EnvironmentDetail(EnvironmentSummary):
    """An environment with its document."""

    document: str
    form: dict[str, Any]
    unresolved: list[str] = Field([], description="Environment variables it refers to that are not set here.")
    warnings: list[Fault] = []
    command: str = Field(description="The command that deploys it.")
    state_folder: str


class FleetCheck(Told):
    """What a check of a fleet found."""

    ok: bool
    fleet: FleetFacts | None = None
    errors: list[Fault] = []
    warnings: list[Fault] = []
    unresolved: list[str] = []
    document: str = Field("", description="The same fleet as YAML.")
    form: dict[str, Any] = Field({}, description="The same fleet as a form.")


class FleetTemplate(Told):
    """A fleet file to start from."""

    document: str


RevisionDiff.model_rebuild()
EnvironmentSummary.model_rebuild()
EnvironmentDetail.model_rebuild()
