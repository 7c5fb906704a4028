"""Requests for block explorers: written for every deployment, sent where an address is set."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import pytest

from chainfleet.drivers.contracts.addresses import AddressBook
from chainfleet.drivers.contracts.explorers import requests_for

DEPLOY = "contracts/deploy/mainnet"


@pytest.fixture
def explorer():
    """An explorer that takes whatever is sent and remembers it."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            seen.append((self.path, self.headers["content-type"], body))
            self.send_response(202)
            self.end_headers()
            self.wfile.write(b'{"verificationId":"1"}')

        def log_message(self, *args):
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_each_explorer_gets_a_file_with_the_exact_input(world):
    outputs = world.change(DEPLOY).outputs
    folder = world.workspace / "contracts/verification/mainnet"
    files = {path.stem: json.loads(path.read_text()) for path in folder.iterdir()}
    assert set(files) == {"sourcify", "etherscan", "blockscout"}
    source = json.loads(files["etherscan"]["fields"]["sourceCode"])
    assert source == files["sourcify"]["fields"]["stdJsonInput"]
    assert source["settings"]["evmVersion"] == "paris"
    assert files["sourcify"]["path"] == f"/v2/verify/1/{outputs['address']}"
    assert files["sourcify"]["fields"]["compilerVersion"] == "0.8.37+commit.f401782d"
    assert files["sourcify"]["fields"]["contractIdentifier"] == "src/Aggregator.sol:Aggregator"
    assert files["sourcify"]["fields"]["creationTransactionHash"] == outputs["transaction"]


def test_the_constructor_arguments_are_those_of_the_transaction(world):
    outputs = world.change(DEPLOY).outputs
    sent = world.mainnet.call("eth_getTransactionByHash", outputs["transaction"])["input"]
    fields = json.loads((world.workspace / "contracts/verification/mainnet/etherscan.json").read_text())[
        "fields"
    ]
    assert fields["constructorArguements"]
    assert sent.endswith(fields["constructorArguements"])


def test_requests_are_sent_where_an_address_is_set(world, explorer):
    address, seen = explorer
    world.environ |= {
        "CHAINFLEET_SOURCIFY_URL": address,
        "CHAINFLEET_ETHERSCAN_URL": address,
        "CHAINFLEET_ETHERSCAN_KEY": "a-secret",
        "CHAINFLEET_BLOCKSCOUT_URL": address + "/",
    }
    world.change(DEPLOY)
    paths = [urlparse(path) for path, _, _ in seen]
    kinds = [kind.split(";")[0] for _, kind, _ in seen]
    assert kinds == ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
    assert parse_qs(paths[1].query) == {
        "chainid": ["1"],
        "module": ["contract"],
        "action": ["verifysourcecode"],
        "apikey": ["a-secret"],
    }
    assert parse_qs(seen[1][2].decode())["contractname"] == ["src/Aggregator.sol:Aggregator"]
    assert b'name="files[0]"' in seen[2][2]
    assert any("sourcify: 202" in line for line in world.lines)
    assert "a-secret" not in "".join(world.lines)
    world.change(DEPLOY)
    assert len(seen) == 3


def test_an_explorer_that_is_down_fails_nothing(world):
    world.environ["CHAINFLEET_SOURCIFY_URL"] = "http://127.0.0.1:1"
    assert world.change(DEPLOY).changed
    assert any("sourcify was not sent" in line for line in world.lines)


def test_source_of_another_build_is_not_offered(world):
    from dataclasses import replace

    world.change(DEPLOY)
    book = AddressBook(world.workspace / "contracts/addresses.json")
    record = book.of("mainnet", 1)
    assert len(requests_for(record)) == 3
    with pytest.raises(ValueError, match="another build"):
        requests_for(replace(record, bytecode_hash="0"))
