"""The page at ``/ui``: its files, as they lie in the package, each with its media type and its digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from serving.security_headers import PAGE_POLICY

INDEX = "index.html"
_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# Kept by the browser that asked, and asked for again each time: a new version is seen at once.
_CACHING = "private, no-cache"


@dataclass(frozen=True)
class PageFile:
    """A file of the page.

    Parameters
    ----------
    content : bytes
    media_type : str
    etag : str
        Its digest, in quotes.
    """

    content: bytes
    media_type: str
    etag: str


@cache
def page_files() -> dict[str, PageFile]:
    """Return every file of the page, by name; read once."""
    folder = files("serving").joinpath("ui")
    found = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}
    return {name: _page_file(name, content) for name, content in found.items() if _suffix(name) in _MEDIA_TYPES}


def page_response(request: Request, name: str) -> Response:
    """Answer with a file of the page, or with 304 where the browser has it.

    Raises
    ------
    HTTPException
        404 if there is no such file.
    """
    file = page_files().get(name)
    if file is None:
        raise HTTPException(404)
    headers = {"ETag": file.etag, "Cache-Control": _CACHING, "Content-Security-Policy": PAGE_POLICY}
    if file.etag in _known(request):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


def to_the_page() -> Response:
    """Lead from ``/ui/`` to ``/ui``: the page names its files relative to the latter, under any prefix."""
    return RedirectResponse("../ui", status_code=308)


def _known(request: Request) -> set[str]:
    # A proxy that compresses marks the digest as weak.
    return {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}


def _page_file(name: str, content: bytes) -> PageFile:
    return PageFile(content, _MEDIA_TYPES[_suffix(name)], f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def _suffix(name: str) -> str:
    return name.rpartition(".")[2]
