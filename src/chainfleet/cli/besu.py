"""`chainfleet besu …`: by hand what the deployment computes, to check it against Besu's own tools."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from chainfleet.model.errors import EnvironmentProblem, InputError

from .arguments import EnvFileOpt, FleetArg, StateOpt
from .output import write
from .words import CommandLine

app = CommandLine(
    name="besu",
    help="Encode, decode and compute what identifies a Besu network.",
    no_args_is_help=True,
)
extra_data = CommandLine(help="The extraData of QBFT and IBFT 2.0 blocks.", no_args_is_help=True)
app.add_typer(extra_data, name="extra-data")

Type = Annotated[str, typer.Option("--type", help="QBFT or IBFT.", metavar="QBFT|IBFT")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON object.")]


@extra_data.command(
    "encode",
    epilog='Example: echo \'{"validators": ["0x93917cadbace5dfce132b991732c6cda9bcc5b8a"]}\' | chainfleet besu extra-data encode --type QBFT --json -',
)
def encode(
    source: Annotated[
        str,
        typer.Option("--json", help="A JSON object in a file, or - for standard input.", metavar="FILE|-"),
    ],
    type: Type = "QBFT",  # noqa: A002 - the option's name
) -> None:
    """Print the hex of an extraData.

    The object is {vanity, validators, vote: null|{recipient, add}, round, seals}; all but validators
    may be left out.
    """
    from chainfleet.model.besu.extra_data import Codec, encode_extra_data, extra_data_from_json
    from chainfleet.model.besu.text import hex_text

    value = _parse(_read(source), source)
    typer.echo(hex_text(encode_extra_data(extra_data_from_json(value), Codec.of(type))))


@extra_data.command(
    "decode", epilog="Example: chainfleet besu extra-data decode --type QBFT --json 0xf83aa0…"
)
def decode(
    data: Annotated[
        str, typer.Argument(metavar="HEX", help="The extraData; - reads it from standard input.")
    ],
    type: Type = "QBFT",  # noqa: A002 - the option's name
    as_json: AsJson = False,
) -> None:
    """Print what an extraData says."""
    from chainfleet.model.besu.extra_data import Codec, decode_extra_data, extra_data_to_json
    from chainfleet.model.besu.text import read_hex

    text = sys.stdin.read().strip() if data == "-" else data
    found = extra_data_to_json(decode_extra_data(read_hex(text, "HEX"), Codec.of(type)))
    _show(found, as_json=as_json)


@app.command(epilog="Example: chainfleet besu address --private-key-file nodekey")
def address(
    public_key: Annotated[str | None, typer.Option(help="128 hex digits, X then Y.", metavar="HEX")] = None,
    private_key_file: Annotated[str | None, typer.Option(help="A node key file.", metavar="FILE")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the address of a key. A private key is read from a file, never from the command line."""
    from chainfleet.model.besu.identity import address_of, read_key_file, read_public_key

    if (public_key is None) == (private_key_file is None):
        raise InputError("give either --public-key or --private-key-file", way_out="give exactly one of them")
    if private_key_file is not None:
        key = read_key_file(_read(private_key_file), private_key_file).public_key()
    else:
        key = read_public_key(public_key or "")
    found = {"address": address_of(key), "public_key": key.hex()}
    typer.echo(json.dumps(found) if as_json else found["address"])


