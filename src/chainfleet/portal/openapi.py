"""The OpenAPI document: FastAPI's, with the problem media type and the bearer scheme put right."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI

from .problems import MEDIA_TYPE


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The document of that application."""
    document = FastAPI.openapi(app)
    document.setdefault("components", {})["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of `POST /api/v1/session` or `/api/v1/tokens`.",
        }
    }
    for path in document["paths"].values():
        for operation in path.values():
            operation["security"] = [] if operation.get("x-permission") == "public" else [{"bearer": []}]
            for status, answer in operation["responses"].items():
                content = answer.get("content", {})
                if int(status) >= 400 and MEDIA_TYPE in content and "application/json" in content:
                    content[MEDIA_TYPE] = content.pop("application/json")
    return document


def openapi_text(app: FastAPI) -> str:
    """The document as it is committed: sorted, so that differences are small."""
    return json.dumps(openapi_document(app), indent=1, sort_keys=True) + "\n"
