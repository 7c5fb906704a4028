"""Node keys of a network's validators, kept in one folder and never made twice.

With a password every key is an encrypted keystore (version 3); without one it is a file that only its
owner may read. `validators.json` beside them holds what is public, so that a lost key is noticed and
most work needs no secret at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chainfleet.model.besu.identity import PrivateKey, address_of, neighbours, read_key_file, read_public_key
from chainfleet.model.besu.text import read_address
from chainfleet.model.errors import EnvironmentProblem, InputError
from chainfleet.model.fleet import Fleet
from chainfleet.model.variables import Variable

from .files import make_private_folder, read_text, write_private, write_text

PASSWORD_VARIABLE = Variable.KEYSTORE_PASSWORD
_SCRYPT_WORK_FACTOR = 2**14
"""16 MiB and about 50 ms per key: 48 keys are read in seconds. The password is the operator's secret
manager's, long and random, not one that a person types (keystores for those use 2^18)."""
_REROLLS = 10_000

Randomness = Callable[[int], bytes]
"""Returns that many bytes fit for keys, as `os.urandom` does."""


@dataclass(frozen=True, slots=True)
class Validator:
    """What is public of a validator.

    Attributes:
        region: name of its region.
        index: which of the region's validators, from 0.
        address: `0x` and 40 lower-case hex digits.
        public_key: 128 hex digits, X then Y.
    """

    region: str
    index: int
    address: str
    public_key: str

    @property
    def name(self) -> str:
        """`region-index`, as tasks name it."""
        return f"{self.region}-{self.index}"


class KeyStore:
    """The keys of one environment.

    Args:
        folder: where they lie; made with mode 0700.
        password: encrypts them; None leaves them in files of mode 0600.
    """

    def __init__(self, folder: Path, password: str | None = None) -> None:
        self._folder = folder
        self._password = password

    @classmethod
    def of(cls, workspace: Path, environ: Mapping[str, str]) -> KeyStore:
        """Return the key store of an environment's workspace."""
        return cls(workspace / "besu" / "keys", environ.get(PASSWORD_VARIABLE) or None)

    def validators(self) -> tuple[Validator, ...]:
        """Return whom there are keys for, as `validators.json` says; empty before any was made."""
        text = read_text(self._roster)
        if text is None:
            return ()
        try:
            return tuple(_read_validator(row) for row in json.loads(text))
        except (ValueError, TypeError, KeyError, InputError) as error:
            raise InputError(
                f"{self._roster}: not a list of validators ({error})",
                way_out="restore the file from a copy of the state folder",
            ) from error

    def ensure(self, wanted: Iterable[tuple[str, int]], randomness: Randomness) -> tuple[Validator, ...]:
        """Return the validators wanted, making keys for those that have none yet.

        Args:
            wanted: region and index of each validator.
            randomness: source of new keys.

        Raises:
            InputError: a key that was made before is gone or is not the one it was.
        """
        known = {(v.region, v.index): v for v in self.validators()}
        places = list(wanted)
        self._check_present(known[place] for place in places if place in known)
        missing = [place for place in places if place not in known]
        fresh = _roll(missing, [known[place] for place in places if place in known], randomness)
        for place, key in fresh.items():
            known[place] = self._keep(place, key)
        if fresh:
            self._write_roster(known.values())
        return tuple(known[place] for place in places)

    def add(self, region: str, index: int, key: PrivateKey) -> Validator:
        """Take over an existing key.

        Raises:
            InputError: the place has another key, or the key serves another validator.
        """
        known = {(v.region, v.index): v for v in self.validators()}
        address = key.address()
        for place, other in known.items():
            if place == (region, index) and other.address != address:
                raise InputError(
                    f"{other.name} already has the key of {other.address}",
                    way_out="give each validator a key of its own",
                )
            if place != (region, index) and other.address == address:
                raise InputError(
                    f"the key of {address} already serves {other.name}",
                    way_out="give each validator a key of its own",
                )
        if (region, index) not in known:
            known[region, index] = self._keep((region, index), key)
            self._write_roster(known.values())
        return known[region, index]

    def retire(self, region: str, index: int) -> Validator:
        """Put a validator's key away, in the folder `retired`: the next deployment makes a new one.

        Raises:
            InputError: there is no such validator.
        """
        known = {(v.region, v.index): v for v in self.validators()}
        gone = known.pop((region, index), None)
        if gone is None:
            raise InputError(
                f"there is no key of {region}-{index} in {self._folder}",
                way_out="`validators.json` there lists whose keys there are",
            )
        retired = self._folder / "retired"
        make_private_folder(retired)
        # The roster first: a key without an entry is nobody's, an entry without its key is an error.
        self._write_roster(known.values())
        for path in self._paths(region, index):
            if path.exists():
                path.replace(retired / f"{gone.address}{path.suffix}")
        return gone

    def key(self, validator: Validator) -> PrivateKey:
        """Return a validator's key.

        Raises:
            InputError: it is gone, damaged or another validator's.
            EnvironmentProblem: it is encrypted and there is no password.
        """
        key = self._read(validator)
        if key.address() != validator.address:
            raise InputError(
                f"the key of {validator.name} is not the one of {validator.address}",
                way_out="take the key that belongs to the address, or remove the address from the roster",
            )
        return key

    @property
    def _roster(self) -> Path:
        return self._folder / "validators.json"

    def _paths(self, region: str, index: int) -> tuple[Path, Path]:
        return self._folder / f"{region}-{index}.json", self._folder / f"{region}-{index}.key"

    def _check_present(self, validators: Iterable[Validator]) -> None:
        for validator in validators:
            if not any(path.exists() for path in self._paths(validator.region, validator.index)):
                message = f"the key of {validator.name} ({validator.address}) is gone from {self._folder}"
                raise InputError(message, way_out="restore it from a backup: a new key is a new validator")

    def _keep(self, place: tuple[str, int], key: PrivateKey) -> Validator:
        make_private_folder(self._folder)
        encrypted, plain = self._paths(*place)
        # A file that a run left which was cut off before the roster was written is nobody's key.
        if self._password is None:
            encrypted.unlink(missing_ok=True)
            write_private(plain, key.key_file_text())
        else:
            plain.unlink(missing_ok=True)
            write_private(encrypted, json.dumps(_encrypt(key, self._password)))
        public_key = key.public_key()
        return Validator(place[0], place[1], address_of(public_key), public_key.hex())

    def _read(self, validator: Validator) -> PrivateKey:
        encrypted, plain = self._paths(validator.region, validator.index)
        text = read_text(plain)
        if text is not None:
            return read_key_file(text, str(plain))
        text = read_text(encrypted)
        if text is None:
            raise InputError(
                f"there is no key of {validator.name} in {self._folder}",
                way_out="run `chainfleet deploy FLEET` from where the keys were made, or restore that folder",
            )
        if self._password is None:
            message = f"the key of {validator.name} is encrypted"
            raise EnvironmentProblem(message, way_out=f"set {PASSWORD_VARIABLE}")
        return _decrypt(text, self._password, encrypted)

    def _write_roster(self, validators: Iterable[Validator]) -> None:
        rows = [asdict(v) for v in sorted(validators, key=lambda v: (v.region, v.index))]
        write_text(self._roster, json.dumps(rows, indent=2) + "\n")


