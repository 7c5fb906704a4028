"""`chainfleet portal` as a command: what it refuses, what it imports, tokens without a server, and its load in short."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from chainfleet.ledger.access import AccessStore
from chainfleet.model.errors import InputError
from chainfleet.portal import program

ROOT = Path(__file__).parents[2]
CHAINFLEET = [sys.executable, "-m", "chainfleet.cli.main"]


def test_other_commands_import_nothing_of_the_web() -> None:
    code = (
        "import sys; sys.argv = ['chainfleet', '--help']\n"
        "from chainfleet.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('fastapi', 'starlette', 'uvicorn', 'jwt')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"host": "0.0.0.0"}, "open door"),
        ({"host": "192.0.2.1"}, "open door"),
        ({"url": "http://portal.example.org"}, "in the clear"),
        ({"url": "portal.example.org"}, "scheme and host"),
        ({"url": "https://portal.example.org", "certificate": Path("a")}, "go together"),
        ({"oidc": Path("nowhere.json")}, "nowhere.json"),
    ],
)
def test_what_would_be_unsafe_is_refused(tmp_path: Path, options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        program.run(**{"home": tmp_path, "port": 0, **options})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "JSON object"),
        ('{"issuer": "https://a"}', "wants issuer and client_id"),
        ('{"issuer": "http://a.example", "client_id": "x"}', "must be https"),
        ('{"issuer": "https://a", "client_id": "x", "roles": {"g": "king"}}', "king"),
        ('{"issuer": "https://a", "client_id": "x", "surprise": 1}', "knows"),
    ],
)
def test_wrong_settings_of_an_issuer_are_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "oidc.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        program.read_oidc(path, "https://portal.example.org")


def test_the_first_token_is_made_without_a_server(tmp_path: Path) -> None:
    command = [*CHAINFLEET, "portal", "--home", str(tmp_path), "--new-token", "ci", "--role", "operator"]
    secret = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    store = AccessStore(tmp_path / "access.db", wall=lambda: 0.0)
    found = store.find_token(secret)
    store.close()
    assert found is not None
    assert (found.name, found.role, found.created_by) == ("ci", "operator", "command line")
    wrong = subprocess.run([*command[:-1], "king"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, "king: not known" in wrong.stderr) == (2, True)


def test_a_server_with_an_address_of_its_own_signs_nobody_in(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*CHAINFLEET, "portal", "--home", str(tmp_path), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--url", "https://portal.example.org"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said == f"portal: https://portal.example.org (listening on 127.0.0.1 port {port})\n"
        url = f"http://127.0.0.1:{port}/api/v1/meta"
        with httpx2.Client(trust_env=False) as client:
            meta = client.get(url, headers={"Host": "portal.example.org"})
            assert (meta.status_code, meta.json()["mode"]) == (200, "server")
            assert client.get(url).status_code == 421
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


def test_twenty_listeners_at_a_thousand_events_a_second_miss_nothing() -> None:
    """The benchmark in short; what it says of time is for a machine that has nothing else to do."""
    command = [
        sys.executable,
        str(ROOT / "benchmarks/portal/server.py"),
        "--seconds",
        "2",
        "--listeners",
        "20",
    ]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False, timeout=120)
    found = json.loads(done.stdout)
    for listeners in (found["one"], found["many"]):
        assert (listeners["gaps"], listeners["seen"]) == (0, listeners["expected"])
    assert found["open_events"] > 100_000
