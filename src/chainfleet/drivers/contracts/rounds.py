"""`contracts/round/{chain}`: the oracle's first round is answered, and read back from the chain."""

from __future__ import annotations

from typing import Any

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.model.errors import ErrorClass, TaskFailed

from .feed import Wanted, oracle_enabled, wanted
from .rpc import RpcError
from .session import Session
from .transactions import Intent

FIRST_ROUND = 1


async def observe(attempt: Attempt, session: Session) -> Outcome | None:
    """The outcome, if the first round has an answer; sends nothing."""
    if await session.deployed() is None:
        return None
    want, address = await _contract(attempt, session)
    data = await _first_round(session, want, address)
    return None if data is None else Outcome(outputs=data, changed=False)


async def change(attempt: Attempt, session: Session) -> Outcome:
    """Enable the deployer as oracle where it isn't, submit the first round and read it back."""
    want, address = await _contract(attempt, session)
    changed = False
    if await _first_round(session, want, address) is None:
        await _enable(session, want, address)
        await _submit(attempt, session, want, address)
        changed = True
    data = await _first_round(session, want, address)
    if data is None:
        message = (
            f"round {FIRST_ROUND} of {address} on {session.spec.name} has no answer after its submission"
        )
        way_out = "more submissions are needed: let the other oracles submit"
        raise TaskFailed(ErrorClass.TRANSIENT, message, way_out=way_out, fingerprint="contracts:round-open")
    if data["answer"] != attempt.fleet.contracts.oracle.first_answer:
        attempt.log(f"round {FIRST_ROUND} answers {data['answer']}, as it was submitted earlier")
    return Outcome(outputs=data, changed=changed)


async def _enable(session: Session, want: Wanted, address: str) -> None:
    account = session.signer.address
    if await oracle_enabled(session.chain, address, want, account):
        return
    (settings,) = await session.chain.read(want.abi, address, "settings")
    (oracles,) = await session.chain.read(want.abi, address, "oracles")
    first = not oracles
    await session.sender.send(
        Intent(
            key=f"oracle:{address}:{account}:{len(oracles)}",
            what=f"enabling oracle {account} on {session.spec.name}",
            abi=want.abi,
            data=want.abi.call("changeOracles", [], [account], want.settings if first else tuple(settings)),
            to=address,
        )
    )


async def _submit(attempt: Attempt, session: Session, want: Wanted, address: str) -> None:
    answer = attempt.fleet.contracts.oracle.first_answer
    attempt.progress("submitting the first round")
    await session.sender.send(
        Intent(
            key=f"round:{address}:{FIRST_ROUND}",
            what=f"submitting round {FIRST_ROUND} to {session.spec.name}",
            abi=want.abi,
            data=want.abi.call("submit", FIRST_ROUND, answer),
            to=address,
            arguments={"round": FIRST_ROUND, "answer": answer},
        )
    )


async def _first_round(session: Session, want: Wanted, address: str) -> dict[str, Any] | None:
    call = {"to": address, "data": want.abi.call("getRoundData", FIRST_ROUND)}
    try:
        answer = await session.chain.rpc.call("eth_call", [call, "latest"])
    except RpcError as error:
        # The contract says "No data present" by reverting; every other trouble shows again in what follows.
        if error.data is not None or "revert" in error.message.lower():
            return None
        raise TaskFailed(ErrorClass.TRANSIENT, f"{session.spec.name}: {error}") from error
    round_id, price, started_at, updated_at, _ = want.abi.result("getRoundData", answer)
    return {
        "round_id": round_id,
        "answer": price,
        "started_at": started_at,
        "updated_at": updated_at,
        "address": address,
    }


async def _contract(attempt: Attempt, session: Session) -> tuple[Wanted, str]:
    record = await session.deployed()
    if record is None:
        message = f"no contract is known on {session.spec.name}"
        way_out = f"run contracts/deploy/{session.spec.name} first"
        raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out=way_out)
    return wanted(attempt.fleet, session.spec, session.signer.address), record.address
