"""Who signs transactions: a key in the environment (development), a keystore, or what fills `Signer`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.variables import Variable

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

PASSWORD_FILE_VARIABLE = Variable.KEYSTORE_PASSWORD_FILE
PASSWORD_VARIABLE = Variable.KEYSTORE_PASSWORD

_REFERENCE = re.compile(r"^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$")
_SMALL_KEY = 2**32
"""Keys below are counted up by anyone who looks for careless ones."""


class Signer(Protocol):
    """Signs transactions of one account; a key management service can stand behind it."""

    @property
    def address(self) -> str:
        """The account, with checksum."""
        ...

    @property
    def well_known(self) -> bool:
        """Whether the key is public knowledge: a development key."""
        ...

    async def sign(self, transaction: Mapping[str, Any]) -> bytes:
        """Return the signed transaction, ready to be sent."""
        ...


class LocalSigner:
    """Signs with a key in this process's memory."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account

    @property
    def address(self) -> str:
        """The account, with checksum."""
        return str(self._account.address)

    @property
    def well_known(self) -> bool:
        """Whether the key is one of anvil's, hardhat's or ganache's, or a very small number."""
        return self.address in WELL_KNOWN or int.from_bytes(self._account.key) < _SMALL_KEY

    async def sign(self, transaction: Mapping[str, Any]) -> bytes:
        """Return the signed transaction."""
        return bytes(self._account.sign_transaction(dict(transaction)).raw_transaction)

    def __repr__(self) -> str:
        return f"LocalSigner({self.address})"


def load_signer(reference: str, environ: Mapping[str, str], folder: Path) -> Signer:
    """Return the signer that a reference names.

    Args:
        reference: `${NAME}` for a key in the environment, `keystore:FILE` for a version 3 keystore.
        environ: where variables are looked up; `CHAINFLEET_KEYSTORE_PASSWORD_FILE` names the file with the
            keystore's password, `CHAINFLEET_KEYSTORE_PASSWORD` is the password.
        folder: what relative files are relative to.

    Raises:
        TaskFailed: the reference, the key or the password is wrong. No message holds any of them.
    """
    from eth_account import Account

    variable = _REFERENCE.match(reference)
    if variable:
        key = environ.get(variable.group(1), "")
        if not key:
            raise _wrong(
                f"the deployer's key is not set: ${variable.group(1)} is empty",
                "set it, or use keystore:FILE",
            )
        try:
            return LocalSigner(Account.from_key(key))
        except Exception:  # eth-account raises many kinds, and their texts may hold the key
            raise _wrong(
                f"${variable.group(1)} is not a private key", "it takes 0x and 64 hex digits"
            ) from None
    if reference.startswith("keystore:"):
        return _from_keystore(folder / Path(reference.removeprefix("keystore:")).expanduser(), environ)
    raise _wrong(
        "the deployer is neither ${VARIABLE} nor keystore:FILE", "never write a key into the fleet file"
    )


def _from_keystore(path: Path, environ: Mapping[str, str]) -> Signer:
    from eth_account import Account

    try:
        keystore = path.read_text(encoding="utf-8")
    except OSError as error:
        raise _wrong(
            f"keystore {path} can't be read: {error.strerror}", "check the path and its permissions"
        ) from None
    password = _password(environ)
    try:
        return LocalSigner(Account.from_key(Account.decrypt(keystore, password)))
    except (ValueError, KeyError, TypeError, NotImplementedError) as error:
        # The library has no error of its own: it is whatever it met first in what is no keystore.
        if "MAC mismatch" in str(error):
            raise _wrong(
                f"the password of keystore {path} is wrong", f"check ${PASSWORD_FILE_VARIABLE}"
            ) from None
        raise _wrong(
            f"{path} is not a keystore of version 3", "make one with `geth account new` or the like"
        ) from None


def _password(environ: Mapping[str, str]) -> str:
    file = environ.get(PASSWORD_FILE_VARIABLE)
    if file:
        try:
            return Path(file).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise _wrong(f"password file {file} can't be read: {error.strerror}", "check its path") from None
    password = environ.get(PASSWORD_VARIABLE)
    if password is None:
        raise _wrong("the keystore needs a password", f"set ${PASSWORD_FILE_VARIABLE}")
    return password


def _wrong(message: str, way_out: str) -> TaskFailed:
    return TaskFailed(ErrorClass.CONFIGURATION, message, way_out=way_out, fingerprint="contracts:signer")


# The first twenty accounts of "test test … junk" (anvil, hardhat) and of "myth like bonus …" (ganache -d).
WELL_KNOWN = frozenset(
    {
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
        "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
        "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
        "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
        "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
        "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
        "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
        "0xBcd4042DE499D14e55001CcbB24a551F3b954096",
        "0x71bE63f3384f5fb98995898A86B02Fb2426c5788",
        "0xFABB0ac9d68B0B445fB7357272Ff202C5651694a",
        "0x1CBd3b2770909D4e10f157cABC84C7264073C9Ec",
        "0xdF3e18d64BC6A983f673Ab319CCaE4f1a57C7097",
        "0xcd3B766CCDd6AE721141F452C550Ca635964ce71",
        "0x2546BcD3c84621e976D8185a91A922aE77ECEc30",
        "0xbDA5747bFD65F08deb54cb465eB87D40e51B197E",
        "0xdD2FD4581271e230360230F9337D5c0430Bf44C0",
        "0x8626f6940E2eb28930eFb4CeF49B2d1F2C9C1199",
        "0x90F8bf6A479f320ead074411a4B0e7944Ea8c9C1",
        "0xFFcf8FDEE72ac11b5c542428B35EEF5769C409f0",
        "0x22d491Bde2303f2f43325b2108D26f1eAbA1e32b",
        "0xE11BA2b4D45Eaed5996Cd0823791E0C93114882d",
        "0xd03ea8624C8C5987235048901fB614fDcA89b117",
        "0x95cED938F7991cd0dFcb48F0a06a40FA1aF46EBC",
        "0x3E5e9111Ae8eB78Fe1CC3bb8915d5D461F3Ef9A9",
        "0x28a8746e75304c0780E011BEd21C72cD78cd535E",
        "0xACa94ef8bD5ffEE41947b4585a84BdA5a3d3DA6E",
        "0x1dF62f291b2E969fB0849d99D9Ce41e2F137006e",
        "0x610Bb1573d1046FCb8A70Bbbd395754cD57C2b60",
        "0x855FA758c77D68a04990E992aA4dcdeF899F654A",
        "0xfA2435Eacf10Ca62ae6787ba2fB044f8733Ee843",
        "0x64E078A8Aa15A41B85890265648e965De686bAE6",
        "0x2F560290FEF1B3Ada194b6aA9c40aa71f8e95598",
        "0xf408f04F9b7691f7174FA2bb73ad6d45fD5d3CBe",
        "0x66FC63C2572bF3ADD0Fe5d44b97c2E614E35e9a3",
        "0xF0D5BC18421fa04D0a2A2ef540ba5A9f04014BE3",
        "0x325A621DeA613BCFb5B1A69a7aCED0ea4AfBD73A",
        "0x3fD652C93dFA333979ad762Cf581Df89BaBa6795",
    }
)
