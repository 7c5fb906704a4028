"""A node takes its configuration as strictly as Besu does, and answers as it does."""

from __future__ import annotations

import json
from typing import Any

import pytest

NORTH, WEST = "northeurope", "westeurope"


async def crash_message(net: Any) -> str:
    async def looping() -> bool:
        state = (await net.container(NORTH, 0)).get("state", {})
        return bool(state.get("waiting", {}).get("reason") == "CrashLoopBackOff")

    await net.until(looping)
    return str(await net.log(NORTH, 0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"miner-enabled": True}, "Unknown option in TOML configuration file: miner-enabled"),
        ({"rpc-http-api": ["ETH", "EEA"]}, "invalid entries found ['EEA']"),
        ({"p2p-host": "node.example.com"}, "The provided --p2p-host is invalid"),
        ({"genesis-file": "/etc/besu/genesis/none.json"}, "Unable to load genesis file"),
        ({"p2p-port": "abc"}, "Invalid value for option '--p2p-port'"),
        ({"node-private-key-file": "/secrets/other"}, "Cannot store generated private key"),
    ],
)
def test_a_wrong_configuration_ends_in_a_crash_loop(
    network: Any, run: Any, options: dict[str, Any], message: str
) -> None:
    async def scenario() -> None:
        async with network() as net:
            await net.validator(NORTH, 0, **options)
            assert message in await crash_message(net)

    run(scenario())


def test_a_key_that_is_not_mounted_makes_a_silent_stranger(network: Any, run: Any) -> None:
    async def scenario() -> None:
        async with network() as net:
            # A path on the node's own disk: Besu makes a key there and says so only in its log.
            await net.validator(NORTH, 0, **{"node-private-key-file": "/data/missing"})
            found = await net.until(lambda: ask(net, "admin_nodeInfo"))
            assert found["id"] != net.keys[NORTH, 0].public_key().hex()
            assert "Generated new secp256k1 public key" in await net.log(NORTH, 0)
            assert await ask(net, "eth_mining") is False

    async def ask(net: Any, method: str) -> Any:
        path = "/api/v1/namespaces/besu/pods/validator-0-0:8545/proxy/"
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": []}
        status, answer = await net.call(NORTH, "POST", path, body)
        return answer.get("result") if status == 200 else None

    run(scenario())


def test_another_genesis_on_the_same_disk_is_refused(network: Any, run: Any) -> None:
    async def scenario() -> None:
        async with network() as net:
            await net.validator(NORTH, 0)
            await net.validator(NORTH, 1)

            async def up() -> bool:
                return bool((await net.container(NORTH, 0)).get("ready"))

            await net.until(up)
            other = net.genesis()
            other["gasLimit"] = "0x47b760"
            await net.config_map(NORTH, "besu-genesis", {"genesis.json": json.dumps(other)})
            await net.call(NORTH, "DELETE", "/api/v1/namespaces/besu/pods/validator-0-0")
            assert "Supplied genesis block does not match chain data" in await crash_message(net)

    run(scenario())


def test_nodes_of_another_genesis_or_without_a_way_in_are_no_peers(network: Any, run: Any) -> None:
    async def scenario() -> None:
        async with network() as net:
            other = net.genesis()
            other["gasLimit"] = "0x47b760"
            await net.config_map(WEST, "besu-genesis", {"genesis.json": json.dumps(other)})
            await net.all_validators()

            async def counts() -> bool:
                found = [await net.rpc(r, i, "net_peerCount") for r, i in net.keys]
                return found == ["0x1"] * 4

            await net.until(counts)
            hashes = {
                (await net.rpc(r, 0, "eth_getBlockByNumber", "0x0", False))["hash"] for r in (NORTH, WEST)
            }
            assert len(hashes) == 2
            for index in range(2):
                await net.call(NORTH, "DELETE", f"/api/v1/namespaces/besu/services/validator-{index}-p2p")

            async def alone() -> bool:
                return await readiness(net, NORTH, 0) == (503, {"status": "DOWN"})

            await net.until(alone)

    run(scenario())


