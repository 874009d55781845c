"""Who is let in: by token, at a bounded rate, with headers of a bounded size."""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from starlette.types import Scope

from serving import meters
from serving.own_machine import require_own_machine
from serving.problems import ProblemError
from serving.rate_limits import RateLimits, Refusal
from serving.settings import Settings
from serving.tokens import TokenFile, presented_secret

#: Answered without a token: whether the process lives and has a model, and nothing else.
OPEN_PATHS = frozenset({"/livez", "/healthz", "/readyz"})
#: Whoever needs no token is one holder.
_ANYBODY = ""
_LONGEST_ADDRESS = 8 * 2**10
_LARGEST_HEADERS = 32 * 2**10
_MOST_HEADERS = 100
_REALM = 'realm="prognosis"'


class RequestHead(NamedTuple):
    """What the edge needs to know of a request's headers.

    Parameters
    ----------
    request_id, authorization : bytes or None
    content_length : bytes
        Empty if none was sent.
    size : int
        Of all headers, in bytes.
    """

    request_id: bytes | None
    authorization: bytes | None
    content_length: bytes
    size: int


def read_head(scope: Scope) -> RequestHead:
    """Read the headers once."""
    request_id = authorization = None
    content_length, size = b"", 0
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name == b"authorization":
            authorization = value
        elif name == b"content-length":
            content_length = value
        elif name == b"x-request-id":
            request_id = value
    return RequestHead(request_id, authorization, content_length, size)


class Guard:
    """Lets requests in, or says why not.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._tokens = TokenFile(settings.tokens_file) if settings.tokens_file else None
        self._limits: RateLimits | None = None
        if not (math.isinf(settings.requests_per_minute) and math.isinf(settings.profiles_per_minute)):
            self._limits = RateLimits(
                requests_per_minute=settings.requests_per_minute,
                profiles_per_minute=settings.profiles_per_minute,
                path=_shared_file(),
            )

    def admit(self, scope: Scope, head: RequestHead) -> str | None:
        """Return the name of the token, None where none is needed.

        Raises
        ------
        ProblemError
            401 without a token, 403 or 421 where there are none and the request came from elsewhere, 414 or 431 if
            address or headers are too long, 429 if the token asked for too much.
        """
        _require_bounded(scope, head)
        if scope["path"] in OPEN_PATHS:
            return None
        holder = self._holder(scope, head.authorization)
        refusal = self._limits.admit(holder or _ANYBODY) if self._limits else None
        if refusal is not None:
            raise _too_many(refusal)
        return holder

    def charge(self, holder: str | None, n_profiles: int) -> None:
        """Count the profiles of an answered request against the token."""
        if self._limits is not None and n_profiles:
            self._limits.charge_profiles(holder or _ANYBODY, n_profiles)

    def _holder(self, scope: Scope, authorization: bytes | None) -> str | None:
        if self._tokens is None:
            require_own_machine(scope)
            return None
        secret = presented_secret(authorization) if authorization is not None else None
        holder = self._tokens.holder(secret) if secret is not None else None
        if holder is None:
            raise _token_needed(authorization)
        return holder


def _shared_file() -> Path:
    # The workers of one service share the folder of their counts, and it is emptied at every start.
    shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(shared or tempfile.mkdtemp(prefix="prognosis-")) / "rates"


def _require_bounded(scope: Scope, head: RequestHead) -> None:
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > _LONGEST_ADDRESS:
        raise ProblemError("address-too-long", f"an address may have {_LONGEST_ADDRESS} bytes at most; shorten it.")
    if head.size > _LARGEST_HEADERS or len(scope["headers"]) > _MOST_HEADERS:
        detail = f"headers may be {_MOST_HEADERS} and have {_LARGEST_HEADERS} bytes at most; send fewer."
        raise ProblemError("headers-too-large", detail)


def _token_needed(authorization: bytes | None) -> ProblemError:
    known = "this token is not known" if authorization is not None else "no token was sent"
    detail = f"{known}; send one as 'Authorization: Bearer TOKEN', or as the password of HTTP Basic."
    invalid = ', error="invalid_token"' if authorization is not None else ""
    # Two headers: not every browser finds the second challenge in one.
    challenges = (
        ("WWW-Authenticate", f"Bearer {_REALM}{invalid}"),
        ("WWW-Authenticate", f'Basic {_REALM}, charset="UTF-8"'),
    )
    return ProblemError("token-needed", detail, field="Authorization", headers=challenges)


def _too_many(refusal: Refusal) -> ProblemError:
    meters.RATE_LIMITED.labels(refusal.limit).inc()
    wait = max(1, math.ceil(refusal.wait_seconds))
    detail = f"this token may ask for {refusal.per_minute:g} {refusal.limit} a minute; ask again in {wait} s."
    return ProblemError("too-many-requests", detail, headers=[("Retry-After", str(wait))])
