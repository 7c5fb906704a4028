"""Requests by which block explorers verify a contract's source: files, sent where an address is set.

Sourcify's API v2, Etherscan's API v2 and Blockscout's smart-contract verification API. A refusal is logged
and never fails a deployment: the contract works all the same, and the file can be sent again by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainfleet.model.variables import Variable

from .addresses import Record
from .artefacts import load, standard_json

if TYPE_CHECKING:
    import httpx2

SOURCIFY_URL = Variable.SOURCIFY_URL
ETHERSCAN_URL = Variable.ETHERSCAN_URL
ETHERSCAN_KEY = Variable.ETHERSCAN_KEY
BLOCKSCOUT_URL = Variable.BLOCKSCOUT_URL
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        explorer: `sourcify`, `etherscan` or `blockscout`.
        path: where to, below the explorer's address.
        query: what follows the path.
        encoding: `json`, `form` or `multipart`.
        fields: the body; in `multipart` the field `files[0]` is a file.
    """

    explorer: str
    path: str
    query: Mapping[str, str]
    encoding: str
    fields: Mapping[str, Any]


def requests_for(record: Record) -> tuple[Request, ...]:
    """Return the requests that verify a contract's source.

    Raises:
        ValueError: the installed artefact isn't the one that was deployed, so its source proves nothing.
    """
    artefact = load(record.contract)
    if artefact.bytecode_hash != record.bytecode_hash:
        raise ValueError(f"{record.contract} at {record.address} was deployed from another build")
    source, identifier = standard_json(artefact.name), f"{artefact.source}:{artefact.name}"
    sourcify = {
        "stdJsonInput": json.loads(source),
        "compilerVersion": artefact.compiler,
        "contractIdentifier": identifier,
        "creationTransactionHash": record.transaction,
    }
    etherscan = {
        "codeformat": "solidity-standard-json-input",
        "sourceCode": source,
        "contractaddress": record.address,
        "contractname": identifier,
        "compilerversion": f"v{artefact.compiler}",
        # The explorer's own spelling.
        "constructorArguements": record.constructor,
    }
    blockscout = {
        "compiler_version": f"v{artefact.compiler}",
        "contract_name": identifier,
        "license_type": "apache_2_0",
        "autodetect_constructor_args": "false",
        "constructor_args": record.constructor,
        "files[0]": source,
    }
    query = {"chainid": str(record.chain_id), "module": "contract", "action": "verifysourcecode"}
    verify = f"/api/v2/smart-contracts/{record.address}/verification/via/standard-input"
    return (
        Request("sourcify", f"/v2/verify/{record.chain_id}/{record.address}", {}, "json", sourcify),
        Request("etherscan", "/v2/api", query, "form", etherscan),
        Request("blockscout", verify, {}, "multipart", blockscout),
    )


def write_requests(folder: Path, record: Record) -> None:
    """Write each request as a file: where it goes and what it holds, without any key."""
    folder.mkdir(parents=True, exist_ok=True)
    for request in requests_for(record):
        content = {
            "method": "POST",
            "path": request.path,
            "query": dict(request.query),
            "encoding": request.encoding,
            "fields": dict(request.fields),
        }
        (folder / f"{request.explorer}.json").write_text(
            json.dumps(content, indent=1) + "\n", encoding="utf-8"
        )


async def send_requests(record: Record, environ: Mapping[str, str], log: Callable[[str], None]) -> None:
    """Send each request whose explorer has an address in the environment; log what came of it."""
    import httpx2

    addresses = {
        "sourcify": environ.get(SOURCIFY_URL),
        "etherscan": environ.get(ETHERSCAN_URL),
        "blockscout": environ.get(BLOCKSCOUT_URL),
    }
    if not any(addresses.values()):
        return
    verify: Any = True
    if environ.get("SSL_CERT_FILE"):
        import ssl

        verify = ssl.create_default_context(cafile=environ["SSL_CERT_FILE"])
    async with httpx2.AsyncClient(timeout=_TIMEOUT_S, verify=verify, trust_env=False) as client:
        for request in requests_for(record):
            base = addresses[request.explorer]
            if base:
                log(await _send(client, base.rstrip("/"), request, environ))


async def _send(client: httpx2.AsyncClient, base: str, request: Request, environ: Mapping[str, str]) -> str:
    import httpx2

    query, fields = dict(request.query), dict(request.fields)
    if request.explorer == "etherscan":
        query["apikey"] = environ.get(ETHERSCAN_KEY, "")
    body: dict[str, Any] = {"json": fields} if request.encoding == "json" else {"data": fields}
    if request.encoding == "multipart":
        file = fields.pop("files[0]")
        body = {"data": fields, "files": {"files[0]": ("input.json", file.encode(), "application/json")}}
    try:
        response = await client.post(f"{base}{request.path}", params=query or None, **body)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return f"source verification at {request.explorer} was not sent: {type(error).__name__}"
    return f"source verification at {request.explorer}: {response.status_code} {response.text[:200]}"
