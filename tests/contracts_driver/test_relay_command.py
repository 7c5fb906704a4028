"""`chainfleet oracle relay` and `grant`, as an operator runs them."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
import urllib.request

import pytest
from eth_account import Account
from typer.testing import CliRunner

from chainfleet.cli.oracle import app
from chainfleet.model.errors import InputError, TaskFailed

FLEET = """\
name: chain-138
network:
  chain_id: 138
regions: [northeurope, westeurope]
contracts:
  chains:
    - {{name: mainnet, chain_id: 1, rpc_url: "{mainnet}"}}
    - {{name: chain-138, chain_id: 138, rpc_url: "{besu}"}}
"""


@pytest.fixture
def operator(world, tmp_path):
    """A fleet file, a state folder and both contracts; the admin is the deployer."""
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(FLEET.format(mainnet=world.mainnet.url, besu=world.besu.url))
    world.workspace = tmp_path / "state/workspace"
    for task in ("contracts/deploy/mainnet", "contracts/round/mainnet", "contracts/deploy/chain-138"):
        world.change(task)
    relayer = "0x" + secrets.token_hex(32)
    environ = {**os.environ, **world.environ, "RELAYER_KEY": relayer, "PYTHONUNBUFFERED": "1"}
    world.relayer = Account.from_key(relayer).address

    def command(*words):
        words = ["oracle", words[0], str(fleet), "--state", str(tmp_path / "state"), *words[1:]]
        return [sys.executable, "-c", "from chainfleet.cli.main import main; main()", *words]

    def run(*words):
        """In this process, which has everything imported; what is raised is what the operator is shown."""
        result = CliRunner().invoke(app, command(*words)[4:], env=environ)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.output

    world.run = run
    world.refused = lambda *words: subprocess.run(
        command(*words), env=environ, capture_output=True, text=True, timeout=60
    )
    world.spawn = lambda *words: subprocess.Popen(
        command(*words), env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return world


RELAY = ("relay", "--from", "mainnet", "--to", "chain-138", "--key", "${RELAYER_KEY}")


def test_grant_then_relay_once(operator):
    with pytest.raises(TaskFailed) as caught:
        operator.run(*RELAY, "--once")
    assert (
        f"chainfleet oracle grant FLEET --chain chain-138 --account {operator.relayer}"
        in caught.value.way_out
    )
    operator.run("grant", "--chain", "chain-138", "--account", operator.relayer)
    assert "already" in operator.run("grant", "--chain", "chain-138", "--account", operator.relayer)
    assert "round 1 = 300000000000 is on chain-138" in operator.run(*RELAY, "--once")
    assert "done: 0 rounds" in operator.run(*RELAY, "--once")


def test_it_runs_until_it_is_told_to_stop_and_tells_metrics(operator):
    operator.run("grant", "--chain", "chain-138", "--account", operator.relayer)
    relay = operator.spawn(*RELAY, "--interval", "0.1", "--metrics-port", "0")
    try:
        url = re.search(r"http://\S+", relay.stdout.readline()).group(0)
        for _ in range(200):
            text = urllib.request.urlopen(url, timeout=60).read().decode()
            if "chainfleet_relay_target_round 1" in text:
                break
            time.sleep(0.05)
        assert "chainfleet_relay_lag_rounds 0" in text
        second = operator.refused(*RELAY)
        assert second.returncode == 5
        assert "another relayer" in second.stderr
    finally:
        relay.send_signal(signal.SIGTERM)
        output, _ = relay.communicate(timeout=60)
    assert relay.returncode == 0, output
    assert json.loads((operator.workspace / "contracts/addresses.json").read_text())


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        (("relay", "--from", "mainnet", "--to", "mainnet"), InputError, "relayed to itself"),
        (("relay", "--from", "mainnet", "--to", "mars"), TaskFailed, "no chain `mars`"),
        (("grant", "--chain", "chain-138", "--account", "0x12"), InputError, "no address"),
        (
            ("relay", "--from", "mainnet", "--to", "chain-138", "--ccip-selector", "7"),
            InputError,
            "speak CCIP",
        ),
    ],
)
def test_wrong_words_are_told(operator, words, error, match):
    with pytest.raises(error, match=match):
        operator.run(*words)
