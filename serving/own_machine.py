"""Whom a service without tokens answers: people and programs on its own machine, and no page from elsewhere."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import lru_cache

from starlette.types import Scope

from serving.binding import is_loopback
from serving.problems import ProblemError

_MAKE_A_TOKEN = "make a token with 'prognosis token new NAME' where the service runs, and start it again."  # noqa: S105
#: What programs between say of themselves: whoever asks them may be anywhere.
_BETWEEN = frozenset({b"forwarded", b"via", b"x-real-ip"})
_BETWEEN_PREFIX = b"x-forwarded-"
_LOOKED_AT = frozenset({b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"})
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<name>[^:\[\]]+))(?::[0-9]{0,5})?")
_Headers = defaultdict[bytes, list[bytes]]


def require_own_machine(scope: Scope) -> None:
    """Raise unless a request comes from this machine, and not from a page that was loaded from elsewhere.

    Parameters
    ----------
    scope : mapping
        ASGI's, of an HTTP request.

    Raises
    ------
    ProblemError
        ``not-guarded`` (403) if it reached another interface than loopback or came through a proxy, ``foreign-host``
        (421) if it names another host, ``foreign-page`` (403) if a page of another origin sent it.

    Notes
    -----
    To listen on the loopback interface is not enough: any page may send requests there, and one whose name is made to
    resolve to 127.0.0.1 (DNS rebinding) reads the answers too; such a request bears the page's name as ``Host``.
    A browser states the origin of a page that sends something, and whether the page is of the same site (Fetch
    Metadata); that somebody follows a link from elsewhere is no request of the page that holds it.
    """
    server = scope.get("server")
    if server and server[1] is not None and not is_loopback(server[0]):
        raise ProblemError("not-guarded", _MAKE_A_TOKEN)
    headers = _read(scope)
    _require_direct(headers)
    host = _require_own_host(headers[b"host"])
    _require_own_page(scope, headers, host)


def _read(scope: Scope) -> _Headers:
    read: _Headers = defaultdict(list)
    for name, value in scope["headers"]:
        if name in _LOOKED_AT or name in _BETWEEN or name.startswith(_BETWEEN_PREFIX):
            read[name].append(value.strip())
    return read


def _require_direct(headers: _Headers) -> None:
    for name in headers:
        if name not in _LOOKED_AT:
            detail = f"the request came through a proxy ({name.decode('latin-1')[:40]}), which others may reach; "
            raise ProblemError("not-guarded", detail + _MAKE_A_TOKEN, field=name.decode("latin-1")[:40])


def _require_own_host(hosts: list[bytes]) -> bytes:
    if len(hosts) != 1 or not _is_own(hosts[0]):
        detail = f"a service without tokens is asked as 127.0.0.1, [::1] or localhost; ask so, or {_MAKE_A_TOKEN}"
        raise ProblemError("foreign-host", detail, field="Host")
    return hosts[0]


def _require_own_page(scope: Scope, headers: _Headers, host: bytes) -> None:
    for origin in headers[b"origin"]:
        if origin.partition(b"://")[2].lower() != host.lower():
            raise _foreign_page("Origin")
    if b"cross-site" in headers[b"sec-fetch-site"] and not _follows_a_link(scope, headers):
        raise _foreign_page("Sec-Fetch-Site")


def _follows_a_link(scope: Scope, headers: _Headers) -> bool:
    opened = (headers[b"sec-fetch-mode"], headers[b"sec-fetch-dest"]) == ([b"navigate"], [b"document"])
    return opened and scope["method"] in ("GET", "HEAD")


def _foreign_page(field: str) -> ProblemError:
    detail = f"a page from elsewhere sent this; ask from the service's own page or from a program, or {_MAKE_A_TOKEN}"
    return ProblemError("foreign-page", detail, field=field)


@lru_cache(maxsize=64)
def _is_own(host: bytes) -> bool:
    parsed = _HOST.fullmatch(host.decode("latin-1"))
    if parsed is None:
        return False
    return (parsed["name"] or "").lower() == "localhost" or is_loopback(parsed["six"] or parsed["name"])
