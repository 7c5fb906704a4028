"""Which options a Besu version knows: an unknown one in `config.toml` stops it from starting.

Sources: `everything_config.toml` of besu-eth/besu at 683880baa6 (2026-08-21, just after 26.8.0) for the
names, its CHANGELOG for when names came and went.
"""

# ruff: noqa: SIM905 - long lists of words read better as text
from __future__ import annotations

from chainfleet.model.errors import InputError

Version = tuple[int, int, int]

KNOWN_OPTIONS = frozenset(
    """
Xaltbn128-native-enabled Xbonsai-cross-block-cache-account-max-size
Xbonsai-cross-block-cache-enabled Xbonsai-cross-block-cache-storage-max-size
Xbonsai-full-flat-db-enabled Xevm-jumpdest-cache-weight-kb Xnat-method-fallback-enabled
Xplugins-external-enabled Xpos-block-creation-max-time Xsecp256k1-native-enabled
api-gas-price-blocks api-gas-price-max api-gas-price-percentile auto-log-bloom-caching-enabled
banned-node-id banned-node-ids block-txs-selection-max-time bonsai-historical-block-limit
bonsai-limit-trie-logs-enabled bonsai-parallel-state-root-computation-enabled
bonsai-parallel-tx-processing-enabled bonsai-trie-logs-pruning-window-size bootnodes
cache-last-block-headers cache-last-block-headers-preload-enabled cache-last-blocks
cache-precompiles checkpoint color-enabled data-path data-storage-format discovery-dns-url
discovery-enabled discovery-mode engine-host-allowlist engine-jwt-disabled engine-jwt-secret
engine-rpc-enabled engine-rpc-port era1-data-uri era1-import-prepipeline-concurrency
era1-import-prepipeline-enabled estimate-gas-tolerance-ratio ethstats ethstats-cacert-file
ethstats-contact ethstats-report-interval genesis-file genesis-state-hash-cache-enabled
graphql-http-cors-origins graphql-http-enabled graphql-http-host graphql-http-port
graphql-max-blocks-range graphql-mtls-enabled graphql-tls-enabled graphql-tls-keystore-file
graphql-tls-keystore-password-file graphql-tls-truststore-file graphql-tls-truststore-password-file
history-expiry-prune host-allowlist identity json-pretty-print-enabled key-value-storage
kzg-trusted-setup logging logging-format max-blobs-per-block max-blobs-per-transaction max-peers
metrics-category metrics-enabled metrics-host metrics-port metrics-protocol metrics-push-enabled
metrics-push-host metrics-push-interval metrics-push-port metrics-push-prometheus-job min-gas-price
min-priority-fee miner-extra-data nat-method net-restrict network network-id node-private-key-file
p2p-discovery-port p2p-discovery-port-ipv6 p2p-enabled p2p-host p2p-host-ipv6 p2p-interface
p2p-interface-ipv6 p2p-ipv6-outbound-enabled p2p-port p2p-port-ipv6 p2p-tx-feecap
permissions-accounts-config-file permissions-accounts-config-file-enabled
permissions-nodes-config-file permissions-nodes-config-file-enabled pid-path
plugin-block-txs-selection-max-time plugin-continue-on-error plugins plugins-verification-mode
poa-block-txs-selection-max-time poa-discovery-retry-bootnodes profile random-peer-priority-enabled
receipt-compaction-enabled remote-connections-limit-enabled remote-connections-max-percentage
reorg-logging-threshold required-blocks revert-reason-enabled rpc-filter-timeout-seconds rpc-gas-cap
rpc-http-api rpc-http-api-method-no-auth rpc-http-api-methods-no-auth rpc-http-apis
rpc-http-authentication-credentials-file rpc-http-authentication-enabled
rpc-http-authentication-jwt-algorithm rpc-http-authentication-jwt-public-key-file
rpc-http-cors-origins rpc-http-enabled rpc-http-host rpc-http-max-active-connections
rpc-http-max-batch-size rpc-http-max-request-content-length rpc-http-port
rpc-http-tls-ca-clients-enabled rpc-http-tls-cipher-suites rpc-http-tls-client-auth-enabled
rpc-http-tls-enabled rpc-http-tls-keystore-file rpc-http-tls-keystore-password-file
rpc-http-tls-known-clients-file rpc-http-tls-protocols rpc-http-tls-truststore-file
rpc-http-tls-truststore-password-file rpc-max-active-filters rpc-max-logs-range
rpc-max-trace-filter-range rpc-tx-feecap rpc-ws-api rpc-ws-api-method-no-auth
rpc-ws-api-methods-no-auth rpc-ws-apis rpc-ws-authentication-credentials-file
rpc-ws-authentication-enabled rpc-ws-authentication-jwt-algorithm
rpc-ws-authentication-jwt-public-key-file rpc-ws-enabled rpc-ws-host rpc-ws-max-active-connections
rpc-ws-max-active-subscriptions rpc-ws-max-frame-size rpc-ws-port rpc-ws-ssl-cert-file
rpc-ws-ssl-client-auth-enabled rpc-ws-ssl-enabled rpc-ws-ssl-key-file rpc-ws-ssl-keystore-file
rpc-ws-ssl-keystore-password rpc-ws-ssl-keystore-password-file rpc-ws-ssl-keystore-type
rpc-ws-ssl-trustcert-file rpc-ws-ssl-truststore-file rpc-ws-ssl-truststore-password
rpc-ws-ssl-truststore-password-file rpc-ws-ssl-truststore-type security-module
snapsync-server-enabled snapsync-synchronizer-pre-checkpoint-headers-only-enabled
snapsync-synchronizer-transaction-indexing-enabled static-nodes-file
strict-tx-replay-protection-enabled sync-min-peers sync-mode target-gas-limit tx-pool
tx-pool-blob-price-bump tx-pool-enable-balance-check tx-pool-enable-save-restore
tx-pool-layer-max-capacity tx-pool-limit-by-account-percentage tx-pool-max-future-by-sender
tx-pool-max-prioritized tx-pool-max-prioritized-by-type tx-pool-max-size tx-pool-min-gas-price
tx-pool-min-score tx-pool-no-local-priority tx-pool-price-bump tx-pool-priority-senders
tx-pool-retention-hours tx-pool-save-file tx-sender-nonce-index-enabled
version-compatibility-protection
""".split()
)
"""Public options of Besu 26.8; hidden `X…` options beyond these exist and are not checked here."""