def validators_of(fleet: Fleet) -> tuple[tuple[str, int], ...]:
    """Return region and index of every validator that the fleet declares."""
    return tuple((region.name, i) for region in fleet.regions for i in range(fleet.validators_of(region)))


def _roll(
    missing: list[tuple[str, int]], existing: list[Validator], randomness: Randomness
) -> dict[tuple[str, int], PrivateKey]:
    """Make keys such that no two validators of one region are neighbours in the proposer order.

    Two neighbours of a lost region cost one round timer and then a doubled one at the same height.
    """
    keys = {place: _new_key(randomness) for place in missing}
    region_of = {v.address: v.region for v in existing} | {k.address(): p[0] for p, k in keys.items()}
    if len(set(region_of.values())) < 2 or _crowded(region_of):
        return keys
    for _ in range(_REROLLS):
        pairs = neighbours(sorted(region_of), region_of)
        again = next((p for p, k in keys.items() for pair in pairs if k.address() in pair), None)
        if again is None:
            return keys
        del region_of[keys[again].address()]
        keys[again] = _new_key(randomness)
        region_of[keys[again].address()] = again[0]
    return keys


def _crowded(region_of: Mapping[str, str]) -> bool:
    """Whether one region has so many that some must be neighbours whatever their addresses are."""
    regions = list(region_of.values())
    return max(regions.count(name) for name in set(regions)) * 2 > len(regions)


def _new_key(randomness: Randomness) -> PrivateKey:
    while True:
        try:
            return PrivateKey(randomness(32))
        except InputError:
            continue  # once in 2^128: above the order of the curve


def _encrypt(key: PrivateKey, password: str) -> dict[str, Any]:
    from eth_keyfile.keyfile import create_keyfile_json

    secret: Any = (
        password.encode()
    )  # declared as text, but text is hashed as Latin-1 there: other tools use UTF-8
    return dict(create_keyfile_json(key.secret, secret, kdf="scrypt", iterations=_SCRYPT_WORK_FACTOR))


def _decrypt(text: str, password: str, path: Path) -> PrivateKey:
    from eth_keyfile.keyfile import decode_keyfile_json

    secret: Any = password.encode()  # see `_encrypt`
    try:
        return PrivateKey(bytes(decode_keyfile_json(json.loads(text), secret)))
    except (ValueError, KeyError, TypeError) as error:
        reason = "the password is wrong" if "MAC" in str(error) else "it is damaged"
        raise InputError(
            f"{path}: the keystore can't be opened, {reason}",
            way_out="check the password that CHAINFLEET_KEYSTORE_PASSWORD or …_FILE names",
        ) from None


def _read_validator(row: Mapping[str, Any]) -> Validator:
    public_key = read_public_key(row["public_key"])
    validator = Validator(
        str(row["region"]), int(row["index"]), read_address(row["address"], "address"), public_key.hex()
    )
    if address_of(public_key) != validator.address:
        raise InputError(
            f"{validator.name}: address and public key don't belong together",
            way_out="give the public key of that address",
        )
    return validator


system_randomness: Randomness = os.urandom
"""The operating system's randomness."""