@app.command(epilog="Example: chainfleet besu enode --json enode://6f8a…92a0@192.0.2.1:30303")
def enode(
    url: Annotated[str, typer.Argument(metavar="URL", help="enode://ID@HOST:PORT")],
    static: Annotated[
        bool, typer.Option("--static", help="Refuse what a static peer list can't hold.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the parts of an enode URL, or refuse it."""
    from chainfleet.model.besu.enode import parse_enode, parse_static_peer

    found = parse_static_peer(url) if static else parse_enode(url)
    _show(asdict(found), as_json=as_json)


@app.command("genesis-hash", epilog="Example: chainfleet besu genesis-hash genesis.json --json")
def genesis_hash(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A genesis file; - reads standard input.")],
    as_json: AsJson = False,
) -> None:
    """Print hash and state root of a genesis file's block 0."""
    from chainfleet.model.besu.genesis_block import genesis_block

    value = _parse(_read(file), file)
    if not isinstance(value, dict):
        raise InputError(
            f"{file}: a genesis is a JSON object",
            way_out="give the file that Besu starts from: --genesis-file of the node",
        )
    _show(asdict(genesis_block(value)), as_json=as_json)


@app.command(epilog="Example: chainfleet besu quorum 48 --json")
def quorum(
    validators: Annotated[int, typer.Argument(metavar="N", help="Number of validators.")],
    as_json: AsJson = False,
) -> None:
    """Print what N validators need to agree, and what they bear."""
    from chainfleet.model.besu.quorum import quorum_of

    rule = quorum_of(validators)
    found = {"quorum": rule.quorum, "byzantine": rule.byzantine, "crash": rule.crash, "votes": rule.votes}
    _show(found, as_json=as_json)


Region = Annotated[str, typer.Argument(metavar="REGION", help="Name of the region.")]


@app.command(epilog="Example: chainfleet besu chain examples/chain-138.yaml")
def chain(
    fleet: FleetArg, state: StateOpt = None, env_file: EnvFileOpt = None, as_json: AsJson = False
) -> None:
    """Show what the network says of itself now. Heads, peers, rounds, votes; exit code 6 if something is wrong."""
    from chainfleet.runtime.targets import TargetOptions

    from .besu_network import run_chain

    raise typer.Exit(run_chain(fleet, TargetOptions(state, env_file=env_file), as_json=as_json))


@app.command(epilog="Example: chainfleet besu restart examples/chain-138.yaml --at-once 4")
def restart(
    fleet: FleetArg,
    state: StateOpt = None,
    env_file: EnvFileOpt = None,
    everybody: Annotated[bool, typer.Option("--all", help="Also those that run what is configured.")] = False,
    at_once: Annotated[int, typer.Option("--at-once", min=1, help="Validators per group.")] = 1,
    stalled: Annotated[
        bool,
        typer.Option(
            "--stalled", help="All at once: a quorum is up and no block comes. Refused where blocks come."
        ),
    ] = False,
) -> None:
    """Restart validators in turn, each while the chain is calm. An upgrade, after `deploy` configured it."""
    from chainfleet.runtime.targets import TargetOptions

    from .besu_network import run_restart, run_restart_stalled

    target = TargetOptions(state, env_file=env_file)
    if stalled:
        raise typer.Exit(run_restart_stalled(fleet, target))
    raise typer.Exit(run_restart(fleet, target, everybody=everybody, at_once=at_once))


@app.command("vote", epilog="Example: chainfleet besu vote examples/chain-138.yaml 0x9391…5b8a --drop")
def vote_command(
    fleet: FleetArg,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Whom to add or drop.")],
    add: Annotated[bool, typer.Option("--add/--drop", help="Add it, or drop it.")],
    state: StateOpt = None,
    env_file: EnvFileOpt = None,
) -> None:
    """Have validators vote one in or out. N/2 + 1 of them vote; waits until the set has changed."""
    from chainfleet.runtime.targets import TargetOptions

    from .besu_network import run_vote

    raise typer.Exit(run_vote(fleet, TargetOptions(state, env_file=env_file), address, add=add))


@app.command(epilog="Example: chainfleet besu stop examples/chain-138.yaml japanwest")
def stop(fleet: FleetArg, region: Region, state: StateOpt = None, env_file: EnvFileOpt = None) -> None:
    """Stop a region, if the chain goes on without it."""
    from chainfleet.runtime.targets import TargetOptions

    from .besu_network import run_scale

    raise typer.Exit(run_scale(fleet, TargetOptions(state, env_file=env_file), region, up=False))


@app.command(epilog="Example: chainfleet besu start examples/chain-138.yaml japanwest")
def start(fleet: FleetArg, region: Region, state: StateOpt = None, env_file: EnvFileOpt = None) -> None:
    """Start a region's validators and wait until they caught up."""
    from chainfleet.runtime.targets import TargetOptions

    from .besu_network import run_scale

    raise typer.Exit(run_scale(fleet, TargetOptions(state, env_file=env_file), region, up=True))


@app.command(
    "import-key", epilog="Example: chainfleet besu import-key examples/chain-138.yaml japanwest 0 ./nodekey"
)
def import_key(
    fleet: FleetArg,
    region: Region,
    index: Annotated[int, typer.Argument(metavar="INDEX", help="Which of the region's validators, from 0.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A node key file.")],
    state: StateOpt = None,
) -> None:
    """Take over an existing node key, before the first deployment."""
    from chainfleet.runtime.targets import TargetOptions

    from .besu_network import run_import_key

    validator = run_import_key(fleet, TargetOptions(state), region, index, file)
    typer.echo(f"{validator.name} is {validator.address}")


@app.command("retire-key", epilog="Example: chainfleet besu retire-key examples/chain-138.yaml japanwest 0")
def retire_key(
    fleet: FleetArg,
    region: Region,
    index: Annotated[int, typer.Argument(metavar="INDEX", help="Which of the region's validators, from 0.")],
    state: StateOpt = None,
    env_file: EnvFileOpt = None,
) -> None:
    """Put a node key away. The next `deploy` makes a new one; its validator must have been voted out."""
    from chainfleet.runtime.targets import TargetOptions

    from .besu_network import run_retire_key

    validator = run_retire_key(fleet, TargetOptions(state, env_file=env_file), region, index)
    write(
        f"the key of {validator.address} is put away; `chainfleet deploy FLEET` makes {validator.name} a new one"
    )


def _show(value: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(value))
        return
    for key, item in value.items():
        typer.echo(f"{key}: {item if isinstance(item, str | int) else json.dumps(item)}")


def _read(source: str) -> str:
    if source == "-":
        return sys.stdin.read()
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise EnvironmentProblem(
            f"{source} can't be read: {reason}", way_out="check the path and its permissions"
        ) from error


def _parse(text: str, source: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
            raise InputError(f"{source}: key {twice!r} comes twice", way_out="keep one of them")
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{source}:{error.lineno}:{error.colno}: not JSON: {error.msg}",
            way_out="write it as JSON; an editor shows the place",
        ) from error
