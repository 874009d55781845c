"""What an address may be asked with: a parameter that is mistyped must not be passed over in silence."""

from __future__ import annotations

from collections.abc import Set

from starlette.requests import Request

from serving.problems import ProblemError

_LONGEST_NAME = 80


def require_known(request: Request, known: Set[str]) -> None:
    """Raise unless the query of an address has known parameters only, each once.

    Raises
    ------
    ProblemError
        422, with the first that is not known or comes twice.
    """
    if not request.scope["query_string"]:
        return
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        shown = name[:_LONGEST_NAME]
        if name not in known:
            taken = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
            raise ProblemError("invalid-request", f"{shown!r} is no parameter of this address; {taken}.", field=shown)
        if name in seen:
            raise ProblemError("invalid-request", f"{shown} occurs twice in the address; send it once.", field=shown)
        seen.add(name)
