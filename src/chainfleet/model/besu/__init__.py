"""What a Besu network is made of, as pure functions: no file, no clock, no randomness, no network."""

from .enode import Enode, EnodeError, format_enode, parse_enode, parse_static_peer
from .extra_data import (
    Codec,
    ExtraData,
    ExtraDataError,
    Vote,
    decode_extra_data,
    encode_extra_data,
    extra_data_from_json,
    extra_data_to_json,
    genesis_extra_data,
)
from .genesis_block import GenesisBlock, GenesisError, genesis_block
from .identity import PrivateKey, address_of, read_key_file, read_public_key
from .quorum import Breach, Quorum, placement_breaches, quorum_of, survives

__all__ = [
    "Breach",
    "Codec",
    "Enode",
    "EnodeError",
    "ExtraData",
    "ExtraDataError",
    "GenesisBlock",
    "GenesisError",
    "PrivateKey",
    "Quorum",
    "Vote",
    "address_of",
    "decode_extra_data",
    "encode_extra_data",
    "extra_data_from_json",
    "extra_data_to_json",
    "format_enode",
    "genesis_block",
    "genesis_extra_data",
    "parse_enode",
    "parse_static_peer",
    "placement_breaches",
    "quorum_of",
    "read_key_file",
    "read_public_key",
    "survives",
]
