"""Whether a live object already is what a manifest wants: pure comparison, no request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from .names import Manifest

HASH_ANNOTATION = "chainfleet.io/manifest-hash"
"""Tells what we applied last, so that a field which a newer manifest no longer has is noticed."""


def with_hash(manifest: Manifest) -> Manifest:
    """Return the manifest with the hash of itself among its annotations."""
    metadata = dict(manifest["metadata"])
    metadata["annotations"] = {**metadata.get("annotations", {}), HASH_ANNOTATION: manifest_hash(manifest)}
    return {**manifest, "metadata": metadata}


def manifest_hash(manifest: Manifest) -> str:
    """Return a hash of what the manifest wants."""
    return sha256(json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def is_applied(manifest: Manifest, live: Mapping[str, Any] | None) -> bool:
    """Whether the live object was last applied from this manifest and nobody changed it since.

    Args:
        manifest: as rendered, without the hash.
        live: the object as the API server shows it, or None if there is none.
    """
    if live is None or live["metadata"].get("deletionTimestamp"):
        return False
    annotations = live["metadata"].get("annotations") or {}
    return annotations.get(HASH_ANNOTATION) == manifest_hash(manifest) and holds(manifest, live)


def holds(wanted: Any, live: Any) -> bool:
    """Whether everything that is wanted is there; what the server added is ignored."""
    if isinstance(wanted, Mapping):
        if not isinstance(live, Mapping):
            return not wanted and live is None
        return all(holds(value, live.get(key)) for key, value in wanted.items())
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        if not isinstance(live, Sequence) or len(live) < len(wanted):
            return not wanted and live is None
        return all(holds(mine, theirs) for mine, theirs in zip(wanted, live, strict=False))
    # Empty values and absent ones are the same to the API server.
    return bool(wanted == live or (live is None and not wanted and wanted is not True))


def owns(live: Mapping[str, Any], manager: str, *path: str) -> bool:
    """Whether a field manager owns a field, e.g. `owns(live, "chainfleet", "spec", "replicas")`."""
    for entry in live["metadata"].get("managedFields") or ():
        if entry.get("manager") != manager or entry.get("subresource"):
            continue
        fields: Any = entry.get("fieldsV1") or {}
        for name in path:
            fields = fields.get(f"f:{name}") if isinstance(fields, Mapping) else None
            if fields is None:
                break
        else:
            return True
    return False
