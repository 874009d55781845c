"""Who is who: what tells a patient of one cohort from the patients of any other."""

from __future__ import annotations

from features.cohort import Cohort

#: Characters of a TCGA barcode that name the patient: TCGA-XX-NNNN.
TCGA_PATIENT = 12
#: Between the name of a pooled cohort and an identifier that another one uses for someone else.
OF = "/"


def persons(cohort: Cohort) -> list[tuple[object, ...]]:
    """Return what tells a patient from any other: TCGA's name, else the identifier together with the outcome.

    Identifiers of a cohort's own making (``P001``) may stand for others elsewhere.
    """
    texts = [identifier.upper() for identifier in own_identifiers(cohort)]
    outcomes = zip(cohort.time.tolist(), cohort.event.tolist(), strict=True)
    return [
        (text[:TCGA_PATIENT],) if text.startswith("TCGA-") else (text, *outcome)
        for text, outcome in zip(texts, outcomes, strict=True)
    ]


def own_identifiers(cohort: Cohort) -> list[str]:
    """Return the patients' identifiers as their own cohorts have them, also where several were pooled."""
    if cohort.strata is None:
        return [str(patient) for patient in cohort.patients]
    named = zip(map(str, cohort.patients), cohort.strata.tolist(), strict=True)
    return [patient.removeprefix(f"{name}{OF}") for patient, name in named]
