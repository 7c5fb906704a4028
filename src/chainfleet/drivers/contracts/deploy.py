"""`contracts/deploy/{chain}`: the oracle's contract is on the chain, as wanted, exactly once."""

from __future__ import annotations

import hashlib
from typing import Any

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.model.errors import ErrorClass, TaskFailed

from .addresses import Record
from .explorers import send_requests, write_requests
from .feed import Wanted, current_settings, differences, settings_differ, wanted
from .probes import check_creation, check_router
from .session import Session, folder_of
from .transactions import Intent, Mined


async def observe(attempt: Attempt, session: Session) -> Outcome | None:
    """The outcome, if the contract is there and as wanted; sends nothing."""
    want = wanted(attempt.fleet, session.spec, session.signer.address)
    record = await session.deployed()
    if record is None or record.contract != want.artefact.name:
        return None
    wrong = await differences(session.chain, record.address, want)
    if wrong or settings_differ(await current_settings(session.chain, record.address, want), want):
        return None
    return _outcome(want, record, changed=False)


async def change(attempt: Attempt, session: Session) -> Outcome:
    """Deploy what isn't there, bring settings to what is wanted, and read everything back."""
    want = wanted(attempt.fleet, session.spec, session.signer.address)
    record = await session.deployed()
    changed = False
    if record is None or record.contract != want.artefact.name:
        record, changed = await _deploy(attempt, session, want)
    changed = await _configure(session, want, record) or changed
    wrong = await differences(session.chain, record.address, want)
    if wrong:
        message = f"{want.artefact.name} at {record.address} on {session.spec.name}: {'; '.join(wrong)}"
        way_out = (
            "let its admin set it right, or remove its entry from contracts/addresses.json to deploy anew"
        )
        raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out=way_out, fingerprint="contracts:differs")
    write_requests(folder_of(attempt.workspace) / "verification" / session.spec.name, record)
    if changed:
        await send_requests(record, attempt.environ, attempt.log)
    return _outcome(want, record, changed=changed)


async def _deploy(attempt: Attempt, session: Session, want: Wanted) -> tuple[Record, bool]:
    if want.router is not None:
        await check_router(session.chain, want)
    intent = _intent(session, want)
    found = await session.sender.find(intent.key)
    if found is None:
        attempt.progress("checking the fork")
        await check_creation(session.chain, want, session.signer.address)
        attempt.progress("deploying")
        found = await session.sender.send(intent)
    record = _record(session, want, found)
    session.book.put(session.spec.name, record)
    attempt.log(f"{want.artefact.name} is at {record.address} since block {record.block}; CCIP: {want.ccip}")
    return record, found.sent_now


def _intent(session: Session, want: Wanted) -> Intent:
    creation = want.creation()
    digest = hashlib.sha256(bytes.fromhex(creation[2:])).hexdigest()
    return Intent(
        key=f"deploy:{want.artefact.name}:{digest}",
        what=f"deploying {want.artefact.name} to {session.spec.name}",
        abi=want.abi,
        data=creation,
        artefact=want.artefact.bytecode_hash,
        arguments={"description": want.description, "decimals": want.decimals, "admin": want.admin},
    )


async def _configure(session: Session, want: Wanted, record: Record) -> bool:
    """Bring the fleet's share of the settings to what is wanted; the submissions wanted are kept."""
    current = await current_settings(session.chain, record.address, want)
    if not settings_differ(current, want):
        return False
    settings = (*current[:3], *want.settings[3:])
    what = f"changing the settings of {record.address} on {session.spec.name}"
    data = want.abi.call("setSettings", settings)
    digest = hashlib.sha256(data.encode()).hexdigest()[:16]
    number = 0
    # The same settings may be wanted again after others: each change has a key of its own.
    while await session.sender.find(f"settings:{record.address}:{digest}:{number}"):
        number += 1
    key = f"settings:{record.address}:{digest}:{number}"
    await session.sender.send(Intent(key=key, what=what, abi=want.abi, data=data, to=record.address))
    return True


def _record(session: Session, want: Wanted, mined: Mined) -> Record:
    from eth_utils.address import to_checksum_address

    if mined.contract is None:
        raise TaskFailed(ErrorClass.INTERNAL, f"transaction {mined.hash} created no contract")
    return Record(
        chain_id=session.chain.chain_id,
        genesis=session.genesis,
        contract=want.artefact.name,
        address=to_checksum_address(mined.contract),
        transaction=mined.hash,
        block=mined.block,
        bytecode_hash=want.artefact.bytecode_hash,
        source_hash=want.artefact.source_hash,
        constructor=want.constructor().hex(),
    )


def _outcome(want: Wanted, record: Record, *, changed: bool) -> Outcome:
    outputs: dict[str, Any] = {
        "address": record.address,
        "transaction": record.transaction,
        "block": record.block,
        "chain_id": record.chain_id,
        "contract": record.contract,
        "admin": want.admin,
        "bytecode_hash": record.bytecode_hash,
        "ccip": want.ccip,
    }
    return Outcome(outputs=outputs, changed=changed)
