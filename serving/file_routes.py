"""Files of patients over HTTP: taken whole, scored block by block, answered line by line."""

from __future__ import annotations

import io
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio.to_thread
import orjson
import pyarrow.csv as pacsv
from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from features.profile_blocks import ProfileFileError
from features.profile_files import FORMATS, open_profiles
from serving.champions import ServedModel
from serving.desk import Desk
from serving.problems import Problem, ProblemError
from serving.reference_schemas import ASKED_FOR
from serving.request_log import note
from serving.schemas import Endpoint, Name, Scale
from serving.score_answers import answer_line, count_block
from serving.wire import Wire
from training.file_scoring import Asked, ScoredBlock, score_file
from training.scoring import RequestError

#: What a body may be said to be, and the format that it then is.
MEDIA_TYPES: Mapping[str, str] = {
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/vnd.apache.parquet": "parquet",
    "application/x-hdf5": "h5ad",
}
_BYTES = "application/octet-stream"
LINES, CSV = "application/x-ndjson", "text/csv"
_AFTER = b"\n"


class FileQuery(Wire):
    """What is asked of every patient of a file, in the address."""

    cancer_type: Name = Field(description="See `/cancer-types`.", examples=["KIRC"])
    endpoint: Endpoint = Field(default="OS")
    scale: Scale = Field(description="The scale of every expression value in the file.")
    zscore_reference: Name | None = Field(default=None, description="As in `/score`.")
    reference: Name | None = Field(default=None, description=ASKED_FOR)
    horizons_months: str | None = Field(
        default=None,
        description="Months from diagnosis, divided by commas; the model's own if left out.",
        examples=["12,36"],
        json_schema_extra={"pattern": r"^[0-9]+(\.[0-9]+)?(,[0-9]+(\.[0-9]+)?)*$"},
    )
    contributions: bool = Field(default=False, description="In lines of JSON only.")
    format: str | None = Field(
        default=None, description="Where Content-Type does not tell.", json_schema_extra={"enum": list(FORMATS)}
    )


async def score_file_route(desk: Desk, request: Request) -> Response:
    """Answer `POST /score/file`."""
    query, horizons = _query(request)
    form, wanted = _format(request, query), _wanted(request)
    served = desk.snapshot.find(query.cancer_type, query.endpoint, kind="not-scorable")
    served = served.on_reference(query.reference, kind="not-scorable")
    asked = Asked(query.scale, query.zscore_reference, horizons, contributions=query.contributions and wanted == LINES)
    # The file's own scope ends with the answer's last part, or with the first fault.
    folder = tempfile.TemporaryDirectory(prefix="prognosis-")
    try:
        path = Path(folder.name) / "patients"
        await _save(request, path)
        parts = _parts(served, path, form, asked, wanted)
        first = await anyio.to_thread.run_sync(_next, parts, limiter=desk.threads)
    except (ProfileFileError, RequestError) as error:
        folder.cleanup()
        raise ProblemError("not-scorable", str(error), field=getattr(error, "field", None)) from None
    except BaseException:
        folder.cleanup()
        raise
    return StreamingResponse(
        _streamed(first, parts, desk, folder.cleanup), media_type=wanted, headers={"Cache-Control": "no-store"}
    )


def _query(request: Request) -> tuple[FileQuery, tuple[float, ...] | None]:
    given: dict[str, Any] = dict(request.query_params)
    if "contributions" in given:
        given["contributions"] = {"true": True, "false": False}.get(given["contributions"], given["contributions"])
    try:
        query = FileQuery.model_validate(given)
        stated = query.horizons_months
        return query, tuple(map(float, stated.split(","))) if stated is not None else None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = str(first["loc"][0]) if first["loc"] else None
        raise ProblemError("invalid-request", f"{field} in the address: {first['msg']}.", field=field) from None
    except ValueError:
        detail = "horizons_months must be months divided by commas, 12,36."
        raise ProblemError("invalid-request", detail, field="horizons_months") from None


def _format(request: Request, query: FileQuery) -> str:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # Other types are those that any web page may send without asking first.
    stated = query.format if media_type == _BYTES or media_type in MEDIA_TYPES else None
    form = stated or MEDIA_TYPES.get(media_type)
    if form not in FORMATS:
        detail = (
            f"send the file as Content-Type {', '.join(MEDIA_TYPES)}, or {_BYTES} with its format in the address "
            f"({', '.join(FORMATS)})."
        )
        raise ProblemError("unsupported-media-type", detail, field="format" if stated else "Content-Type")
    return str(form)


def _wanted(request: Request) -> str:
    accepted = request.headers.get("accept", "*/*").lower()
    return CSV if CSV in accepted else LINES


async def _save(request: Request, path: Path) -> None:
    with path.open("wb") as file:
        async for chunk in request.stream():
            file.write(chunk)


def _parts(served: ServedModel, path: Path, form: str, asked: Asked, wanted: str) -> Iterator[bytes]:
    blocks = score_file(served.model, open_profiles(path, form, shown="the file"), asked)
    written = _lines(served, blocks) if wanted == LINES else _table(blocks)
    for block, part in written:
        if block is not None:
            note(model=served.model.name, version=served.registered.version, profiles=len(block.rows))
            count_block(block)
        yield part


def _lines(served: ServedModel, blocks: Iterator[ScoredBlock]) -> Iterator[tuple[ScoredBlock | None, bytes]]:
    """Yield the model, a line for each patient, and how many there were: without the last, something was lost."""
    model = b'{"model":' + served.rendered.block_json + b"}" + _AFTER
    n_patients = n_failed = 0
    passed_over: tuple[str, ...] = ()
    for block in blocks:
        answers = zip(block.rows.tolist(), block.patients.ids, block.answers(), strict=True)
        lines = b"".join(orjson.dumps(answer_line(*each)) + _AFTER for each in answers)
        n_patients, n_failed = n_patients + len(block.rows), n_failed + block.n_failed
        passed_over = block.passed_over
        yield block, model + lines
        model = b""
    summary: dict[str, Any] = {"patients": n_patients, "scored": n_patients - n_failed, "failed": n_failed}
    if passed_over:
        summary["passed_over"] = passed_over
    yield None, model + orjson.dumps({"summary": summary}) + _AFTER


def _table(blocks: Iterator[ScoredBlock]) -> Iterator[tuple[ScoredBlock | None, bytes]]:
    header = True
    for block in blocks:
        sink = io.BytesIO()
        pacsv.write_csv(block.table(), sink, pacsv.WriteOptions(include_header=header))
        header = False
        yield block, sink.getvalue()


def _next(parts: Iterator[bytes]) -> bytes | None:
    return next(parts, None)


async def _streamed(
    first: bytes | None, parts: Iterator[bytes], desk: Desk, cleanup: Callable[[], None]
) -> AsyncIterator[bytes]:
    part = first
    try:
        while part is not None:
            yield part
            part = await anyio.to_thread.run_sync(_next, parts, limiter=desk.threads)
    except ProfileFileError as error:
        # The status is sent already: what comes last says that this is not all.
        yield orjson.dumps({"error": Problem.of("not-scorable", str(error)).model_dump()}) + _AFTER
    finally:
        cleanup()
