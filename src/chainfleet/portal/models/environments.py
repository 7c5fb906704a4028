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
    """Whether it lives on the emulated cloud of the server's machine."""
    time_scale: Annotated[float, Field(gt=0, le=100_000)] | None = Field(
        None, description="How much faster than real the emulated cloud is; 60 where not given."
    )
    faults: Literal["storm"] | None = Field(None, description="Built-in faults of the emulated cloud.")
    allow_mainnet: bool = False
    """Whether transactions on chain id 1 are allowed."""


class FleetGiven(Given):
    """A fleet, either as YAML text or as a form (the same keys as a JSON object)."""

    document: FleetText | None = Field(None, description="The fleet file as YAML text.")
    form: dict[str, Any] | None = Field(None, description="The fleet file as a JSON object.")


class EnvironmentGiven(FleetGiven):
    """A new environment."""

    name: EnvironmentName
    """Name of the environment."""
    target: TargetSettings = TargetSettings()
    """Which cloud it is deployed to."""
    note: Reason = ""
    """Why; it is kept with the revision."""


class EnvironmentChanged(FleetGiven):
    """A change of an environment; what is left out stays."""

    target: TargetSettings | None = None
    """Which cloud it is deployed to."""
    note: Reason = ""
    """Why; it is kept with the revision."""


class CloneGiven(Given):
    """A copy of an environment, to other regions where given."""

    name: EnvironmentName
    """Name of the copy."""
    regions: list[Annotated[str, StringConstraints(min_length=1, max_length=60)]] | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Regions of the copy; those of the original if left out.",
    )
    target: TargetSettings | None = None
    """Which cloud it is deployed to."""
    note: Reason = ""
    """Why; it is kept with the revision."""


class LockGiven(Given):
    """Why an environment is locked."""

    reason: Annotated[Reason, StringConstraints(min_length=1)]
    """Why; it is kept in the audit log."""


class Lock(Told):
    """Nothing may be changed or started while an environment is locked."""

    by: str
    """Who locked it."""
    reason: str
    """Why; it is kept in the audit log."""
    wall: Wall


class RegionOfFleet(Told):
    """One region of a fleet."""

    name: str
    """As its cloud writes it."""
    cloud: Cloud
    """azure, aws, gcp or kubeconfig."""
    validators: int
    """Validators that the fleet declares."""
    wave: int | None = Field(None, description="Which wave, counted from 0; null where there are no waves.")


class FleetFacts(Told):
    """What a fleet comes to."""

    name: str
    """Name of the fleet."""
    chain_id: int
    """Chain id of the network."""
    validators: int
    """How many, in all regions together."""
    quorum: int = Field(description="Validators needed for a block.")
    mode: Mode
    """Which edges and ceilings the plan gets."""
    clouds: list[Cloud]
    """Clouds that its regions lie in."""
    regions: list[RegionOfFleet]
    """Its regions."""
    chains: list[str] = Field(description="Chains that contracts go to.")
    fingerprint: str = Field(description="Short name of exactly this fleet, as in plans and runs.")


class RevisionSummary(Told):
    """One revision of an environment's fleet."""

    number: int
    """Counted from 1."""
    fingerprint: str
    """Of the fleet it resolves to."""
    wall: Wall
    by: str
    """Who made it."""
    note: str = ""
    """Why; it is kept with the revision."""


class Revision(RevisionSummary):
    """One revision with its text."""

    document: str
    """The fleet file as YAML."""
    form: dict[str, Any]
    """The same as a JSON object."""


class RevisionDiff(Told):
    """How two revisions differ."""

    a: int
    """The first of the two."""
    b: int
    """The second of the two."""
    text: str = Field(description="Unified diff of the two documents; empty if they are equal.")
    changes: list[FieldChange]
    """What differs, key by key."""


class FieldChange(Told):
    """One value that differs between two revisions."""

    path: str = Field(description="Dotted path of keys and indices.")
    before: Any = None
    """Value in this revision; null where it was not there."""
    after: Any = None
    """Value in the other revision; null where it is gone."""


class LedgerProblem(Told):
    """Why an environment's ledger can't be read."""

    kind: Literal["ledger-away", "ledger-unusable"]
    """The problem's kind; one that is away may be back by itself."""
    since: Wall
    """Since when this portal knows."""
    detail: str
    """What is wrong, in one line."""
    way_out: str = ""
    """What can be done."""


class EnvironmentSummary(Told):
    """An environment as lists show it."""

    name: str
    """Name of the environment."""
    revision: int
    """Number of its newest revision."""
    etag: str
    """Names this state; send it as `If-Match` with a change."""
    fleet: FleetFacts | None = Field(description="Null where the ledger holds no document of the fleet.")
    target: TargetSettings
    """Which cloud it is deployed to."""
    archived: bool = False
    """Whether it was put away."""
    lock: Lock | None = None
    """Who locked it and why, if somebody did."""
    changed_wall: Wall | None = None
    health: Health = "unknown"
    """How the network stood when it was looked at last."""
    run: RunSummary | None = Field(None, description="The last run.")
    history: list[RunBar] = Field([], description="The last 30 runs, oldest first, for bars.")
    allowed: list[EnvironmentAction] = Field(description="What the caller may do with it now.")
    head: int = Field(0, description="Last sequence number of its ledger.")
    ledger_problem: LedgerProblem | None = Field(
        None, description="Why its ledger can't be read, if it can't: nothing but the name is known then."
    )


class RunBar(Told):
    """One run in a strip of bars."""

    run: RunName
    """Name of the run."""
    verdict: str
    """How it ended; null while it goes on."""
    elapsed_s: float
    """Seconds that it took."""


class EnvironmentDetail(EnvironmentSummary):
    """An environment with its document."""

    document: str
    """The fleet file as YAML."""
    form: dict[str, Any]
    """The same as a JSON object."""
    unresolved: list[str] = Field([], description="Environment variables it refers to that are not set here.")
    warnings: list[Fault] = []
    """What is allowed and unwise."""
    command: str = Field(description="The command that deploys it.")
    state_folder: str
    """Its folder on the server."""


class FleetCheck(Told):
    """What a check of a fleet found."""

    ok: bool
    """Whether it can be deployed."""
    fleet: FleetFacts | None = None
    """What the fleet is, where it could be read."""
    errors: list[Fault] = []
    """What is wrong, each with its place."""
    warnings: list[Fault] = []
    """What is allowed and unwise."""
    unresolved: list[str] = []
    """Variables that it refers to and the server does not have."""
    document: str = Field("", description="The same fleet as YAML.")
    form: dict[str, Any] = Field({}, description="The same fleet as a form.")


class FleetTemplate(Told):
    """A fleet file to start from."""

    document: str
    """The fleet file as YAML."""


RevisionDiff.model_rebuild()
EnvironmentSummary.model_rebuild()
EnvironmentDetail.model_rebuild()
