"""The headers that every answer carries: nothing is kept, framed, sniffed or loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

Header = tuple[bytes, bytes]

#: Of what is no page: nothing is loaded and nothing runs.
_NO_PAGE = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
)
_ALWAYS_NAMES = frozenset(name for name, _ in _ALWAYS)
# An answer is a patient's, or will be another when an alias moves: no cache keeps it.
_UNLESS_SET: tuple[Header, ...] = ((b"cache-control", b"no-store"), (b"content-security-policy", _NO_PAGE))
#: What tells a stranger which software answers.
_BANNERS = (b"server", b"x-powered-by", b"x-bentoml-")

#: Of a page: its own scripts, styles and pictures, and nothing from elsewhere.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def secured(headers: Iterable[Header], *, request_id: str) -> list[Header]:
    """Return the headers of an answer with those that every answer carries.

    Parameters
    ----------
    headers : iterable of (bytes, bytes)
        Names in lower case, as ASGI has them; a policy or a rule for caches among them stays.
    request_id : str
        Comes back as ``X-Request-Id``.
    """
    own = [header for header in headers if header[0] not in _ALWAYS_NAMES and not header[0].startswith(_BANNERS)]
    names = {name for name, _ in own}
    own += _ALWAYS
    own += [header for header in _UNLESS_SET if header[0] not in names]
    own.append((b"x-request-id", request_id.encode("ascii")))
    return own
