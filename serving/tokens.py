"""The bearer tokens that open the service: a file of names and hashes, read anew when it changes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import os
import re
import secrets
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from features.errors import PrognosisError

_LOG = logging.getLogger("bentoml.prognosis")
_SCHEME = "sha256:"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH = re.compile(rf"{_SCHEME}[0-9a-f]{{64}}")
_LONGEST_CREDENTIALS = 1024
_LOOK_SECONDS = 1.0
_HEADER = "# Tokens of the scoring service: name, hash, created. The tokens themselves are nowhere.\n"


class TokensError(PrognosisError):
    """A file of tokens cannot be read, or a token cannot be added to it or taken from it."""


@dataclass(frozen=True)
class Token:
    """What is kept of a token.

    Parameters
    ----------
    name : str
        Who holds it; it appears in logs.
    digest : bytes
        SHA-256 of the token. A token is 256 random bits, so that no slower hash would make guessing harder.
    created : str
        When it was made, ISO 8601, UTC.
    """

    name: str
    digest: bytes
    created: str


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Read a file of tokens: one a line, name, hash and time; blank lines and lines with ``#`` are skipped.

    Raises
    ------
    TokensError
        If the file cannot be read, or a line is none of these, or a name occurs twice.
    """
    tokens, faults = _sorted_out(path, _text(path))
    if faults:
        raise faults[0]
    return tokens


def faults_in(path: Path) -> tuple[str, ...]:
    """Return what is wrong with the lines of a file of tokens, one sentence each.

    Raises
    ------
    TokensError
        If the file cannot be read.
    """
    return tuple(map(str, _sorted_out(path, _text(path, errors="replace"))[1]))


def add_token(path: Path, name: str) -> str:
    """Make a token, keep its hash in the file, and return it: it cannot be had again.

    Raises
    ------
    TokensError
        If the name is taken or is no name, or if the file cannot be read or written.
    """
    if not _NAME.fullmatch(name):
        raise TokensError(f"{name[:80]!r} cannot name a token; use up to 64 letters, digits, dots, _ and -.")
    existing = _text(path) if path.exists() else _HEADER
    if path.exists() and name in {token.name for token in read_tokens(path)}:
        raise TokensError(f"{path} holds a token of the name {name!r}; revoke it first, or choose another name.")
    secret = f"ctc_{secrets.token_urlsafe(32)}"
    created = datetime.now(UTC).isoformat(timespec="seconds")
    line = f"{name} {_SCHEME}{hashlib.sha256(secret.encode()).hexdigest()} {created}\n"
    _write(path, existing.rstrip("\n") + "\n" + line)
    return secret


def revoke_token(path: Path, name: str) -> None:
    """Take a token out of the file, whatever is wrong with other lines; running services refuse it within seconds.

    Raises
    ------
    TokensError
        If there is none of that name, or if the file cannot be read or written.
    """
    text = _text(path)
    kept = [line for line in text.splitlines(keepends=True) if line.split()[:1] != [name]]
    if "".join(kept) == text or name.startswith("#"):
        names = ", ".join(token.name for token in _sorted_out(path, text)[0])
        raise TokensError(f"{path} holds no token of the name {name[:80]!r}; it holds: {names or 'none'}.")
    _write(path, "".join(kept))


