"""`chainfleet besu …` as a person runs it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from chainfleet.cli.besu import app
from chainfleet.model.errors import ChainfleetError


def run(*arguments, text=""):
    result = CliRunner().invoke(app, list(arguments), input=text)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_extra_data_goes_both_ways(vectors, tmp_path):
    for vector in vectors["extra_data"]:
        wanted = {key: vector[key] for key in ("vanity", "validators", "vote", "round", "seals")}
        file = tmp_path / "extra.json"
        file.write_text(json.dumps(wanted))
        assert (
            run("extra-data", "encode", "--type", vector["type"], "--json", str(file)) == vector["extraData"]
        )
        assert (
            run("extra-data", "encode", "--type", vector["type"], "--json", "-", text=json.dumps(wanted))
            == vector["extraData"]
        )
        printed = run("extra-data", "decode", "--type", vector["type"], vector["extraData"], "--json")
        assert json.loads(printed) == wanted


def test_addresses_come_from_public_keys_and_from_files(vectors, tmp_path):
    for vector in vectors["keys"]:
        assert run("address", "--public-key", vector["public_key"]) == vector["address"]
        if vector["private_key"]:
            file = tmp_path / "nodekey"
            file.write_text(vector["private_key"] + "\n")
            assert run("address", "--private-key-file", str(file)) == vector["address"]


def test_enodes_are_printed_or_refused(vectors):
    for vector in vectors["enode"]:
        if vector["valid"] is True:
            printed = json.loads(run("enode", vector["url"], "--json"))
            assert {
                k: printed[k] for k in ("node_id", "host", "tcp", "udp") if k in vector
            }.items() <= vector.items()
        else:
            with pytest.raises(ChainfleetError):
                run("enode", vector["url"], "--json")
    with pytest.raises(ChainfleetError):
        run("enode", "--static", next(v["url"] for v in vectors["enode"] if v["id"] == "not-listening"))


def test_genesis_hashes(vectors, tmp_path):
    for vector in vectors["genesis_block"]:
        file = tmp_path / "genesis.json"
        file.write_text(json.dumps(vector["genesis"]))
        printed = json.loads(run("genesis-hash", str(file), "--json"))
        assert printed["state_root"] == vector["state_root"]
        assert printed["hash"] == vector.get("block_hash", printed["hash"])


def test_quorum():
    assert json.loads(run("quorum", "48", "--json")) == {
        "quorum": 32,
        "byzantine": 15,
        "crash": 16,
        "votes": 25,
    }
    assert "quorum: 32" in run("quorum", "48")


def test_an_existing_key_is_imported_before_the_first_deployment(vectors, tmp_path, monkeypatch):
    monkeypatch.delenv("CHAINFLEET_KEYSTORE_PASSWORD", raising=False)
    (tmp_path / "fleet.yaml").write_text(
        "name: net\nnetwork: {chain_id: 138}\nregions:\n"
        + "".join(f"  - {{name: {n}}}\n" for n in ("northeurope", "westeurope", "uksouth"))
    )
    (tmp_path / "nodekey").write_text(vectors["keys"][0]["private_key"] + "\n")
    place = [str(tmp_path / "fleet.yaml"), "uksouth"]
    state = ["--state", str(tmp_path / "state")]
    printed = run("import-key", *place, "1", str(tmp_path / "nodekey"), *state)
    assert printed == f"uksouth-1 is {vectors['keys'][0]['address']}"
    with pytest.raises(ChainfleetError, match="already serves uksouth-1"):
        run("import-key", *place, "0", str(tmp_path / "nodekey"), *state)
    with pytest.raises(ChainfleetError, match="no validator uksouth-2"):
        run("import-key", *place, "2", str(tmp_path / "nodekey"), *state)


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        (("extra-data", "encode", "--json", "-"), "{", "-:1:2: not JSON"),
        (("extra-data", "encode", "--json", "-"), '{"validators": [], "validators": []}', "comes twice"),
        (("extra-data", "encode", "--json", "missing.json"), "", "missing.json can't be read"),
        (("extra-data", "encode", "--type", "CLIQUE", "--json", "-"), '{"validators": []}', "CLIQUE"),
        (("extra-data", "decode", "0xzz"), "", "not hexadecimal"),
        (("address",), "", "give either"),
        (("address", "--public-key", "00"), "", "not a public key"),
        (("genesis-hash", "-"), "[]", "JSON object"),
        (("quorum", "0"), "", "0 validators"),
    ],
)
def test_bad_input_is_one_clear_error(arguments, text, said):
    with pytest.raises(ChainfleetError, match=said):
        run(*arguments, text=text)
