"""The tasks that need no cluster: keys, genesis and peer list of the whole network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.model.besu.extra_data import Codec, decode_extra_data
from chainfleet.model.besu.genesis_block import GenesisBlock, genesis_block
from chainfleet.model.besu.identity import neighbours
from chainfleet.model.besu.text import read_hex
from chainfleet.model.errors import ErrorClass, InputError, TaskFailed

from . import artefacts
from .files import read_text, write_text
from .genesis import build_genesis, changed_rules, genesis_text
from .keys import KeyStore, system_randomness, validators_of
from .peers import enodes, static_nodes_text


class KeysTask:
    """`besu/keys/network`: every validator has a key, made once."""

    async def observe(self, attempt: Attempt) -> Outcome | None:
        """Return the outcome if every validator has its key already."""
        store = KeyStore.of(attempt.workspace, attempt.environ)
        known = {(v.region, v.index) for v in store.validators()}
        if not set(validators_of(attempt.fleet)) <= known:
            return None
        return await self._ensure(attempt, store)

    async def change(self, attempt: Attempt) -> Outcome:
        """Make the keys that are missing."""
        return await self._ensure(attempt, KeyStore.of(attempt.workspace, attempt.environ))

    async def undo(self, attempt: Attempt) -> Outcome:
        """Keep the keys: they are the network's identity, and only the operator may throw them away."""
        attempt.log("keys are kept; delete the workspace's folder besu/keys to be rid of them")
        return Outcome({}, changed=False)

    async def _ensure(self, attempt: Attempt, store: KeyStore) -> Outcome:
        before = len(store.validators())
        wanted = validators_of(attempt.fleet)
        # In a thread: encrypting 48 keys takes seconds, and other regions must go on meanwhile.
        found = await asyncio.to_thread(store.ensure, wanted, system_randomness)
        region_of = {v.address: v.region for v in found}
        for first, second in (
            neighbours(sorted(region_of), region_of) if len(set(region_of.values())) > 1 else ()
        ):
            attempt.log(f"{first} and {second} of one region are neighbours in the proposer order")
        made = len(store.validators()) - before
        attempt.log(f"{len(found)} validators, {made} new keys")
        return Outcome({"validators": [asdict(v) for v in found]}, changed=made > 0)


class GenesisTask:
    """`besu/genesis/network`: the genesis is written once; its hash is the network's identity."""

    async def observe(self, attempt: Attempt) -> Outcome | None:
        """Return the outcome if the genesis is as the fleet wants it."""
        text = read_text(artefacts.genesis_path(attempt.workspace))
        if text is None or text != genesis_text(self._wanted(attempt, text)):
            return None
        return self._outcome(json.loads(text), changed=False)

    async def change(self, attempt: Attempt) -> Outcome:
        """Write the genesis, or what of an existing one may still change.

        Raises:
            TaskFailed: the fleet asks for another block 0, or for other rules from block 0 on, than the network has.
        """
        path = artefacts.genesis_path(attempt.workspace)
        before = read_text(path)
        wanted = self._wanted(attempt, before)
        block = genesis_block(wanted)
        if before is not None:
            _refuse_another(json.loads(before), wanted, block)
        attempt.fence()
        changed = write_text(path, genesis_text(wanted))
        attempt.log(f"genesis {block.hash}")
        return self._outcome(wanted, changed=changed)

    async def undo(self, attempt: Attempt) -> Outcome:
        """Delete the genesis: with the network gone, the next one may have another."""
        attempt.fence()
        path = artefacts.genesis_path(attempt.workspace)
        existed = path.exists()
        path.unlink(missing_ok=True)
        return Outcome({}, changed=existed)

    def _wanted(self, attempt: Attempt, existing: str | None) -> dict[str, Any]:
        """Build the genesis; the validators of an existing one stay, new ones come by votes."""
        addresses = [v.address for v in artefacts.validators(attempt)]
        if existing is not None:
            try:
                codec = Codec.of(attempt.fleet.network.consensus)
                data = read_hex(json.loads(existing)["extraData"], "extraData")
                addresses = list(decode_extra_data(data, codec).validators)
            except (ValueError, KeyError, InputError) as error:
                message = f"the genesis in the workspace can't be read: {error}"
                raise TaskFailed(
                    ErrorClass.CONFIGURATION, message, way_out="restore besu/genesis.json"
                ) from error
        return build_genesis(attempt.fleet, addresses)

    def _outcome(self, genesis: Mapping[str, Any], *, changed: bool) -> Outcome:
        block = genesis_block(genesis)
        outputs = {
            "genesis_hash": block.hash,
            "state_root": block.state_root,
            "extra_data": genesis["extraData"],
        }
        return Outcome(outputs, changed=changed)


class PeersTask:
    """`besu/peers/network`: one peer list for all, from the addresses that were allocated."""

    async def observe(self, attempt: Attempt) -> Outcome | None:
        """Return the outcome if the list is right already."""
        urls, missing = self._wanted(attempt)
        if read_text(artefacts.static_nodes_path(attempt.workspace)) != static_nodes_text(urls):
            return None
        return Outcome({"enodes": urls, "missing": missing}, changed=False)

    async def change(self, attempt: Attempt) -> Outcome:
        """Write the list."""
        urls, missing = self._wanted(attempt)
        attempt.fence()
        changed = write_text(artefacts.static_nodes_path(attempt.workspace), static_nodes_text(urls))
        if missing:
            attempt.log(f"without addresses, so not on the list: {', '.join(missing)}")
        attempt.log(f"{len(urls)} peers")
        return Outcome({"enodes": urls, "missing": missing}, changed=changed)

    async def undo(self, attempt: Attempt) -> Outcome:
        """Delete the list."""
        attempt.fence()
        path = artefacts.static_nodes_path(attempt.workspace)
        existed = path.exists()
        path.unlink(missing_ok=True)
        return Outcome({}, changed=existed)

    def _wanted(self, attempt: Attempt) -> tuple[list[str], list[str]]:
        # A region whose network failed must not keep the others from meeting.
        addresses = artefacts.allocated_addresses(attempt.fleet, attempt)
        known = artefacts.validators(attempt)
        present = [v for v in known if v.region in addresses]
        if not present:
            raise TaskFailed(
                ErrorClass.CONFIGURATION,
                "no region has addresses yet",
                way_out="deploy the networks first: `chainfleet retry FLEET infrastructure`",
            )
        missing = sorted({v.region for v in known} - set(addresses))
        return enodes(present, addresses, attempt.fleet.network.p2p_port), missing


def _refuse_another(before: Mapping[str, Any], wanted: Mapping[str, Any], block: GenesisBlock) -> None:
    """Raise TaskFailed where the fleet wants another genesis than the network began with."""
    old = genesis_block(before)
    fields = [key for key in wanted if key != "config" and wanted[key] != before.get(key)]
    # The hash covers none of `config`, and Besu starts with whatever it says.
    fields += changed_rules(before["config"], wanted["config"])
    if old.hash == block.hash and not fields:
        return
    asked = f"genesis {block.hash}, the network has {old.hash}" if old.hash != block.hash else "other rules"
    raise TaskFailed(
        ErrorClass.CONFIGURATION,
        f"the fleet asks for {asked}; different: {', '.join(fields)}",
        fingerprint="besu:other-genesis",
        way_out="put the fleet back, or destroy the network first",
    )
