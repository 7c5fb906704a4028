"""Fleet documents as the portal takes and gives them: YAML text, or the same as a form."""

from __future__ import annotations

import errno
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from chainfleet.model.besu.quorum import quorum_of
from chainfleet.model.errors import FleetError, InputError, PlanError
from chainfleet.model.fleet import Fleet
from chainfleet.model.fleet_document import read_document
from chainfleet.model.fleet_file import LoadedFleet, load_fleet
from chainfleet.scheduling.planning import make_plan

from ..models.common import Fault
from ..models.environments import FleetCheck, FleetFacts, FleetGiven, RegionOfFleet
from ..problems import ProblemError

FILE = "fleet.yaml"
_REFERENCE = re.compile(r"\$\{\w+\}|keystore:.+")


def text_of(given: FleetGiven) -> str:
    """The YAML text of what was sent.

    Raises:
        ProblemError: neither or both of text and form.
    """
    if (given.document is None) == (given.form is None):
        raise ProblemError(
            422,
            "invalid-input",
            "give the fleet either as `document` or as `form`",
            errors=[_fault("/document", "")],
        )
    if given.document is not None:
        return given.document
    return yaml.safe_dump(given.form, sort_keys=False, allow_unicode=True)


def form_of(text: str) -> dict[str, Any]:
    """The same as a form; JSON values only.

    Raises:
        FleetError: not readable.
    """
    form = _plain(read_document(text, FILE).data)
    assert isinstance(form, dict)
    return form


def load_text(text: str, environ: Mapping[str, str] | None = None) -> LoadedFleet:
    """The fleet that a text declares.

    Raises:
        FleetError: with line and column; also for a key instead of a reference to one.
    """
    loaded = load_fleet(FILE, _only(text), {**os.environ, **(environ or {})})
    for index, chain in enumerate(loaded.fleet.contracts.chains):
        if not _REFERENCE.fullmatch(chain.deployer):
            place = loaded.place("contracts", "chains", index, "deployer")
            way_out = "use ${VARIABLE} or keystore:FILE; never write a key into the fleet file"
            raise FleetError("`deployer` is not a reference", place=place, way_out=way_out)
    return loaded


def check(given: FleetGiven) -> FleetCheck:
    """Everything that can be said of a fleet before it is anywhere."""
    text = text_of(given)
    try:
        form = form_of(text)
        loaded = load_text(text)
        make_plan(loaded.fleet, loaded.revision)
    except FleetError as error:
        return FleetCheck(ok=False, errors=[fault_of(error)], document=text, form=_form_or_none(text))
    except PlanError as error:
        return FleetCheck(
            ok=False, errors=[Fault(detail=str(error), pointer="/document")], document=text, form=form
        )
    found = findings(loaded)
    return FleetCheck(
        ok=not any(severity == "error" for severity, _ in found),
        fleet=facts_of(loaded),
        errors=[fault for severity, fault in found if severity == "error"],
        warnings=[fault for severity, fault in found if severity != "error"],
        unresolved=sorted(loaded.unresolved),
        document=text,
        form=form,
    )


def findings(loaded: LoadedFleet) -> list[tuple[str, Fault]]:
    """What the chain's rules say: severity and fault, with its place in the text."""
    from chainfleet.drivers.besu.check import check_network

    found: list[tuple[str, Fault]] = []
    for finding in check_network(loaded.fleet):
        keys = (int(part) if part.isdigit() else part for part in finding.place.split(".") if part)
        place = loaded.place(*keys)
        fault = Fault(
            detail=finding.message, pointer="/document", line=place.line or None, column=place.column or None
        )
        found.append((finding.severity, fault))
    return found


def require_sound(loaded: LoadedFleet) -> None:
    """Raise ProblemError where the chain's rules forbid this fleet."""
    errors = [fault.model_dump() for severity, fault in findings(loaded) if severity == "error"]
    if errors:
        raise ProblemError(422, "unsafe-fleet", errors[0]["detail"], way_out="see `errors`", errors=errors)


def facts_of(loaded: LoadedFleet) -> FleetFacts:
    """What a fleet comes to."""
    fleet = loaded.fleet
    waves = _waves(fleet, loaded.revision)
    return FleetFacts(
        name=fleet.name,
        chain_id=fleet.network.chain_id,
        validators=fleet.validator_count,
        quorum=quorum_of(max(1, fleet.validator_count)).quorum,
        mode=fleet.deployment.mode,
        clouds=sorted({region.cloud for region in fleet.regions}),
        regions=[
            RegionOfFleet(
                name=region.name,
                cloud=region.cloud,
                validators=fleet.validators_of(region),
                wave=waves.get(region.name),
            )
            for region in fleet.regions
        ],
        chains=[chain.name for chain in fleet.contracts.chains],
        fingerprint=loaded.revision,
    )


def cloned(text: str, name: str, regions: list[str] | None) -> str:
    """The text of a copy: another name, other regions where given.

    Regions that the original declares keep their settings; others are taken by name.
    """
    data = read_document(text, FILE).data
    old = data.get("name")
    data["name"] = name
    for chain in data.get("contracts", {}).get("chains", []):
        # The fleet's own chain goes by the fleet's name.
        if isinstance(chain, dict) and chain.get("name") == old and not chain.get("rpc_url"):
            chain["name"] = name
    if regions is not None:
        entries = data.get("regions") or []
        known = {entry["name"]: entry for entry in entries if isinstance(entry, dict) and "name" in entry}
        data["regions"] = [known.get(region, region) for region in regions]
        data.pop("region_set", None)
    return yaml.safe_dump(_plain(data), sort_keys=False, allow_unicode=True)


def fault_of(error: FleetError) -> Fault:
    """The fault of a fleet file's error."""
    place = error.place
    detail = f"{error.message}; {error.way_out}" if error.way_out else error.message
    return Fault(detail=detail, pointer="/document", line=place.line or None, column=place.column or None)


def _waves(fleet: Fleet, revision: str) -> dict[str, int]:
    try:
        plan = make_plan(fleet, revision)
    except InputError:
        return {}
    return {region: index for index, wave in enumerate(plan.waves) for region in wave}


def _only(text: str) -> Callable[[str], str]:
    """Reads this one document; includes would be files of the server."""

    def read(name: str) -> str:
        if name != FILE:
            raise OSError(errno.EPERM, "documents kept here stand alone: write the included keys into them")
        return text

    return read


def _form_or_none(text: str) -> dict[str, Any]:
    try:
        return form_of(text)
    except FleetError:
        return {}


def _fault(pointer: str, detail: str) -> dict[str, Any]:
    return {"pointer": pointer, "detail": detail, "line": None, "column": None}


def _plain(value: Any) -> Any:
    """JSON values only: YAML knows dates and infinities besides."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return json.dumps(value, default=str).strip('"')
