"""The answers that operations share, as OpenAPI has them: headers, problems, and what the edge adds to all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from serving.problems import KINDS, MEDIA_TYPE, Problem

#: What any address may answer.
EVERYWHERE = (
    "malformed-request",
    "body-too-large",
    "address-too-long",
    "headers-too-large",
    "internal-error",
    "timeout",
)
#: What an address that asks for a token may answer.
GUARDED = ("token-needed", "not-guarded", "foreign-page", "foreign-host", "too-many-requests")
#: What an address that takes a body may answer.
TAKES_BODY = ("upload-timeout", "unsupported-media-type")

_DETAILS: Mapping[str, tuple[str, str | None]] = {
    "malformed-request": ("the body is not JSON: Expecting value at line 1, column 1.", None),
    "token-needed": ("no token was sent; send one as 'Authorization: Bearer TOKEN', or …", "Authorization"),
    "not-guarded": ("make a token with 'prognosis token new NAME' where the service runs, and start it again.", None),
    "foreign-page": (
        "a page from elsewhere sent this; ask from the service's own page or from a program, or …",
        "Origin",
    ),
    "foreign-host": ("a service without tokens is asked as 127.0.0.1, [::1] or localhost; ask so, or …", "Host"),
    "no-such-model": ("no model for cancer type 'KIRP'; available: KIRC.", "cancer_type"),
    "upload-timeout": ("the body of the request did not arrive within 30 s; send it faster, or …", None),
    "body-too-large": ("a request may have 67108864 bytes at most; send fewer profiles, or …", None),
    "address-too-long": ("an address may have 8192 bytes at most; shorten it.", None),
    "unsupported-media-type": ("send the request as Content-Type application/json, not text/plain.", "Content-Type"),
    "invalid-request": ("profiles[0].expression.CD44 must be a number, but …", "profiles[0].expression.CD44"),
    "not-scorable": ("no model for KIRC and endpoint DFI; available: OS, PFI.", "endpoint"),
    "too-many-requests": ("this token may ask for 6000 requests a minute; ask again in 3 s.", None),
    "headers-too-large": ("headers may be 100 and have 32768 bytes at most; send fewer.", None),
    "internal-error": ("the service failed on this request; its log says where.", None),
    "not-ready": ("no model is loaded: no model bears an alias.", None),
    "timeout": ("no answer within 30 s; send fewer profiles at once.", None),
    "not-found": ("nothing is offered here; `/docs.json` describes what is.", None),
}
#: Each has its status with another, and no operation has the one without the other.
_NEVER_ALONE = frozenset({"not-scorable", "not-guarded", "foreign-page"})
_REQUEST_ID = {
    "X-Request-Id": {
        "description": "Of this exchange; the service's log has it too.",
        "required": True,
        "schema": {"type": "string", "minLength": 1, "maxLength": 64},
    }
}
_OWN_HEADERS: Mapping[str, dict[str, Any]] = {
    "token-needed": {
        "WWW-Authenticate": {
            "description": "Two of them: `Bearer` and `Basic`.",
            "required": True,
            "schema": {"type": "string"},
        }
    },
    "too-many-requests": {
        "Retry-After": {"description": "Seconds.", "required": True, "schema": {"type": "integer", "minimum": 1}}
    },
}


def answered(content: Mapping[str, Any], description: str = "Answered.", **headers: str) -> dict[str, Any]:
    """Return an answer that is no error.

    Parameters
    ----------
    content : mapping
        By media type.
    description : str
    **headers : str
        What headers of its own tell, ``_`` for ``-``.
    """
    own = {
        name.replace("_", "-"): {"description": told, "schema": {"type": "string"}} for name, told in headers.items()
    }
    shown = {"content": dict(content)} if content else {}
    return {"description": description, "headers": {**_REQUEST_ID, **own}, **shown}


def failures(kinds: Iterable[str]) -> dict[str, Any]:
    """Return the problems of an operation by status; kinds that share a status are described together."""
    by_status: dict[str, list[str]] = {}
    for kind in sorted(kinds, key=lambda kind: KINDS[kind][0]):
        by_status.setdefault(str(KINDS[kind][0]), []).append(kind)
    return {status: _reference(alike[0]) if len(alike) == 1 else _problem(alike) for status, alike in by_status.items()}


def shared_responses() -> dict[str, Any]:
    """Return the problems that `failures` refers to, by kind."""
    return {kind: _problem([kind]) for kind in _DETAILS if kind not in _NEVER_ALONE}


def _reference(kind: str) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{kind}"}


def _problem(kinds: list[str]) -> dict[str, Any]:
    content = {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}, "examples": _examples(kinds)}
    headers = {name: header for kind in kinds for name, header in _OWN_HEADERS.get(kind, {}).items()}
    return {
        "description": " ".join(f"{KINDS[kind][1]} (`{kind}`)." for kind in kinds),
        "headers": {**_REQUEST_ID, **headers},
        "content": {MEDIA_TYPE: content},
    }


def _examples(kinds: list[str]) -> dict[str, Any]:
    return {kind: {"value": Problem.of(kind, detail, field=field).model_dump()} for kind, detail, field in _told(kinds)}


def _told(kinds: list[str]) -> list[tuple[str, str, str | None]]:
    return [(kind, *_DETAILS[kind]) for kind in kinds]