async def readiness(net: Any, region: str, index: int, query: str = "?minPeers=1") -> tuple[int, Any]:
    path = f"/api/v1/namespaces/besu/pods/validator-{index}-0:8545/proxy/readiness{query}"
    found: tuple[int, Any] = await net.call(region, "GET", path)
    return found


def test_apis_hosts_health_and_metrics(network: Any, run: Any) -> None:
    async def scenario() -> None:
        async with network() as net:
            for region, index in net.keys:
                await net.validator(region, index, **{"rpc-http-api": ["ETH", "NET"]})
            await net.until(net.all_ready)
            assert await net.rpc(NORTH, 0, "eth_nope") == {"code": -32601, "message": "Method not found"}
            disabled = await net.rpc(NORTH, 0, "admin_peers")
            assert disabled == {"code": -32604, "message": "Method not enabled"}
            assert await readiness(net, NORTH, 0, "?minPeers=3") == (200, {"status": "UP"})
            assert (await readiness(net, NORTH, 0, "?minPeers=4"))[0] == 503
            assert (await readiness(net, NORTH, 0, "?minPeers=x"))[0] == 503
            batch = [{"jsonrpc": "2.0", "id": i, "method": "net_version"} for i in range(2)]
            path = "/api/v1/namespaces/besu/services/validator-0:8545/proxy/"
            _, answers = await net.call(NORTH, "POST", path, batch)
            assert [a["result"] for a in answers] == ["138", "138"]
            path = "/api/v1/namespaces/besu/services/validator-0:metrics/proxy/metrics"
            _, metrics = await net.call(NORTH, "GET", path)
            assert "ethereum_peer_count 3.0" in metrics
            assert 'process_release{version="besu/v26.8.0"} 1' in metrics

    run(scenario())


def test_a_narrow_host_list_refuses_the_probe(network: Any, run: Any) -> None:
    async def scenario() -> None:
        async with network() as net:
            await net.validator(NORTH, 0, **{"host-allowlist": ["localhost"]})

            async def refused() -> bool:
                return (await readiness(net, NORTH, 0))[0] == 403

            await net.until(refused)
            assert not (await net.container(NORTH, 0))["ready"]

    run(scenario())


def test_clusters_and_chain_survive_a_restart(network: Any, run: Any, tmp_path: Any) -> None:
    kept: dict[str, Any] = {}

    async def first() -> None:
        async with network(start=True) as net:

            async def moving() -> bool:
                return bool(await net.head() >= 5)

            await net.until(moving)
            kept["block"] = await net.rpc(NORTH, 0, "eth_getBlockByNumber", "0x4", False)
            kept["head"] = await net.head()
            kept["state"] = json.loads(json.dumps([net.clusters.dump(), net.besu.dump()]))
            blocks = kept["state"][1]["chains"][net.genesis_hash()]["blocks"]
            kept["newest"] = (len(blocks), blocks[-1][0])
            kept["token"] = net.endpoints[NORTH].token
            kept["now"] = net.clock.now()

    async def second() -> None:
        from besu_network import Network

        net = Network(tmp_path)
        net.clock.restart_at(kept["now"])
        net.clusters.load(kept["state"][0])
        net.besu.load(kept["state"][1])
        try:
            await net.clusters.start()
            await net.open()
            assert net.endpoints[NORTH].token == kept["token"]

            async def answers() -> bool:
                return bool(await net.head() >= kept["head"])

            await net.until(answers)
            again = await net.rpc(NORTH, 0, "eth_getBlockByNumber", "0x4", False)
            assert {k: v for k, v in again.items() if k != "extraData"} == {
                k: v for k, v in kept["block"].items() if k != "extraData"
            }
            height, digest = kept["newest"]
            newest = await net.rpc(NORTH, 0, "eth_getBlockByNumber", hex(height), False)
            assert newest["hash"] == "0x" + digest
            assert (await net.container(NORTH, 0))["restartCount"] == 0

            async def further() -> bool:
                return bool(await net.head() > kept["head"] + 2)

            await net.until(further)
        finally:
            await net.close()

    run(first())
    run(second())
