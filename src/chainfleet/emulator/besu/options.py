"""What a Besu process is told: arguments, TOML file and environment, read as strictly as Besu reads them.

Precedence is Besu's: command line, then environment, then TOML, then defaults.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from chainfleet.model.besu.options import option_problem, read_version, rpc_api_problem

from ..kubernetes.node.program import Files

DEFAULT_VERSION = "26.8.0"
"""What an image without a version tag (pinned by digest) is taken for."""

_HIDDEN = frozenset(
    {
        "Xqbft-enable-early-round-change",
        "Xdns-enabled",
        "Xdns-update-enabled",
        "Xp2p-check-maintained-connections-frequency",
        "Xbft-legacy-protocol-encoding",
        "Xsnapsync-synchronizer-flat-db-healing-enabled",
        "Xrpc-max-trace-filter-range",
    }
)
"""Hidden options that Besu takes and the public list leaves out."""
_DEFAULT_APIS = ("ETH", "NET", "WEB3")
_ENVIRONMENT_ONLY = frozenset({"OPTS", "PID_PATH", "USER_NAME", "HOME"})


class StartError(Exception):
    """Besu prints this and ends."""


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """The options that matter to an emulated node; names as in Besu, units in seconds and ports.

    Attributes:
        version: of the image.
        host_allowlist: hosts that HTTP requests may name; ("*",) is any.
        rpc_apis: enabled JSON-RPC APIs, upper case.
        network_id: None: the chain's id.
    """

    version: str
    data_path: str
    genesis_file: str
    key_file: str
    static_nodes_file: str
    p2p_host: str
    p2p_port: int
    network_id: int | None
    rpc_enabled: bool
    rpc_host: str
    rpc_port: int
    rpc_apis: tuple[str, ...]
    host_allowlist: tuple[str, ...]
    metrics_enabled: bool
    metrics_host: str
    metrics_port: int
    authentication: bool
    min_gas_price: int
    max_peers: int
    identity: str

    def allows(self, host: str) -> bool:
        """Whether a request's Host header passes."""
        if "*" in self.host_allowlist:
            return True
        return _hostname(host) in {h.lower() for h in self.host_allowlist}


def _hostname(host: str) -> str:
    bare = host.strip().lower()
    if bare.startswith("["):
        return bare[1:].partition("]")[0]
    return bare.partition(":")[0]


def version_of(image: str) -> str:
    """The Besu version that an image's tag names."""
    found = re.search(r":(\d+\.\d+\.\d+)", image.partition("@")[0])
    return found.group(1) if found else DEFAULT_VERSION


def read_options(
    image: str, command: Sequence[str], environment: Mapping[str, str], files: Files
) -> NodeOptions:
    """Read everything a node is told.

    Raises:
        StartError: what makes Besu print a message and end.
    """
    version = version_of(image)
    given = _arguments(command)
    variables = _environment(environment)
    path = given.pop("config-file", variables.pop("config-file", None))
    values = _toml(str(path), files) if path else {}
    for name in values:
        _known(name, version, "Unknown option in TOML configuration file: {}")
    for name in given:
        _known(name, version, "Unknown option: '--{}'")
    return _build({**values, **variables, **given}, version)


def _known(name: str, version: str, message: str) -> None:
    if name in _HIDDEN:
        return
    if option_problem(name, read_version(version)) is not None:
        raise StartError(message.format(name) + "\n\nTo display full help:\nbesu [COMMAND] --help")


def _arguments(command: Sequence[str]) -> dict[str, Any]:
    words = [w for w in command if w not in ("besu", "/opt/besu/bin/besu", "/bin/sh", "-c", "exec")]
    found: dict[str, Any] = {}
    index = 0
    while index < len(words):
        word = words[index]
        if not word.startswith("--"):
            raise StartError(f"Unmatched argument at index {index}: '{word}'")
        name, equals, value = word[2:].partition("=")
        if not equals and index + 1 < len(words) and not words[index + 1].startswith("--"):
            index += 1
            value = words[index]
        found[name] = value if equals or value else "true"
        index += 1
    return found


def _environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in environment.items():
        tail = name.removeprefix("BESU_")
        if tail != name and tail not in _ENVIRONMENT_ONLY:
            found[tail.lower().replace("_", "-")] = value
    return found


def _toml(path: str, files: Files) -> dict[str, Any]:
    raw = files.read(path)
    if raw is None:
        raise StartError(f"Unable to read TOML configuration, file not found: {path}")
    try:
        return tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise StartError(f"Invalid TOML configuration: {problem}") from None


def _build(values: Mapping[str, Any], version: str) -> NodeOptions:
    read = _Reader(values)
    apis = tuple(a.upper() for a in read.words("rpc-http-api", read.words("rpc-http-apis", _DEFAULT_APIS)))
    wrong = [a for a in apis if rpc_api_problem(a, read_version(version)) is not None]
    if wrong:
        raise StartError(f"Invalid value for option '--rpc-http-api': invalid entries found {wrong}")
    host = read.text("p2p-host", "127.0.0.1")
    try:
        ip_address(host)
    except ValueError:
        raise StartError(f"The provided --p2p-host is invalid: {host}") from None
    if "genesis-file" in values and "network" in values:
        raise StartError("--network option and --genesis-file option can't be used at the same time.")
    network_id = read.number("network-id", -1)
    return NodeOptions(
        version=version,
        data_path=read.text("data-path", "/opt/besu"),
        genesis_file=read.text("genesis-file", ""),
        key_file=read.text("node-private-key-file", ""),
        static_nodes_file=read.text("static-nodes-file", ""),
        p2p_host=host,
        p2p_port=read.number("p2p-port", 30303),
        network_id=network_id if network_id >= 0 else None,
        rpc_enabled=read.flag("rpc-http-enabled"),
        rpc_host=read.text("rpc-http-host", "127.0.0.1"),
        rpc_port=read.number("rpc-http-port", 8545),
        rpc_apis=apis,
        host_allowlist=tuple(read.words("host-allowlist", ("localhost", "127.0.0.1"))),
        metrics_enabled=read.flag("metrics-enabled"),
        metrics_host=read.text("metrics-host", "127.0.0.1"),
        metrics_port=read.number("metrics-port", 9545),
        authentication=read.flag("rpc-http-authentication-enabled"),
        min_gas_price=read.number("min-gas-price", 1000),
        max_peers=read.number("max-peers", 25),
        identity=read.text("identity", ""),
    )


class _Reader:
    """Reads values whose type depends on where they came from: TOML is typed, arguments are text."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def text(self, name: str, default: str) -> str:
        value = self._values.get(name, default)
        if not isinstance(value, str):
            raise StartError(f"Invalid value for option '--{name}': {value!r} is not a string")
        return value

    def number(self, name: str, default: int) -> int:
        value = self._values.get(name, default)
        try:
            return int(str(value))  # text from arguments, numbers from TOML; true is neither
        except ValueError:
            raise StartError(f"Invalid value for option '--{name}': '{value}' is not an int") from None

    def flag(self, name: str) -> bool:
        value = self._values.get(name, False)
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        raise StartError(f"Invalid value for option '--{name}': '{value}' is not a boolean")

    def words(self, name: str, default: Sequence[str]) -> Sequence[str]:
        value = self._values.get(name, default)
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
            raise StartError(f"Invalid value for option '--{name}': {value!r} is not a list of strings")
        return list(value)


__all__ = ["NodeOptions", "StartError", "read_options", "version_of"]
