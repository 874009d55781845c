"""What the Genomic Data Commons holds of a project: its release, its STAR counts file by file, its cases."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from experiments.fetch_catalogue import Place
from experiments.fetch_gdc_tables import CLINICAL, FOLLOW_UP, SAMPLE_SHEET, clinical, follow_up, sample_sheet
from experiments.fetch_http import Client, FetchError, NotThereError, shown

MANIFEST = "gdc_manifest.txt"
_FILES_A_PAGE, _CASES_A_PAGE = 1_000, 200
_FILE_FIELDS = (
    *("file_id", "file_name", "md5sum", "file_size", "data_category", "data_type"),
    *("cases.submitter_id", "cases.project.project_id", "cases.samples.submitter_id", "cases.samples.sample_type"),
    *("cases.samples.tissue_type", "cases.samples.tumor_descriptor", "cases.samples.specimen_type"),
    "cases.samples.preservation_method",
)
_CASE_FIELDS = (
    *("case_id", "submitter_id", "primary_site", "disease_type", "index_date", "consent_type", "days_to_consent"),
    *("lost_to_followup", "days_to_lost_to_followup", "project.project_id"),
)
_CASE_GROUPS = ("demographic", "diagnoses", "diagnoses.treatments", "follow_ups")

#: What becomes a path here must be one name, and no other folder's.
_Uuid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
_FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+ -]{0,199}$")]
_Md5 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$", to_lower=True)]


@dataclass(frozen=True)
class BuiltTable:
    """A table of an API's answers.

    Parameters
    ----------
    name : str
        Of its file.
    text : str
    url : str
        Where the answers come from.
    """

    name: str
    text: str
    url: str


@dataclass(frozen=True)
class GdcCohort:
    """A project's files and tables.

    Parameters
    ----------
    release : str
        The data release, in the API's words.
    files : tuple of Place
        Under ``FILE ID/FILE NAME``, as gdc-client leaves them.
    tables : tuple of BuiltTable
        What the portal's buttons give beside them.
    """

    release: str
    files: tuple[Place, ...]
    tables: tuple[BuiltTable, ...]


class _Answer(BaseModel):
    # The API gains fields with every release: what is not used is not looked at.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class _File(_Answer):
    file_id: _Uuid
    file_name: _FileName
    md5sum: _Md5
    file_size: int


class _Pagination(_Answer):
    total: int


class _Data(_Answer):
    hits: list[dict[str, Any]]
    pagination: _Pagination


class _Page(_Answer):
    data: _Data


def gdc_cohort(client: Client, project: str) -> GdcCohort:
    """Ask for a project's open STAR counts and for its cases.

    Parameters
    ----------
    client : Client
    project : str

    Returns
    -------
    GdcCohort

    Raises
    ------
    NotThereError
        If the project has no such files.
    FetchError
        If the API cannot be reached, answers with something else, or is given another release meanwhile.

    Notes
    -----
    All requests are GET: a redirected POST would lose its filters.

    References
    ----------
    https://docs.gdc.cancer.gov/API/Users_Guide/Search_and_Retrieval (``filters``, ``fields``, ``expand``, ``from``,
    ``size``, ``sort``) and https://docs.gdc.cancer.gov/API/Users_Guide/Downloading_Files (``data``, one file a
    request; ``return_type=manifest``).
    """
    api = client.settings.gdc_api
    release = str(client.json(f"{api}/status", {}).get("data_release", "not stated"))
    filters = {"filters": json.dumps(_star_counts_of(project), separators=(",", ":"))}
    listed = {"fields": ",".join(_FILE_FIELDS), "sort": "file_id:asc", **filters}
    hits = _all_hits(client, f"{api}/files", listed, "file_id", _FILES_A_PAGE)
    if not hits:
        raise NotThereError(
            f"{shown(api)}: has no open STAR counts of a project {project}; check the project's name, or choose "
            "another source."
        )
    files = [_read(_File, hit, f"{api}/files") for hit in hits]
    manifest = client.text(f"{api}/files", {"return_type": "manifest", "size": str(len(files)), **filters})
    _require_listed(manifest, files, api)
    wanted = {"filters": json.dumps(_equal("project.project_id", project)), "sort": "case_id:asc"}
    grouped = {"fields": ",".join(_CASE_FIELDS), "expand": ",".join(_CASE_GROUPS), **wanted}
    cases = _all_hits(client, f"{api}/cases", grouped, "case_id", _CASES_A_PAGE)
    places = tuple(
        Place(f"{file.file_id}/{file.file_name}", f"{api}/data/{file.file_id}", file.md5sum, file.file_size)
        for file in files
    )
    tables = (
        BuiltTable(MANIFEST, manifest, f"{api}/files"),
        BuiltTable(SAMPLE_SHEET, sample_sheet(hits), f"{api}/files"),
        BuiltTable(CLINICAL, clinical(cases), f"{api}/cases"),
        BuiltTable(FOLLOW_UP, follow_up(cases), f"{api}/cases"),
    )
    return GdcCohort(release, places, tables)


def _equal(field: str, value: str) -> dict[str, Any]:
    return {"op": "in", "content": {"field": field, "value": [value]}}


def _star_counts_of(project: str) -> dict[str, Any]:
    return {
        "op": "and",
        "content": [
            _equal("cases.project.project_id", project),
            _equal("data_type", "Gene Expression Quantification"),
            _equal("analysis.workflow_type", "STAR - Counts"),
            _equal("access", "open"),
        ],
    }


def _all_hits(client: Client, url: str, parameters: dict[str, str], key: str, size: int) -> list[dict[str, Any]]:
    """Return what a query finds, all pages of it, each thing once."""
    hits: list[dict[str, Any]] = []
    total: int | None = None
    while total is None or len(hits) < total:
        page = _read(_Page, client.json(url, {**parameters, "from": str(len(hits)), "size": str(size)}), url).data
        if total not in {None, page.pagination.total} or (not page.hits and len(hits) < page.pagination.total):
            raise _changed(url)
        hits += page.hits
        total = page.pagination.total
    if len({hit.get(key) for hit in hits}) != len(hits):
        raise _changed(url)
    return hits


def _require_listed(manifest: str, files: list[_File], api: str) -> None:
    """Check that the manifest names the files of the query, with their checksums: both come from one index."""
    rows = [line.split("\t") for line in manifest.splitlines()]
    named = {tuple(row[:3]) for row in rows[1:]}
    if named != {(file.file_id, file.file_name, file.md5sum) for file in files}:
        raise _changed(f"{api}/files")


def _changed(url: str) -> FetchError:
    return FetchError(
        f"{shown(url)}: the lists of files do not agree; a new release may be coming out, try again later."
    )


def _read[Model: _Answer](model: type[Model], answer: object, url: str) -> Model:
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise FetchError(
            f"{shown(url)}: {where} is not what the API's documentation says ({first['msg']}); "
            "check the configured host."
        ) from error
