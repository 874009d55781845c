"""The tables that the Genomic Data Commons' portal gives by its buttons, built from the API's answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: The names that the portal gives them.
SAMPLE_SHEET, CLINICAL, FOLLOW_UP = "gdc_sample_sheet.tsv", "clinical.tsv", "follow_up.tsv"
#: How the portal writes what is not known.
UNKNOWN = "'--"

type _Record = Mapping[str, Any]

_SHEET_HEADER = (
    *("File ID", "File Name", "Data Category", "Data Type", "Project ID", "Case ID", "Sample ID"),
    *("Tissue Type", "Tumor Descriptor", "Specimen Type", "Preservation Method"),
)
_SAMPLE_FIELDS = ("submitter_id", "tissue_type", "tumor_descriptor", "specimen_type", "preservation_method")
_IDENTITY = ("project.project_id", "cases.case_id", "cases.submitter_id")
#: Columns that are there even if no case has a value: readers look for them by name.
_CLINICAL_ALWAYS = (
    *("demographic.vital_status", "demographic.days_to_death", "demographic.gender", "demographic.age_at_index"),
    *("diagnoses.age_at_diagnosis", "diagnoses.days_to_last_follow_up", "diagnoses.ajcc_pathologic_stage"),
    "diagnoses.tumor_grade",
)
_FOLLOW_UP_ALWAYS = ("follow_ups.days_to_follow_up",)


def sample_sheet(files: Iterable[_Record]) -> str:
    """Return ``gdc_sample_sheet.tsv``: a row a file.

    Parameters
    ----------
    files : iterable of mapping
        Hits of ``/files``, with their cases and samples.

    Notes
    -----
    The header is the portal's since 2024; before, ``Sample Type`` stood in place of the last four columns. What a
    file has several of stands in one field, divided by ``, ``.
    """
    return _table(_SHEET_HEADER, (_sheet_row(file) for file in files))


def clinical(cases: Sequence[_Record]) -> str:
    """Return ``clinical.tsv``: a row for each treatment of each diagnosis of a case.

    Parameters
    ----------
    cases : sequence of mapping
        Hits of ``/cases``, with ``demographic``, ``diagnoses`` and ``diagnoses.treatments``.

    Notes
    -----
    Columns are named by entity and field, as in the portal's table: ``demographic.vital_status``,
    ``treatments.treatment_type``. It writes every field of the dictionary; here stand those that some case has.
    """
    rows = [
        {**_case(case), **_fields("diagnoses", diagnosis), **_fields("treatments", treatment)}
        for case in cases
        for diagnosis in _some(case.get("diagnoses"))
        for treatment in _some(diagnosis.get("treatments"))
    ]
    return _by_columns(rows, _CLINICAL_ALWAYS)


def follow_up(cases: Sequence[_Record]) -> str:
    """Return ``follow_up.tsv``: a row for each follow-up of a case.

    Parameters
    ----------
    cases : sequence of mapping
        Hits of ``/cases``, with ``follow_ups``.
    """
    rows = [
        {**_identity(case), **_fields("follow_ups", visit)} for case in cases for visit in case.get("follow_ups") or ()
    ]
    return _by_columns(rows, _FOLLOW_UP_ALWAYS)


def _sheet_row(file: _Record) -> list[object]:
    cases = file.get("cases") or ()
    samples = [sample for case in cases for sample in case.get("samples") or ()]
    projects = dict.fromkeys((case.get("project") or {}).get("project_id") for case in cases)
    return [
        *(file.get(name) for name in ("file_id", "file_name", "data_category", "data_type")),
        _joined(projects),
        _joined(case.get("submitter_id") for case in cases),
        *(_joined(sample.get(name) for sample in samples) for name in _SAMPLE_FIELDS),
    ]


def _joined(values: Iterable[object]) -> str | None:
    return ", ".join(_written(value) for value in values) or None


def _some(entities: Sequence[_Record] | None) -> Sequence[_Record]:
    """Return the entities, or one without fields: a case without a diagnosis has a row too."""
    return entities or ({},)


def _case(case: _Record) -> dict[str, object]:
    return {**_identity(case), **_fields("cases", case), **_fields("demographic", case.get("demographic") or {})}


def _identity(case: _Record) -> dict[str, object]:
    project = (case.get("project") or {}).get("project_id")
    return dict(zip(_IDENTITY, (project, case.get("case_id"), case.get("submitter_id")), strict=True))


def _fields(entity: str, record: _Record) -> dict[str, object]:
    """Return an entity's own fields, not those of the entities within it; ``id`` is a search index's, not GDC's."""
    return {f"{entity}.{name}": value for name, value in record.items() if name != "id" and not _is_entity(value)}


def _is_entity(value: object) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and any(isinstance(part, Mapping) for part in value))


def _by_columns(rows: Sequence[Mapping[str, object]], always: Sequence[str]) -> str:
    known = {name for row in rows for name in row} | set(always)
    entities = {"cases": 0, "demographic": 1, "diagnoses": 2, "treatments": 3, "follow_ups": 4}
    others = sorted(known.difference(_IDENTITY), key=lambda name: (entities[name.partition(".")[0]], name))
    columns = (*_IDENTITY, *others)
    return _table(columns, ([row.get(name) for name in columns] for row in rows))


def _table(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    lines = ["\t".join(header), *("\t".join(_written(value) for value in row) for row in rows)]
    return "\n".join(lines) + "\n"


def _written(value: object) -> str:
    if value is None or value in ("", []):
        return UNKNOWN
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ";".join(_written(part) for part in value)
    return " ".join(str(value).split())
