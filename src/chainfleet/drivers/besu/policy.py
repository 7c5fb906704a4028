"""What no rendered object may do: run as root, float on `latest`, lack limits, or show a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chainfleet.drivers.kubernetes.names import Manifest

_SECRET_SHAPES = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    re.compile(r"(?i)\b(password|passwd|secret|token|private[_-]?key|nodekey)\b\"?\s*[=:]\s*\"?[^\s\"]{8,}"),
    # A bare line of 64 hex digits is what a node key file looks like.
    re.compile(r"(?m)^(0x)?[0-9a-fA-F]{64}$"),
)
_ALLOWED_IN_CONFIG = re.compile(r"(?m)^node-private-key-file=.*$")
_KINDS_WITH_PODS = {"StatefulSet", "Deployment", "DaemonSet", "Job"}


def policy_breaches(manifests: Iterable[Manifest]) -> tuple[str, ...]:
    """Return what breaks the policy, as `Kind/name: reason` lines; empty is good."""
    # Genesis and peers are the same text in every region, and long: each is looked through once.
    looked_through: dict[str, bool] = {}
    return tuple(f"{_title(m)}: {reason}" for m in manifests for reason in _breaches(m, looked_through))


def _breaches(manifest: Manifest, looked_through: dict[str, bool]) -> Iterator[str]:
    if manifest["kind"] == "ConfigMap":
        yield from _config_map(manifest, looked_through)
    if manifest["kind"] in _KINDS_WITH_PODS:
        yield from _pod(manifest["spec"]["template"]["spec"])


def _config_map(manifest: Manifest, looked_through: dict[str, bool]) -> Iterator[str]:
    for name, text in manifest.get("data", {}).items():
        if text not in looked_through:
            rest = _ALLOWED_IN_CONFIG.sub("", text)
            looked_through[text] = any(shape.search(rest) for shape in _SECRET_SHAPES)
        if looked_through[text]:
            yield f"{name} looks like it holds a secret"


def _pod(spec: Mapping[str, Any]) -> Iterator[str]:
    pod = spec.get("securityContext", {})
    if spec.get("hostNetwork") or spec.get("hostPID") or spec.get("hostIPC"):
        yield "it shares a namespace of its node"
    for container in [*spec.get("initContainers", ()), *spec["containers"]]:
        yield from (f"container {container['name']} {reason}" for reason in _container(container, pod))


def _container(container: Mapping[str, Any], pod: Mapping[str, Any]) -> Iterator[str]:
    security = pod | container.get("securityContext", {})
    if not security.get("runAsNonRoot") or security.get("runAsUser", 1) == 0:
        yield "may run as root"
    if security.get("allowPrivilegeEscalation", True) or security.get("privileged"):
        yield "may gain privileges"
    if not security.get("readOnlyRootFilesystem"):
        yield "can write to its image"
    if security.get("capabilities", {}).get("drop") != ["ALL"]:
        yield "keeps capabilities"
    image = container["image"]
    if "@sha256:" not in image and (":" not in image.rsplit("/", 1)[-1] or image.endswith(":latest")):
        yield f"floats on the image {image}"
    limits = container.get("resources", {}).get("limits", {})
    yield from (f"has no {what} limit" for what in ("cpu", "memory") if what not in limits)
    for variable in container.get("env", ()):
        if "value" in variable and re.search(r"(?i)password|secret|token|private_?key", variable["name"]):
            yield f"carries a secret in the variable {variable['name']}"


def _title(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"
