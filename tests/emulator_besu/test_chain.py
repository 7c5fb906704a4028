"""The chain: blocks only with a quorum, real headers and seals, a real EVM, votes."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import coincurve
from eth_account import Account
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.middleware import ExtraDataToPOAMiddleware

from chainfleet.emulator.seams import Fault, FaultKind
from chainfleet.model.besu import rlp
from chainfleet.model.besu.extra_data import ExtraData, decode_extra_data, encode_extra_data
from chainfleet.model.besu.hashing import keccak256
from chainfleet.model.besu.identity import address_of

NORTH, WEST = "northeurope", "westeurope"
# Returns block.number from its one function; the constructor logs block.number under topic 7.
NUMBER = "0x43600052600760206000a1600a8060176000396000f3fe4360005260206000f3"


def number(text: str) -> bytes:
    return rlp.encode_integer(int(text, 16))


def header(block: dict[str, Any], extra: bytes) -> list[Any]:
    fields = [bytes.fromhex(block[n][2:]) for n in ("parentHash", "sha3Uncles", "miner", "stateRoot")]
    fields += [bytes.fromhex(block[n][2:]) for n in ("transactionsRoot", "receiptsRoot", "logsBloom")]
    fields += [number(block[n]) for n in ("difficulty", "number", "gasLimit", "gasUsed", "timestamp")]
    fields += [extra, bytes.fromhex(block["mixHash"][2:]), bytes(8), number(block["baseFeePerGas"])]
    return [*fields, bytes.fromhex(block["withdrawalsRoot"][2:]), b"", b"", bytes(32)]


def check_block(block: dict[str, Any], quorum: int) -> ExtraData:
    """Check hash and seals of a block as a light client would."""
    extra = decode_extra_data(bytes.fromhex(block["extraData"][2:]))
    bare = ExtraData(extra.validators, extra.vanity, extra.vote, 0, ())
    assert keccak256(rlp.encode(header(block, encode_extra_data(bare)))).hex() == block["hash"][2:]
    sealed = ExtraData(extra.validators, extra.vanity, extra.vote, extra.round, ())
    digest = keccak256(rlp.encode(header(block, encode_extra_data(sealed))))
    signers = set()
    for seal in extra.seals:
        key = coincurve.PublicKey.from_signature_and_message(seal, digest, hasher=None)
        signers.add(address_of(key.format(compressed=False)[1:]))
    assert len(signers) == len(extra.seals) >= quorum
    assert signers <= set(extra.validators)
    assert block["miner"] in extra.validators
    return extra


def test_every_node_has_one_chain_with_true_hashes_and_seals(network: Any, run: Any) -> None:
    async def scenario() -> None:
        async with network(start=True) as net:
            await net.until(lambda: reached(net, 6))
            blocks = [await net.rpc(NORTH, 0, "eth_getBlockByNumber", hex(n), False) for n in range(5)]
            assert blocks[0]["hash"] == net.genesis_hash()
            assert blocks[0]["extraData"] == net.genesis()["extraData"]
            proposers = []
            for before, block in itertools.pairwise(blocks):
                assert block["parentHash"] == before["hash"]
                assert int(block["timestamp"], 16) >= int(before["timestamp"], 16) + 5
                extra = check_block(block, quorum=3)
                assert list(extra.validators) == sorted(k.address() for k in net.keys.values())
                proposers.append(block["miner"])
            assert len(set(proposers)) == 4
            for region, index in net.keys:
                there = await net.rpc(region, index, "eth_getBlockByHash", blocks[4]["hash"], True)
                assert there == blocks[4]
                assert await net.rpc(region, index, "net_peerCount") == "0x3"

    run(scenario())


async def reached(net: Any, height: int, region: str = NORTH, index: int = 0) -> bool:
    return bool(await net.head(region, index) >= height)


def test_no_block_comes_without_a_quorum_and_they_come_again_with_it(network: Any, run: Any) -> None:
    async def scenario() -> None:
        async with network() as net:
            await net.validator(NORTH, 0)
            await net.validator(NORTH, 1)
            await net.until(lambda: peers(net, NORTH, 0, 1))
            await asyncio.sleep(0.3)  # 90 emulated seconds
            assert await net.head() == 0
            assert net.besu.stats()["chains"][0]["producing"] is False
            await net.validator(WEST, 0)
            await net.until(lambda: reached(net, 2))
            down = net.faults.add(Fault(FaultKind.VALIDATOR_DOWN, resource="westeurope-0"))
            net.clusters.faults_changed()
            await asyncio.sleep(0.05)
            stood = await net.head()
            await asyncio.sleep(0.3)
            assert await net.head() == stood
            assert net.besu.stats()["chains"][0]["round"] > 0
            net.faults.remove(down)
            await net.until(lambda: reached(net, stood + 2))

    run(scenario())


async def peers(net: Any, region: str, index: int, count: int) -> bool:
    return bool(await net.rpc(region, index, "net_peerCount") == hex(count))


def test_a_region_that_is_down_costs_its_proposers_turns(network: Any, run: Any) -> None:
    async def scenario() -> None:
        async with network(start=True) as net:
            await net.until(lambda: reached(net, 3))
            net.faults.add(Fault(FaultKind.VALIDATOR_DOWN, resource="westeurope-1"))
            net.clusters.faults_changed()
            start = await net.head()
            await net.until(lambda: reached(net, start + 8))
            rounds = []
            for height in range(start + 3, start + 8):
                block = await net.rpc(NORTH, 0, "eth_getBlockByNumber", hex(height), False)
                rounds.append(check_block(block, quorum=3).round)
            # One of four is dead: its turn goes to the next in round 1.
            assert set(rounds) == {0, 1}
            await net.until(lambda: peers(net, NORTH, 0, 2))

    run(scenario())


def test_contracts_run_and_see_the_chain_through_web3(network: Any, run: Any) -> None:
    async def scenario() -> None:
        async with network(start=True) as net:
            url = net.besu.endpoints()["northeurope/validator-0"]
            w3 = AsyncWeb3(AsyncHTTPProvider(url))
            w3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
            await net.until(lambda: reached(net, 3))
            account = Account.create()
            assert await w3.eth.chain_id == 138
            assert await w3.eth.gas_price == 0
            receipt = await deploy(w3, account)
            assert receipt.status == 1
            assert receipt.effectiveGasPrice == 0
            block = await w3.eth.get_block(receipt.blockNumber)
            assert block.hash == receipt.blockHash
            assert receipt.transactionHash in block.transactions
            await net.until(lambda: reached(net, receipt.blockNumber + 3))
            called = await w3.eth.call({"to": receipt.contractAddress})
            assert int(called.hex(), 16) >= receipt.blockNumber + 3
            again = await deploy(w3, account, nonce=1)
            assert again.blockNumber > receipt.blockNumber
            logs = await w3.eth.get_logs({"fromBlock": 0, "topics": ["0x" + "0" * 63 + "7"]})
            assert [entry.transactionHash for entry in logs] == [
                receipt.transactionHash,
                again.transactionHash,
            ]
            for entry in logs:
                assert int.from_bytes(entry.data, "big") == entry.blockNumber
            assert await w3.eth.get_transaction_count(account.address) == 2
            await w3.provider.disconnect()
            raw = await net.rpc(WEST, 1, "eth_getBlockByNumber", hex(receipt.blockNumber), False)
            check_block(raw, quorum=3)
            assert int(raw["gasUsed"], 16) == receipt.gasUsed

    run(scenario())


async def deploy(w3: Any, account: Any, nonce: int = 0) -> Any:
    signed = account.sign_transaction(
        {
            "chainId": 138,
            "nonce": nonce,
            "gas": 200_000,
            "maxFeePerGas": 0,
            "maxPriorityFeePerGas": 0,
            "value": 0,
            "data": NUMBER,
            "type": 2,
        }
    )
    digest = await w3.eth.send_raw_transaction(signed.raw_transaction)
    return await w3.eth.wait_for_transaction_receipt(digest, timeout=60, poll_latency=0.05)


def test_refusals_read_as_besus(network: Any, run: Any) -> None:
    async def scenario() -> None:
        async with network(start=True) as net:
            account = Account.create()

            async def send(**changes: Any) -> Any:
                fields = {
                    "chainId": 138,
                    "nonce": 0,
                    "gas": 50_000,
                    "gasPrice": 0,
                    "value": 0,
                    "to": account.address,
                }
                raw = account.sign_transaction({**fields, **changes}).raw_transaction
                return await net.rpc(NORTH, 0, "eth_sendRawTransaction", "0x" + bytes(raw).hex())

            await net.until(lambda: reached(net, 1))
            digest = await send()
            assert (await send())["message"] in ("Known transaction", "Nonce too low")

            async def mined() -> Any:
                return await net.rpc(NORTH, 0, "eth_getTransactionReceipt", digest)

            await net.until(mined)
            assert await send() == {"code": -32001, "message": "Nonce too low"}
            poor = await send(nonce=1, value=10**18)
            assert poor == {"code": -32004, "message": "Upfront cost exceeds account balance"}
            assert (await send(nonce=1, chainId=5))["message"] == "Wrong chainId"
            assert (await send(nonce=1, gas=40_000_000))["code"] == -32005
            assert (await net.rpc(NORTH, 0, "eth_sendRawTransaction", "0x1234"))["code"] == -32602
            reverted = await net.rpc(NORTH, 0, "eth_call", {"data": "0x60006000fd"}, "latest")
            assert reverted == {"code": 3, "message": "Execution reverted", "data": "0x"}
            assert (await net.rpc(NORTH, 0, "eth_getBalance"))["code"] == -32602
            assert (await net.rpc(NORTH, 0, "eth_call", {}, "0xffffff"))["message"] == "Unknown block"

    run(scenario())


def test_a_majority_of_votes_removes_a_validator(network: Any, run: Any) -> None:
    async def scenario() -> None:
        async with network(start=True) as net:
            await net.until(lambda: reached(net, 1))
            out = net.keys[WEST, 1].address()
            for region, index in ((NORTH, 0), (NORTH, 1)):
                assert await net.rpc(region, index, "qbft_proposeValidatorVote", out, False) is True
            assert await net.rpc(NORTH, 0, "qbft_getPendingVotes") == {out: False}
            start = await net.head()
            await net.until(lambda: reached(net, start + 6))
            assert out in await net.rpc(NORTH, 0, "qbft_getValidatorsByBlockNumber", "latest")
            await net.rpc(WEST, 0, "qbft_proposeValidatorVote", out, False)

            async def removed() -> bool:
                return out not in await net.rpc(NORTH, 0, "qbft_getValidatorsByBlockNumber", "latest")

            await net.until(removed)
            assert out in await net.rpc(NORTH, 0, "qbft_getValidatorsByBlockNumber", hex(start))
            head = await net.head()
            await net.until(lambda: reached(net, head + 4))
            block = await net.rpc(NORTH, 0, "eth_getBlockByNumber", "latest", False)
            assert len(check_block(block, quorum=2).validators) == 3

    run(scenario())
