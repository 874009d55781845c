"""Requests that nobody should send: what each is, as bytes, and the kind of problem that must come back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.benchmarks.soak_requests import MARKED_ID, MARKED_VALUE, file_address, patients, request_to
from training.model import PrognosticModel

#: What the service of the soak reads of a body at most.
BODY_LIMIT_BYTES = 4 * 2**20
_PAST_LIMIT_BYTES = 5 * 2**20
_CHUNK_BYTES = 2**16
_JSON = ("Content-Type: application/json",)
_NO_DIGEST = "dGhlIHNhbXBsZSBub25jZQ=="


@dataclass(frozen=True)
class Provocation:
    """A request that must be refused.

    Parameters
    ----------
    what : str
        What is wrong with it.
    raw : bytes
        The whole request; of one that never ends, what comes at once.
    kind : str
        The key of `serving.problems.KINDS` that must be answered.
    drop : bytes
        What comes once a second after `raw`, for as long as there is no answer.
    """

    what: str
    raw: bytes
    kind: str
    drop: bytes = b""


def hostile_requests(model: PrognosticModel, token: str) -> list[Provocation]:
    """Return whole requests that must be refused at once.

    Parameters
    ----------
    model : PrognosticModel
        A served one, whose patients the bodies are made of: they hold the marks.
    token : str
        Opens the service.
    """
    opened, right = f"Authorization: Bearer {token}", _right_body(model)
    posted = ("POST /score", opened, *_JSON)
    file = (f"POST {file_address(model)}", opened)
    chunks = b"".join(_chunk(b" " * _CHUNK_BYTES) for _ in range(_PAST_LIMIT_BYTES // _CHUNK_BYTES)) + _chunk(b"")
    endless = _written(*posted, "Transfer-Encoding: chunked") + chunks
    return [
        *(Provocation(what, _written(line, opened, *more), kind) for what, (line, more, kind) in _HEADS.items()),
        *(Provocation(what, raw, "malformed-request") for what, raw in _NO_HTTP.items()),
        *(
            Provocation(what, _written("POST /score", *_JSON, *headers, body=right), "token-needed")
            for what, headers in _STRANGERS.items()
        ),
        *(Provocation(what, _written(*posted, body=body), kind) for what, (body, kind) in _bodies(model).items()),
        *(
            Provocation(what, _written(*file, f"Content-Type: {media_type}", body=body), kind)
            for what, (body, media_type, kind) in _files().items()
        ),
        Provocation("a body past the limit", _written(*posted, body=b" " * _PAST_LIMIT_BYTES), "body-too-large"),
        Provocation("a body past the limit, in chunks", endless, "body-too-large"),
    ]


def stalling_requests(model: PrognosticModel, token: str) -> list[Provocation]:
    """Return requests whose bodies never end, which must be given up in time."""
    right, posted = _right_body(model), ("POST /score", f"Authorization: Bearer {token}", *_JSON)
    stalled = _written(*posted, f"Content-Length: {len(right)}") + right[: len(right) // 2]
    dripping = _written(*posted, "Transfer-Encoding: chunked") + _chunk(right[:100])
    return [
        Provocation("a body that stalls", stalled, "upload-timeout"),
        Provocation("a body that drips", dripping, "upload-timeout", _chunk(b" ")),
    ]


def _right_body(model: PrognosticModel) -> bytes:
    return json.dumps(request_to(model, patients(model, 1, np.random.default_rng(0)))).encode()


def _written(line: str, *headers: str, body: bytes | None = None) -> bytes:
    own = ("Host: here", "Connection: close") + (() if body is None else (f"Content-Length: {len(body)}",))
    return "\r\n".join((f"{line} HTTP/1.1", *own, *headers, "", "")).encode("latin-1") + (body or b"")


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


_HANDSHAKE = ("Upgrade: websocket", f"Sec-WebSocket-Key: {_NO_DIGEST}", "Sec-WebSocket-Version: 13")
#: First line, headers, kind of problem; with a token.
_HEADS: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    "an unknown address": (f"GET /{MARKED_ID}", (), "not-found"),
    "a way upwards": ("GET /../../etc/passwd", (), "not-found"),
    "escapes that are none": ("GET /%zz%ff%00", (), "not-found"),
    "a model that is not there": ("GET /hazard-ratios/XYZ", (), "no-such-model"),
    "a parameter that is not known": (f"GET /models?patient={MARKED_ID}", (), "invalid-request"),
    "another method": ("PUT /score", (), "method-not-allowed"),
    "a method of WebDAV": ("PROPFIND /models", (), "method-not-allowed"),
    "a method of nobody's": ("FROB /models", (), "malformed-request"),
    "a zero byte in a header": ("GET /models", ("X-A: a\x00b",), "malformed-request"),
    "a length that is none": ("POST /score", (*_JSON, "Content-Length: two"), "malformed-request"),
    "a length and chunks": (
        "POST /score",
        (*_JSON, "Content-Length: 2", "Transfer-Encoding: chunked"),
        "malformed-request",
    ),
    "a WebSocket": ("GET /models", (*_HANDSHAKE, "Connection: Upgrade"), "malformed-request"),
    "a long address": ("GET /" + "a" * 9_000, (), "address-too-long"),
    "a large header": ("GET /models", ("X-A: " + "a" * 40_000,), "headers-too-large"),
    "many headers": ("GET /models", tuple(f"X-{n}: a" for n in range(200)), "headers-too-large"),
    "a length past the limit": ("POST /score", (*_JSON, "Content-Length: 99999999"), "body-too-large"),
    "a length that nobody has": ("POST /score", (*_JSON, "Content-Length: 9999999999999999"), "body-too-large"),
    "a compressed body": (
        "POST /score",
        (*_JSON, "Content-Encoding: gzip", "Content-Length: 0"),
        "unsupported-media-type",
    ),
    "a body that is a table": (
        "POST /score",
        ("Content-Type: text/csv", "Content-Length: 0"),
        "unsupported-media-type",
    ),
}
_NO_HTTP: Mapping[str, bytes] = {
    "the hello of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a garbled first line": f"{MARKED_ID} {MARKED_VALUE} HTTP/9\r\n\r\n".encode(),
    "no line at all": b"\x00\xff\x00\xff\r\n\r\n",
}


#: What stands in place of a token.
_STRANGERS: Mapping[str, tuple[str, ...]] = {
    "no token": (),
    "a wrong token": ("Authorization: Bearer ctc_" + "x" * 43,),
    "another scheme": ("Authorization: Digest username=x",),
    "a token that is none": ("Authorization: Bearer \xff\xfe",),
}


def _bodies(model: PrognosticModel) -> dict[str, tuple[bytes, str]]:
    """Return bodies for ``/score`` that are not JSON, or no request, or cannot be scored."""
    (good,) = patients(model, 1, np.random.default_rng(0))
    whole = request_to(model, [good])
    text = json.dumps(whole)
    documents = {what: (json.dumps(made).encode(), kind) for what, (made, kind) in _documents(model, good).items()}
    return documents | {
        "no body": (b"", "malformed-request"),
        "no JSON": (f"{MARKED_ID}={MARKED_VALUE}".encode(), "malformed-request"),
        "a truncated body": (text[: len(text) // 2].encode(), "malformed-request"),
        "another encoding": (text.encode("utf-16"), "malformed-request"),
        "a body nested deeply": (b"[" * 100_000 + b"]" * 100_000, "malformed-request"),
        "profiles nested deeply": (
            text.replace(f"{MARKED_VALUE}", '{"a":' * 50_000 + "1" + "}" * 50_000).encode(),
            "malformed-request",
        ),
        "a number of 5,000 digits": (text.replace(f"{MARKED_VALUE}", "7" * 5_000).encode(), "malformed-request"),
        "a key twice": (
            text.replace('"expression": {', f'"expression": {{"CD44": {MARKED_VALUE}, ').encode(),
            "malformed-request",
        ),
        "a number past all numbers": (text.replace(f"{MARKED_VALUE}", "1e999").encode(), "invalid-request"),
        "not a number": (text.replace(f"{MARKED_VALUE}", "NaN").encode(), "invalid-request"),
        "minus infinity": (text.replace(f"{MARKED_VALUE}", "-Infinity").encode(), "invalid-request"),
        "half a surrogate": (text.replace(MARKED_ID, "\\ud800").encode(), "invalid-request"),
    }


def _documents(model: PrognosticModel, good: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    whole, expression = request_to(model, [good]), good["expression"]

    def with_profile(**changes: Any) -> dict[str, Any]:
        return request_to(model, [{**good, **changes}])

    return {
        "a list in place of a request": ([whole], "invalid-request"),
        "a request without profiles": (request_to(model, []), "invalid-request"),
        "a profile in place of a list": ({**whole, "profiles": good}, "invalid-request"),
        "a field that is not known": (whole | {"note": MARKED_ID}, "invalid-request"),
        "a word in place of a number": (with_profile(expression={**expression, "CD44": MARKED_ID}), "invalid-request"),
        "a truth in place of a number": (with_profile(expression={**expression, "CD44": True}), "invalid-request"),
        "a list of values": (with_profile(expression=list(expression.values())), "invalid-request"),
        "an id that is a number": (with_profile(id=MARKED_VALUE), "invalid-request"),
        "an id twice": (request_to(model, [good, good]), "invalid-request"),
        "a scale that there is not": ({**whole, "scale": MARKED_ID}, "invalid-request"),
        "a cancer type without a model": ({**whole, "cancer_type": "XYZ"}, "not-scorable"),
        "a horizon past follow-up": ({**whole, "horizons_months": [1e6]}, "not-scorable"),
        "an impossible age": (with_profile(clinical={"age": 1000 + MARKED_VALUE}), "not-scorable"),
        "an impossible stage": (with_profile(clinical={"stage": MARKED_ID}), "not-scorable"),
        "values far outside": (with_profile(expression=dict.fromkeys(expression, 1e30)), "not-scorable"),
        "logarithms called counts": ({**whole, "scale": "zscore"}, "not-scorable"),
        "a gene that says nothing": (with_profile(expression={"XIST": MARKED_VALUE}), "not-scorable"),
    }


def _files() -> dict[str, tuple[bytes, str, str]]:
    """Return bodies for ``/score/file``, what they are said to be, and the kind of problem."""
    noise = np.random.default_rng(0).bytes(5_000)
    parquet, anndata = "application/vnd.apache.parquet", "application/x-hdf5"
    zipped = gzip.compress(b"id,CD44\n" + f"{MARKED_ID},{MARKED_VALUE}\n".encode() * 200)
    return {
        "noise called CSV": (noise, "text/csv", "not-scorable"),
        "noise called Parquet": (noise, parquet, "not-scorable"),
        "noise called AnnData": (noise, anndata, "not-scorable"),
        "Parquet without its middle": (b"PAR1" + noise + b"PAR1", parquet, "not-scorable"),
        "an archive cut short": (zipped[: len(zipped) // 2], "text/csv", "not-scorable"),
        "a file without a line": (b"", "text/csv", "not-scorable"),
        "a file without genes": (f"id\n{MARKED_ID}\n".encode(), "text/csv", "not-scorable"),
        "a picture": (noise, "image/png", "unsupported-media-type"),
    }
