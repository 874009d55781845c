"""Servers on this machine that answer as UCSC Xena's hubs and the GDC API do, and fail in the ways that they can."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

MODIFIED = "Fri, 13 Oct 2017 18:46:07 GMT"
#: What Amazon's S3 answers for what is not in a bucket that may not be listed.
ACCESS_DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


def etag_of(body: bytes) -> str:
    """S3's ETag of an object that was stored in one piece."""
    return f'"{hashlib.md5(body).hexdigest()}"'


@dataclass
class Stored:
    """A file at a host, with what the host says of it."""

    body: bytes
    etag: str | None = ""
    modified: str | None = MODIFIED
    kind: str = "binary/octet-stream"
    ranges: bool = True
    heeds_if_range: bool = True
    chunked: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self.etag = etag_of(self.body) if self.etag == "" else self.etag

    def validators(self) -> dict[str, str]:
        stated = {"ETag": self.etag, "Last-Modified": self.modified}
        return {name: value for name, value in stated.items() if value is not None}


type Fault = Callable[["Handler", Stored | None], None]


class Handler(BaseHTTPRequestHandler):
    """Answers GET; the next fault of a path, if there is one, answers in its place."""

    protocol_version = "HTTP/1.1"
    server: Host

    def do_GET(self):
        path, _, query = self.path.partition("?")
        self.server.asked.append((path, {name.lower(): value for name, value in self.headers.items()}, query))
        faults = self.server.faults.get(path, [])
        stored = self.server.files.get(path)
        if faults:
            faults.pop(0)(self, stored)
        elif stored is not None:
            self.give(stored)
        else:
            self.server.answer(self, path, parse_qs(query))

    def give(self, stored: Stored):
        asked, length = self.headers, len(stored.body)
        unchanged = stored.etag is not None and asked.get("If-None-Match") == stored.etag
        same_date = stored.modified is not None and asked.get("If-Modified-Since") == stored.modified
        if unchanged or same_date:
            return self.say(304, stored.validators())
        start = self.start_of(stored)
        if start is None:
            return self.send(200, stored, stored.body)
        if start >= length:
            return self.say(416, {"Content-Range": f"bytes */{length}"}, b"InvalidRange")
        return self.send(206, stored, stored.body[start:], {"Content-Range": f"bytes {start}-{length - 1}/{length}"})

    def start_of(self, stored: Stored) -> int | None:
        range_ = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range", ""))
        if not range_ or not stored.ranges:
            return None
        condition = self.headers.get("If-Range")
        if stored.heeds_if_range and condition is not None and condition not in {stored.etag, stored.modified}:
            return None
        return int(range_[1])

    def send(self, code: int, stored: Stored, body: bytes, more: Mapping[str, str] | None = None):
        headers = {"Content-Type": stored.kind, **stored.validators(), **stored.headers, **(more or {})}
        if not stored.chunked:
            return self.say(code, headers, body)
        self.begin(code, {**headers, "Transfer-Encoding": "chunked"})
        for part in (body[: len(body) // 2], body[len(body) // 2 :]):
            if part:
                self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")
        return None

    def say(self, code: int, headers: Mapping[str, str] | None = None, body: bytes = b""):
        self.begin(code, {**(headers or {}), "Content-Length": str(len(body))} if code != 304 else headers or {})
        self.wfile.write(body)

    def begin(self, code: int, headers: Mapping[str, str]):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *arguments):
        pass


class Host(ThreadingHTTPServer):
    """A host on this machine.

    Attributes
    ----------
    files : dict of str to Stored
        By path, as it stands in the request.
    faults : dict of str to list of Fault
        By path, one for each of the next requests.
    asked : list of (path, headers, query)
        Every request so far; headers by their names in small letters.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, Stored] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.asked: list[tuple[str, dict[str, str], str]] = []
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def asked_for(self, path: str) -> list[dict[str, str]]:
        return [headers for asked, headers, _ in self.asked if asked == path]

    def answer(self, handler: Handler, path: str, query: Mapping[str, list[str]]):
        handler.say(403, {"Content-Type": "application/xml"}, ACCESS_DENIED)

    def handle_error(self, request, client_address):
        """Clients that go away are what the tests are about."""


@contextmanager
def running[AnyHost: Host](host: AnyHost, tls: ssl.SSLContext | None = None) -> Iterator[AnyHost]:
    """Serve until the test is over."""
    if tls is not None:
        host.socket = tls.wrap_socket(host.socket, server_side=True)
        host.scheme = "https"
    thread = Thread(target=host.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield host
    finally:
        host.shutdown()
        host.server_close()
        thread.join()


# --- What can go wrong -------------------------------------------------------------------------------------------


def status(code: int, headers: Mapping[str, str] | None = None, body: bytes = b"no") -> Fault:
    """Answer with a status."""
    return lambda handler, stored: handler.say(code, headers, body)


def page(handler: Handler, stored: Stored | None):
    """Answer with a log-in page and 200, as hotel and hospital networks do."""
    handler.say(200, {"Content-Type": "text/html; charset=utf-8"}, b"<!DOCTYPE html><html>Please log in</html>")


def torn(after: int, *, reset: bool = False) -> Fault:
    """Announce the whole rest of the file, send some bytes of it, and close or reset the connection."""

    def answer(handler: Handler, stored: Stored | None):
        assert stored is not None
        start = handler.start_of(stored) or 0
        body, length = stored.body[start:], len(stored.body)
        ranged = {"Content-Range": f"bytes {start}-{length - 1}/{length}"} if start else {}
        handler.begin(206 if start else 200, {
            "Content-Type": stored.kind, **stored.validators(), **ranged, "Content-Length": str(len(body)),
        })  # fmt: skip
        handler.wfile.write(body[:after])
        handler.wfile.flush()
        if reset:
            # Let what was sent arrive first: a reset throws away what lies in buffers.
            time.sleep(0.05)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
        handler.close_connection = True

    return answer


def torn_chunk(handler: Handler, stored: Stored | None):
    """Send half of the file as chunks, without the chunk that ends it."""
    assert stored is not None
    half = stored.body[: len(stored.body) // 2]
    handler.begin(200, {**stored.validators(), "Transfer-Encoding": "chunked"})
    handler.wfile.write(f"{len(half):x}\r\n".encode() + half + b"\r\n")
    handler.close_connection = True


def endless(stop: Event, then: Callable[[], None] = lambda: None, after: int = 0) -> Fault:
    """Send a file's first bytes, do something, and then hardly send anything more until the test is over."""

    def answer(handler: Handler, stored: Stored | None):
        assert stored is not None
        handler.begin(200, {**stored.validators(), "Content-Length": str(len(stored.body))})
        handler.wfile.write(stored.body[:after])
        handler.wfile.flush()
        then()
        for place in range(after, len(stored.body)):
            if stop.wait(0.05):
                break
            handler.wfile.write(stored.body[place : place + 1])
        handler.close_connection = True

    return answer


def wait_for(part: Path, size: int) -> None:
    """Wait until a part of a download has so many bytes, as a user waits who looks at the bar."""
    end = time.monotonic() + 120
    while time.monotonic() < end and not (part.is_file() and part.stat().st_size >= size):
        time.sleep(0.02)


# --- The GDC API ---------------------------------------------------------------------------------------------------


class GdcHost(Host):
    """The endpoints ``/status``, ``/files``, ``/cases`` and ``/data`` of the GDC API, over a few made-up records.

    The shapes of questions and answers are those of https://docs.gdc.cancer.gov/API/Users_Guide: ``filters`` as
    nested ``op`` and ``content``, ``data.hits`` and ``data.pagination``, the manifest as a table.
    """

    page_limit = 2

    def __init__(self, files: list[dict[str, Any]], cases: list[dict[str, Any]], bodies: Mapping[str, bytes]):
        super().__init__()
        self.records = {"/files": files, "/cases": cases}
        for file_id, body in bodies.items():
            self.files[f"/data/{file_id}"] = Stored(body, etag=None, modified=None, kind="text/tab-separated-values")

    def answer(self, handler: Handler, path: str, query: Mapping[str, list[str]]):
        if path == "/status":
            return self.json(handler, {
                "commit": "0" * 40, "data_release": "Data Release 45.0 - December 04, 2025", "status": "OK",
                "tag": "8.5.0", "version": 1,
            })  # fmt: skip
        if path not in self.records:
            return handler.say(404, {"Content-Type": "application/json"}, b'{"message": "not found"}')
        found = [record for record in self.records[path] if _matches(record, json.loads(query["filters"][0]))]
        if query.get("return_type") == ["manifest"]:
            return handler.say(200, {"Content-Type": "text/tab-separated-values"}, _manifest(found))
        start = int(query["from"][0])
        size = min(int(query["size"][0]), self.page_limit)
        hits = found[start : start + size]
        pagination = {"count": len(hits), "total": len(found), "size": size, "from": start, "sort": "", "page": 1}
        return self.json(handler, {"data": {"hits": hits, "pagination": pagination}, "warnings": {}})

    @staticmethod
    def json(handler: Handler, answer: object):
        handler.say(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())


def _matches(record: Mapping[str, Any], filters: Mapping[str, Any]) -> bool:
    if filters["op"] == "and":
        return all(_matches(record, part) for part in filters["content"])
    content = filters["content"]
    return bool(_values(record, content["field"].split(".")) & set(content["value"]))


def _values(record: Any, path: list[str]) -> set[Any]:
    if isinstance(record, list):
        return set().union(*(_values(part, path) for part in record))
    if not path:
        return {record}
    return _values(record[path[0]], path[1:]) if path[0] in record else set()


def _manifest(files: list[dict[str, Any]]) -> bytes:
    rows = [(file["file_id"], file["file_name"], file["md5sum"], str(file["file_size"]), "released") for file in files]
    return "\n".join("\t".join(row) for row in [("id", "filename", "md5", "size", "state"), *rows]).encode()


def path_of(url: str) -> str:
    """The path of a URL."""
    return urlsplit(url).path
