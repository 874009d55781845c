"""Holds answers to the description of the interface: status, headers, media type and body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import jsonschema_rs


def require_described(document: Mapping[str, Any], response: httpx.Response, path: str) -> None:
    """Fail unless the document describes the answer of the path to the request's method."""
    method = response.request.method.lower()
    described = _resolved(document, document["paths"][path][method]["responses"].get(str(response.status_code)))
    assert described is not None, f"{method} {path} answered {response.status_code}, which is not described"
    for name, header in described["headers"].items():
        assert name in response.headers or not header.get("required"), f"{response.status_code} without {name}"
        if name in response.headers:
            _require_valid(document, header["schema"], _as_sent(response.headers[name], header["schema"]))
    content = described.get("content", {})
    if not content:
        assert not response.content
        return
    media_type = response.headers["content-type"].partition(";")[0]
    assert media_type in content
    body = response.json() if media_type.endswith("json") and "ndjson" not in media_type else response.text
    _require_valid(document, content[media_type]["schema"], body)


def require_lines(document: Mapping[str, Any], text: str) -> list[dict[str, Any]]:
    """Fail unless each line of an answer about a file is described; return them."""
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        _require_valid(document, {"$ref": "#/components/schemas/FileLine"}, line)
    return lines


def _as_sent(value: str, schema: Mapping[str, Any]) -> str | int:
    return int(value) if schema["type"] == "integer" else value


def _resolved(document: Mapping[str, Any], described: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if described is None or "$ref" not in described:
        return described
    kind = described["$ref"].rpartition("/")[2]
    found: Mapping[str, Any] = document["components"]["responses"][kind]
    return found


def _require_valid(document: Mapping[str, Any], schema: Mapping[str, Any], value: object) -> None:
    whole = {**schema, "components": document["components"]}
    jsonschema_rs.Draft202012Validator(whole).validate(value)
