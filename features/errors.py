"""The errors that are the data's or the user's fault, and so are one line and no traceback."""

from __future__ import annotations


class PrognosisError(Exception):
    """Say where, what rule, which value and how to mend; shown as one line, or as 422 over HTTP."""


class CohortError(PrognosisError):
    """A cohort cannot be read, or is not one."""


class PanelError(PrognosisError):
    """A gene panel is malformed, or does not fit the cohort."""


class ScaleError(PrognosisError):
    """An expression scale is unknown, undeclared, or has no conversion to the one that is needed."""


class ClinicalError(PrognosisError):
    """A clinical value cannot be what it says it is."""
