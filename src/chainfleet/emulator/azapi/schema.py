"""The schema that Terraform is told: the part of Microsoft's that the modules use."""

from __future__ import annotations

import json
from typing import Any

from tf.gen import tfplugin_pb2 as pb

RESOURCE = "azapi_resource"
SOURCES = ("registry.terraform.io/azure/azapi", "registry.opentofu.org/azure/azapi")
"""Addresses of the provider as Terraform and OpenTofu resolve `Azure/azapi`."""

VERSION = 2
"""Version of the state's schema, as in Microsoft's provider since 2.0."""

DEFAULTS: dict[str, Any] = {
    "ignore_casing": False,
    "ignore_missing_property": True,
    "ignore_null_property": False,
    "schema_validation_enabled": True,
}
"""Defaults of attributes that are not given."""

RETRY_DEFAULTS: dict[str, Any] = {
    "interval_seconds": 10,
    "max_interval_seconds": 180,
    "multiplier": 1.5,
    "randomization_factor": 0.5,
}
"""Defaults inside `retry`."""

_STRINGS = ["list", "string"]

_ATTRIBUTES: dict[str, tuple[Any, str]] = {
    "id": ("string", "computed"),
    "type": ("string", "required"),
    "name": ("string", "both"),
    "parent_id": ("string", "both"),
    "location": ("string", "both"),
    "body": ("dynamic", "both"),
    "tags": (["map", "string"], "both"),
    "output": ("dynamic", "computed"),
    "response_export_values": ("dynamic", "optional"),
    "replace_triggers_external_values": ("dynamic", "optional"),
    "locks": (_STRINGS, "optional"),
    "ignore_casing": ("bool", "both"),
    "ignore_missing_property": ("bool", "both"),
    "ignore_null_property": ("bool", "both"),
    "schema_validation_enabled": ("bool", "both"),
}

_RETRY = {
    "error_message_regex": (_STRINGS, "optional"),
    "interval_seconds": ("number", "both"),
    "max_interval_seconds": ("number", "both"),
    "multiplier": ("number", "both"),
    "randomization_factor": ("number", "both"),
}

_IDENTITY = {
    "type": ("string", "required"),
    "identity_ids": (_STRINGS, "optional"),
    "principal_id": ("string", "computed"),
    "tenant_id": ("string", "computed"),
}

_TIMEOUTS = dict.fromkeys(("create", "update", "read", "delete"), ("string", "optional"))

NAMES = frozenset(_ATTRIBUTES) | {"retry", "identity", "timeouts"}
"""Every attribute and block of the resource."""

PROVIDER_ATTRIBUTES = ("subscription_id", "tenant_id", "client_id", "client_secret", "environment")
"""Settings that a provider block may repeat; the environment is what counts."""


def _attribute(name: str, kind: Any, usage: str) -> pb.Schema.Attribute:
    return pb.Schema.Attribute(
        name=name,
        type=json.dumps(kind).encode(),
        required=usage == "required",
        optional=usage in ("optional", "both"),
        computed=usage in ("computed", "both"),
        sensitive=name == "client_secret",
    )


def _attributes(table: dict[str, tuple[Any, str]]) -> list[pb.Schema.Attribute]:
    return [_attribute(name, kind, usage) for name, (kind, usage) in table.items()]


def _resource() -> pb.Schema:
    retry = pb.Schema.Attribute(
        name="retry",
        optional=True,
        nested_type=pb.Schema.Object(attributes=_attributes(_RETRY), nesting=pb.Schema.Object.SINGLE),
    )
    blocks = [
        pb.Schema.NestedBlock(
            type_name="identity",
            nesting=pb.Schema.NestedBlock.LIST,
            block=pb.Schema.Block(attributes=_attributes(_IDENTITY)),
        ),
        pb.Schema.NestedBlock(
            type_name="timeouts",
            nesting=pb.Schema.NestedBlock.SINGLE,
            block=pb.Schema.Block(attributes=_attributes(_TIMEOUTS)),
        ),
    ]
    block = pb.Schema.Block(attributes=[*_attributes(_ATTRIBUTES), retry], block_types=blocks)
    return pb.Schema(version=VERSION, block=block)


def provider_schema() -> pb.GetProviderSchema.Response:
    """Everything that the provider offers."""
    settings = [_attribute(name, "string", "optional") for name in PROVIDER_ATTRIBUTES]
    return pb.GetProviderSchema.Response(
        provider=pb.Schema(block=pb.Schema.Block(attributes=settings)),
        provider_meta=pb.Schema(block=pb.Schema.Block()),
        resource_schemas={RESOURCE: _resource()},
        server_capabilities=pb.ServerCapabilities(plan_destroy=True, get_provider_schema_optional=True),
    )
