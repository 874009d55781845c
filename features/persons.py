"""Who is who: what tells a patient of one cohort from the patients of any other."""

from __future__ import annotations

import re

from features.cohort import Cohort

#: The part of a TCGA barcode that names the patient; what may follow are sample, vial, portion, plate and centre.
TCGA_PATIENT = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}(?=-|$)")
#: A number, also as tables write it that hold numbers (``1001.0``), and as R names a column (``X1001``).
_NUMBER = re.compile(r"X?([0-9]+)(?:\.0+)?")
#: Between the name of a pooled cohort and an identifier that another one uses for someone else.
OF = "/"


def canonical(identifier: object) -> str:
    """Return the one spelling of all that tables give an identifier, under which patients are compared.

    Parameters
    ----------
    identifier : object
        As a cohort has it.

    Returns
    -------
    str
        Without spaces around it, in capitals, with hyphens for points and underscores (R's ``make.names`` writes
        ``TCGA.OR.A5J1``); of a TCGA barcode, whatever its length, the part that names the patient; of a number, its
        digits alone (``1001`` of ``1001.0`` and of R's ``X1001``).
    """
    written = str(identifier).strip().upper()
    if number := _NUMBER.fullmatch(written):
        return number[1]
    text = written.replace(".", "-").replace("_", "-")
    barcode = TCGA_PATIENT.match(text)
    return barcode[0] if barcode else text


def persons(cohort: Cohort) -> list[tuple[object, ...]]:
    """Return what tells a patient from any other: TCGA's name, else the identifier together with the outcome.

    Identifiers of a cohort's own making (``P001``) may stand for others elsewhere.
    """
    names = [canonical(identifier) for identifier in own_identifiers(cohort)]
    outcomes = zip(cohort.time.tolist(), cohort.event.tolist(), strict=True)
    return [
        (name,) if TCGA_PATIENT.match(name) else (name, *outcome) for name, outcome in zip(names, outcomes, strict=True)
    ]


def own_identifiers(cohort: Cohort) -> list[str]:
    """Return the patients' identifiers as their own cohorts have them, also where several were pooled."""
    if cohort.strata is None:
        return [str(patient) for patient in cohort.patients]
    named = zip(map(str, cohort.patients), cohort.strata.tolist(), strict=True)
    return [patient.removeprefix(f"{name}{OF}") for patient, name in named]
