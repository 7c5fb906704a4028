"""Worked example: a failure that nobody knew gets a class, and the class decides what happens."""

from __future__ import annotations

import inspect

import pytest

from chainfleet.drivers.terraform.diagnosis import understand
from chainfleet.drivers.terraform.messages import Diagnostic
from chainfleet.model import errors
from chainfleet.model.errors import ErrorClass
from chainfleet.model.event import AttemptFailed, RunStarted, StartAttempt, StateChanged, TaskState
from chainfleet.model.task import Mode, Phase, Plan, Task
from chainfleet.scheduling.scheduler import Scheduler

SEEN = [
    # --8<-- [start:seen]
    # A text that Terraform printed, and the class that it means: a row here, and one in diagnosis.py's _RULES.
    ("Error acquiring the state lock: state blob is already locked", ErrorClass.STATE_LOCK),
    ("RESPONSE 429: SubscriptionRequestsThrottled", ErrorClass.THROTTLED),
    ("ZONE_RESOURCE_POOL_EXHAUSTED: the zone does not have enough resources", ErrorClass.CAPACITY),
    ("QuotaExceeded: Insufficient regional vcpu quota left", ErrorClass.QUOTA),
    ("AuthorizationFailed: the client does not have authorization", ErrorClass.AUTHORISATION),
    ("RESPONSE 503: ServiceUnavailable", ErrorClass.TRANSIENT),
    # --8<-- [end:seen]
]


@pytest.mark.parametrize(("text", "wanted"), SEEN)
def test_what_terraform_prints_falls_into_its_class(text: str, wanted: ErrorClass) -> None:
    assert understand(Diagnostic(text, "", "")).error_class is wanted


# --8<-- [start:decided]
@pytest.mark.parametrize("error_class", [kind for kind in ErrorClass if kind is not ErrorClass.CANCELLED])
def test_the_class_decides_whether_it_is_tried_again(error_class: ErrorClass) -> None:
    """The scheduler is plain data in, plain data out: no clock, no threads, nothing to mock."""
    plan = Plan("demo", "r1", Mode.ULTRA, (Task("besu/chain/network", Phase.BESU, max_attempts=2),), ())
    scheduler = Scheduler(plan, seed=1)
    begun = scheduler.handle(RunStarted(), 0.0)
    assert [c.attempt for c in begun if isinstance(c, StartAttempt)] == [1]

    failed = AttemptFailed("besu/chain/network", 1, error_class, "it went wrong")
    states = [c.state for c in scheduler.handle(failed, 1.0) if isinstance(c, StateChanged)]
    assert states[0] is (TaskState.BACKING_OFF if error_class.retryable else TaskState.FAILED)


# --8<-- [end:decided]


@pytest.mark.parametrize("error_class", ErrorClass)
def test_every_class_says_what_it_means_and_what_to_do(error_class: ErrorClass) -> None:
    """The docstring below the member is the reference page's row: what happened, then what the operator does."""
    source = inspect.getsource(errors)
    _, found, after = source.partition(f'    {error_class.name} = "{error_class.value}"\n    """')
    assert found
    assert after.partition('"""')[0].count(". ") >= 1
