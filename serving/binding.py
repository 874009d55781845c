"""Where the service may listen: beyond the loopback interface only with tokens."""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from pathlib import Path

import click

from features.errors import PrognosisError
from serving.tokens import read_tokens

_HOW_TO_MEND = "make one with 'prognosis token new NAME', or listen on 127.0.0.1"


class BindingError(PrognosisError):
    """The service may not listen where it was told to."""


def bound_address(host: str, *, tokens_file: Path | None) -> str:
    """Return the IP address that a host stands for, if the service may listen there.

    Parameters
    ----------
    host : str
        An IP address or a name.
    tokens_file : Path or None
        Where the tokens are; None if there are none and everyone who reaches the service may use it.

    Raises
    ------
    BindingError
        If the host is not known, or if it is reached from elsewhere and there is no token.
    TokensError
        If the tokens cannot be read.
    """
    addresses = _addresses(host)
    beyond = [address for address in addresses if not is_loopback(address)]
    if tokens_file is None and beyond:
        meant = host if host == beyond[0] else f"{host} ({beyond[0]})"
        raise BindingError(f"{meant} is reached from other machines, but there is no token; {_HOW_TO_MEND}.")
    if tokens_file is not None and not read_tokens(tokens_file) and beyond:
        raise BindingError(f"{host} is reached from other machines, but {tokens_file} holds no token; {_HOW_TO_MEND}.")
    return addresses[0]


def require_guarded_start(tokens_file: Path | None) -> None:
    """End the process that starts the workers, with a sentence, unless the service may listen where it will.

    Notes
    -----
    Tokens that are asked for at the start stay asked for: a worker that replaces another finds the file named, and
    does not open the service where the file is gone.

    `serving.launch` checks too, and before; this is for ``bentoml serve`` called directly: the command knows what it
    was told, its configuration the rest.
    """
    # Imported late: it takes a second, and `serving.launch` needs none of it.
    from bentoml._internal.configuration.containers import BentoMLContainer  # noqa: PLC0415

    context = click.get_current_context(silent=True)
    told = context.params.get("host") if context is not None else None
    try:
        bound_address(told or BentoMLContainer.http.host.get(), tokens_file=tokens_file)
    except PrognosisError as error:
        raise click.ClickException(str(error)) from None
    if tokens_file is not None:
        os.environ["PROGNOSIS_TOKENS_FILE"] = str(tokens_file)


@lru_cache(maxsize=64)
def is_loopback(address: str) -> bool:
    """Tell whether an IP address is reached from this machine only."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_loopback


def _addresses(host: str) -> list[str]:
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no such name"
        raise BindingError(f"host {host!r}: {reason}; give an IP address of this machine.") from None
    # The older family first: it is what most clients take a name such as localhost for.
    return [str(address[0]) for *_, address in sorted(found, key=lambda entry: entry[0] == socket.AF_INET6)]
