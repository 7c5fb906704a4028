"""The one entry to forecasting: a question in, plain data out. Pure: the same question has the same answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chainfleet.model.task import Mode

from .document import CLAIMED, claims_document, mode_document, tuned_document
from .forecasting import forecast_mode
from .learned import as_document
from .question import Hands, Question
from .tuning import Risk, tune
from .variations import recommend, variations

_HERE = Hands()


def forecast(
    question: Question,
    *,
    modes: Sequence[Mode] = (),
    what_if: bool = True,
    risk: Risk | None = None,
    hands: Hands = _HERE,
) -> dict[str, Any]:
    """Rehearse a fleet and say what to expect.

    Args:
        question: what is asked.
        modes: to compare; the question's one if empty.
        what_if: whether to try changes as well and recommend one.
        risk: search for the best setting within that risk; None for no search.
        hands: who carries the rehearsals out.

    Returns:
        JSON values: `modes` maps each mode to `p50_s`, `p90_s`, `p99_s`, `lower_bound_s`, `bound_by`,
        `critical_path`, `calls_per_success` and what else `document.mode_document` has.

    Raises:
        PlanError: the plan can't be run; the message names the task or the limit.
        InputError: durations, faults or a risk that can't be.
    """
    out: dict[str, Any] = {}
    for mode in modes or (question.mode or question.overrides.mode or question.fleet.deployment.mode,):
        asked = replace(question, mode=mode)
        found = forecast_mode(asked, hands)
        others = () if len(modes) > 1 else tuple(Mode)  # Modes that are compared anyway need no variation.
        tried = variations(asked, found, hands, modes=others) if what_if else ()
        out[mode.value] = mode_document(found, tried, recommend(found, tried) if what_if else "")
    fleet = question.fleet
    return {
        "fleet": fleet.name,
        "revision": question.revision,
        "regions": len(fleet.regions),
        "validators": fleet.validator_count,
        "seed": question.seed,
        "runs": question.runs,
        "faults": question.faults if isinstance(question.faults, str) else "given",
        "machine": {"memory_mib": question.machine.memory_mib, "cores": question.cores},
        "time_scale": fleet.deployment.time_scale,
        "learned": as_document(question.learned) if question.profile is None else {},
        "modes": out,
        "claims": claims_document(out) if (len(fleet.regions), fleet.validator_count) == CLAIMED else [],
        "tuned": None if risk is None else tuned_document(tune(question, risk, hands)),
    }