_NOT_RELEASED: Version = (26, 9, 0)

ADDED_IN: dict[str, Version] = {
    "logging-format": (26, 8, 0),
    "p2p-discovery-port": _NOT_RELEASED,
    "p2p-discovery-port-ipv6": _NOT_RELEASED,
    "graphql-max-blocks-range": _NOT_RELEASED,
}
"""First version that knows the option, for those younger than the oldest supported one."""

REMOVED_IN: dict[str, Version] = {
    "host-whitelist": (25, 1, 0),
    "compatibility-eth64-forkid-enabled": (25, 4, 1),
    "tx-pool-disable-locals": (25, 6, 0),
    "privacy-enabled": (25, 6, 0),
    "permissions-nodes-contract-enabled": (25, 6, 0),
    "permissions-accounts-contract-enabled": (25, 6, 0),
    "Xsnapsync-bft-enabled": (25, 7, 0),
    "Xbonsai-limit-trie-logs-enabled": (25, 7, 0),
    "Xbonsai-trie-log-pruning-enabled": (25, 7, 0),
    "Xbonsai-trie-logs-pruning-window-size": (25, 7, 0),
    "bonsai-maximum-back-layers-to-load": (25, 9, 0),
    "miner-enabled": (25, 12, 0),
    "miner-coinbase": (25, 12, 0),
    "Xbonsai-parallel-tx-processing-enabled": (25, 12, 0),
    "Xsnapsync-server-enabled": (25, 12, 0),
    "Xv5-discovery-enabled": (26, 8, 0),
    "min-block-occupancy-ratio": _NOT_RELEASED,
}
"""First version that no longer knows the option."""

RPC_APIS = frozenset(
    "ETH DEBUG MINER NET PERM WEB3 ADMIN TXPOOL TRACE PLUGINS IBFT ENGINE QBFT TESTING".split()
)
_REMOVED_APIS: dict[str, Version] = {"EEA": (25, 7, 0), "PRIV": (25, 7, 0), "CLIQUE": (26, 4, 0)}

OLDEST_SUPPORTED: Version = (25, 9, 0)
"""Older images differ in more than what is recorded here."""


def read_version(text: str) -> Version:
    """Return a version such as `26.8.0` as three numbers; InputError if it is not one."""
    parts = text.split(".")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        raise InputError(f"{text!r} is not a Besu version", way_out="write it as 26.8.0")
    major, minor, patch = (int(part) for part in parts)
    return major, minor, patch


def option_problem(name: str, version: Version) -> str | None:
    """Return why that version refuses the option, or None if it knows it."""
    if name in REMOVED_IN and version >= REMOVED_IN[name]:
        return f"option `{name}` was removed in Besu {_text(REMOVED_IN[name])}"
    if name in ADDED_IN and version < ADDED_IN[name]:
        return f"option `{name}` exists from Besu {_text(ADDED_IN[name])} on"
    if name not in KNOWN_OPTIONS and name not in REMOVED_IN:
        return f"option `{name}` is unknown to Besu"
    return None


def rpc_api_problem(name: str, version: Version) -> str | None:
    """Return why that version doesn't start with the RPC API, or None if it has it."""
    removed = _REMOVED_APIS.get(name)
    if removed is not None and version >= removed:
        return f"RPC API `{name}` was removed in Besu {_text(removed)}"
    if name not in RPC_APIS and removed is None:
        return f"RPC API `{name}` is unknown to Besu; it has {', '.join(sorted(RPC_APIS))}"
    return None


def _text(version: Version) -> str:
    return ".".join(map(str, version))
