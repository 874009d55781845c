"""``cohort.toml``: what a user states of a cohort's folder, whatever its format, because no file of it does.

::

    cancer_type = "KIRC"                # a TCGA or OncoTree code
    scale = "log2_tpm_1"                # zscore also needs zscore_reference = "…"
    time_unit = "months"                # of times whose column states no unit: days, months or years
    expression = "expression.tsv"       # which file, profile or layer is read
    clinical = "patients.csv"           # which table holds outcome and clinical columns
    gene_column = "Description"         # which column names the genes (GCT, AnnData)
    patient_column = "donor"            # which column of samples names their patient (GCT, AnnData)
    clinical_columns = ["bmi"]          # columns of numbers that are no genes (one table with everything)
    reader = "my_format"                # who reads the folder: see `features.readers`
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from features.cancer_types import cancer_type, named_in
from features.errors import CohortError
from features.follow_up_units import UNITS
from features.ledger import Ledger
from features.profiles import Declared
from features.tables import readable, shown

SETTINGS_FILE = "cohort.toml"


@dataclass(frozen=True)
class Settings:
    """What ``cohort.toml`` says; None where it says nothing."""

    cancer_type: str | None = None
    scale: str | None = None
    zscore_reference: str | None = None
    expression: str | None = None
    clinical: str | None = None
    time_unit: str | None = None
    gene_column: str | None = None
    patient_column: str | None = None
    reader: str | None = None
    clinical_columns: tuple[str, ...] = ()


def read_settings(folder: Path) -> Settings:
    """Read a folder's ``cohort.toml``; where there is none, it says nothing.

    Raises
    ------
    CohortError
        If it cannot be read or is not TOML, or a key is unknown, of the wrong type, or no unit of time.
    """
    path = folder / SETTINGS_FILE
    if not os.path.lexists(path):
        return Settings()
    with readable(path):
        text = path.read_text(encoding="utf-8-sig")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CohortError(f"{shown(path)}: is not TOML ({error}).") from error
    for key, value in table.items():
        _require_valid(key, value, path)
    columns = tuple(table.pop("clinical_columns", ()))
    return Settings(**table, clinical_columns=columns)


def said(declared: Declared, settings: Settings) -> Declared:
    """Return what the user declares, and what the settings say of the rest; a scale takes its own reference along."""
    by_settings = declared.scale is None
    return replace(
        declared,
        cancer_type=declared.cancer_type or settings.cancer_type,
        profile=declared.profile or settings.expression,
        scale=settings.scale if by_settings else declared.scale,
        zscore_reference=declared.zscore_reference or (settings.zscore_reference if by_settings else None),
        time_unit=declared.time_unit or settings.time_unit,
    )


def cancer_type_of(declared: Declared, names: tuple[str, ...], source: str) -> tuple[str, Ledger]:
    """Return the cancer type: as declared, else by the names of folder and files.

    Raises
    ------
    CohortError
        If neither says it, or the declared one is no code.
    """
    if declared.cancer_type is not None:
        return cancer_type(declared.cancer_type), Ledger()
    found = named_in(names)
    if found is None:
        raise CohortError(f"{source}: does not say of which cancer type it is; write cancer_type in {SETTINGS_FILE}.")
    where = "folder" if named_in(names[:1]) else "files"
    return found, Ledger().with_entry("guessed", f"cancer type, from the name of the {where}", (found,))


def _require_valid(key: str, value: object, path: Path) -> None:
    if key not in Settings.__dataclass_fields__:
        known = ", ".join(Settings.__dataclass_fields__)
        raise CohortError(f"{shown(path)}: key {key!r} is unknown; known are {known}.")
    if key == "clinical_columns":
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise CohortError(f"{shown(path)}: {key} must be a list of words.")
    elif not isinstance(value, str):
        raise CohortError(f"{shown(path)}: {key} must be a word.")
    elif key == "time_unit" and value not in UNITS:
        raise CohortError(f"{shown(path)}: {key} {value!r} is not one of {', '.join(UNITS)}.")