class TokenFile:
    """Who holds a token, as the file says now.

    Parameters
    ----------
    path : Path

    Notes
    -----
    Whoever is not in the file is let in no longer: nobody, once it is gone or cannot be read, and nobody by a line
    that is none, or by a name that occurs twice. The other lines count on, so that a slip of the pen neither keeps a
    revoked token alive nor shuts everybody out; the log names the line, once. To replace the file by renaming
    another leaves no moment without one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tokens: Mapping[bytes, Token] = {}
        self._seen: tuple[int, ...] | None = None
        self._told: tuple[str, ...] = ()
        self._next_look = 0.0

    def holder(self, secret: bytes) -> str | None:
        """Return the name of the token, or None if it is not among them."""
        self._look()
        digest = hashlib.sha256(secret).digest()
        # Found by a part of its hash, compared in constant time.
        token = self._tokens.get(digest[:8])
        return token.name if token is not None and hmac.compare_digest(token.digest, digest) else None

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        seen = _identity(self._path)
        if seen is not None and seen == self._seen:
            return
        try:
            tokens, faults = _sorted_out(self._path, _text(self._path, errors="replace"))
            self._seen = seen
        except TokensError as error:
            # Looked at again next time: it may come back as it was.
            tokens, faults, self._seen = (), (error,), None
        self._tokens = {token.digest[:8]: token for token in tokens}
        self._tell(tuple(map(str, faults)), changed=self._seen is not None)

    def _tell(self, faults: tuple[str, ...], *, changed: bool) -> None:
        if faults != self._told:
            for fault in faults:
                _LOG.error("%s Nobody is let in by it; tokens that count: %d.", fault, len(self._tokens))
        elif changed:
            _LOG.info("%s: %d tokens", self._path, len(self._tokens))
        self._told = faults


def presented_secret(authorization: bytes) -> bytes | None:
    """Return the token that an ``Authorization`` header carries, if it carries one.

    Notes
    -----
    ``Bearer TOKEN`` (RFC 6750), or ``Basic`` (RFC 7617) with the token as password and any user name: a browser
    asks for the latter by itself.
    """
    if len(authorization) > _LONGEST_CREDENTIALS:
        return None
    scheme, _, credentials = authorization.strip().partition(b" ")
    match scheme.lower():
        case b"bearer":
            return credentials.strip() or None
        case b"basic":
            return _password(credentials.strip())
    return None


def _password(credentials: bytes) -> bytes | None:
    try:
        _, _, password = base64.b64decode(credentials, validate=True).partition(b":")
    except binascii.Error:
        return None
    return password or None


def _sorted_out(path: Path, text: str) -> tuple[tuple[Token, ...], tuple[TokensError, ...]]:
    """Return the tokens that count, and what is wrong with the other lines."""
    tokens: dict[str, Token] = {}
    faults: list[TokensError] = []
    twice: set[str] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        where = f"{path}, line {number}"
        try:
            token = _parsed(line, where=where)
        except TokensError as fault:
            faults.append(fault)
            continue
        if token.name in tokens:
            twice.add(token.name)
            faults.append(TokensError(f"{where}: the name {token.name!r} occurs twice; keep one of them."))
        tokens[token.name] = token
    # Which of the two was meant is not known.
    return tuple(token for name, token in tokens.items() if name not in twice), tuple(faults)


def _parsed(line: str, *, where: str) -> Token:
    parts: Sequence[str] = line.split()
    # What stands there may be a token that was pasted by mistake: it is not repeated.
    if len(parts) != 3 or not _NAME.fullmatch(parts[0]) or not _HASH.fullmatch(parts[1]):
        raise TokensError(f"{where}: a line must be a name, sha256:HASH and a time; mend it or take it out.")
    return Token(parts[0], bytes.fromhex(parts[1].removeprefix(_SCHEME)), parts[2])


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _text(path: Path, *, errors: Literal["strict", "replace"] = "strict") -> str:
    try:
        return path.read_text(encoding="utf-8", errors=errors)
    except UnicodeDecodeError:
        raise TokensError(f"{path}: not a file of tokens; 'prognosis token new NAME' makes one.") from None
    except OSError as error:
        raise TokensError(f"{path}: {error.strerror}; 'prognosis token new NAME' makes such a file.") from None


def _write(path: Path, text: str) -> None:
    # Whole or not at all: a service reads it meanwhile.
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        if path.exists():
            Path(scratch).chmod(path.stat().st_mode & 0o777)
        Path(scratch).replace(path)
    except OSError as error:
        raise TokensError(f"{path}: {error.strerror}; choose a place that can be written.") from None
