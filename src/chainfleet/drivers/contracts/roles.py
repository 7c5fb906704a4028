"""Hands the relayer's role out."""

from __future__ import annotations

from chainfleet.model.errors import ErrorClass, TaskFailed

from .abi import abi_of
from .artefacts import AGGREGATOR
from .session import Session
from .transactions import Intent


async def grant_relayer(session: Session, address: str, account: str) -> bool:
    """Make an account a relayer of a contract; False if it is one already.

    Raises:
        TaskFailed: AUTHORISATION, the session's key isn't the contract's admin's.
    """
    chain, abi = session.chain, abi_of(AGGREGATOR)
    (role,) = await chain.read(abi, address, "RELAYER_ROLE")
    if (await chain.read(abi, address, "hasRole", role, account))[0]:
        return False
    (admin,) = await chain.read(abi, address, "defaultAdmin")
    if admin.lower() != session.signer.address.lower():
        message = f"{session.signer.address} is not the admin of {address} on {chain.name}; {admin} is"
        raise TaskFailed(ErrorClass.AUTHORISATION, message, way_out="use the admin's key (--key)")
    number = 0
    while await session.sender.find(f"grant:{address}:{account}:{number}"):
        number += 1  # it was granted and revoked before
    await session.sender.send(
        Intent(
            key=f"grant:{address}:{account}:{number}",
            what=f"granting the relayer's role to {account} on {chain.name}",
            abi=abi,
            data=abi.call("grantRole", role, account),
            to=address,
        )
    )
    return True
