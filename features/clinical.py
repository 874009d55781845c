"""One clinical value as it was written, read as age, sex, stage or grade: by readers and over HTTP alike."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from features.errors import ClinicalError

#: What stands for "not known", in lower case; TCGA's words in square brackets are too.
MISSING_WORDS = frozenset(
    ("", "na", "n/a", "nan", "none", "null", "-", "--", "unknown", "not available", "not applicable", "not reported")
)
STAGES = ("I", "II", "III", "IV")
GRADES = ("G1", "G2", "G3", "G4")
AGE_MAX_YEARS = 120.0

#: A number as text: ASCII, and nothing that Python's float takes beside, such as 6_1 and inf.
DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# A column of whole numbers with a gap is written as 3.0.
_WHOLE = re.compile(r"\A([0-9]+)\.0+\Z")

_SEXES = {"female": "female", "f": "female", "woman": "female", "male": "male", "m": "male", "man": "male"}
_ARABIC = {"1": "I", "2": "II", "3": "III", "4": "IV"}
_STAGE = re.compile(
    r"(?:ajcc\s+)?(?:(?:pathologic(?:al)?|clinical|figo)\s+)?(?:stage)?\s*(iv|i{1,3}|[1-4])(?:[\s-]?[abc][1-3]?)?"
)
_STAGE_UNKNOWN = re.compile(r"(?:stage\s*)?x")
_GRADE = re.compile(r"(?:who\s+)?(?:grade\s*|g\s*)?(iv|i{1,3}|[1-4])")
_GRADE_UNKNOWN = re.compile(r"(?:grade\s*|g\s*)?x")
#: The AJCC's names of the four grades.
_DIFFERENTIATION = {
    "well differentiated": "G1",
    "moderately differentiated": "G2",
    "poorly differentiated": "G3",
    "undifferentiated": "G4",
}

ClinicalValue = float | str | None


def parse_age(value: ClinicalValue) -> float | None:
    """Read an age in years.

    Parameters
    ----------
    value : float, str or None

    Returns
    -------
    float or None
        0 to 120; None where `value` says that it is not known.

    Raises
    ------
    ClinicalError
        If it is no number, or none from 0 to 120.
    """
    text = _known_text(value, "age")
    if text is None:
        return None
    if not DECIMAL.fullmatch(text):
        raise ClinicalError("age must be a number of years from 0 to 120, or empty; it is a word.")
    age = float(text)
    if not 0.0 <= age <= AGE_MAX_YEARS:
        raise ClinicalError(f"age must be a number of years from 0 to 120; it is {'below' if age < 0 else 'above'}.")
    return age


def parse_sex(value: ClinicalValue) -> str | None:
    """Read a sex as ``female`` or ``male``, from these words or their first letters; None where it is not known.

    Raises
    ------
    ClinicalError
        If it is another word.
    """
    text = _known_text(value, "sex")
    if text is None:
        return None
    if text not in _SEXES:
        raise ClinicalError(f"sex must be female or male, or empty where it is not known; {_shown(text)} is neither.")
    return _SEXES[text]


def parse_stage(value: ClinicalValue) -> str | None:
    """Read a tumour stage as ``I``, ``II``, ``III`` or ``IV``.

    Parameters
    ----------
    value : float, str or None
        ``III``, ``Stage IIIA``, ``IIIa``, ``3``; sub-stages are read as their stage. ``X`` is not known.

    Returns
    -------
    str or None

    Raises
    ------
    ClinicalError
        If it is anything else: stage 0 (in situ) too, since no model here has seen it, and TNM categories.
    """
    text = _known_text(value, "stage")
    if text is None or _STAGE_UNKNOWN.fullmatch(text):
        return None
    match = _STAGE.fullmatch(text)
    if match is None:
        raise ClinicalError(
            f"stage must be I, II, III or IV (also as Stage IIIA, IIIa or 3), X or empty where it is not known; "
            f"{_shown(text)} is none of these (stage 0 and T, N and M categories are not taken)."
        )
    return _ARABIC.get(match[1], match[1].upper())


def parse_grade(value: ClinicalValue) -> str | None:
    """Read a histological grade as ``G1``, ``G2``, ``G3`` or ``G4``.

    Parameters
    ----------
    value : float, str or None
        ``G3``, ``3``, ``Grade 3``, ``WHO grade III``, or the AJCC's words, ``poorly differentiated``.
        ``GX`` and ``X`` are not known.

    Returns
    -------
    str or None

    Raises
    ------
    ClinicalError
        If it is anything else: ``high grade`` and ``low grade`` too, two tiers that four do not divide into.
    """
    text = _known_text(value, "grade")
    if text is None or _GRADE_UNKNOWN.fullmatch(text):
        return None
    if text in _DIFFERENTIATION:
        return _DIFFERENTIATION[text]
    match = _GRADE.fullmatch(text)
    if match is None:
        raise ClinicalError(
            f"grade must be G1, G2, G3 or G4 (also as 3 or Grade 3), GX or empty where it is not known; "
            f"{_shown(text)} is none of these (high and low grade are two tiers, and cannot be placed among four)."
        )
    return f"G{STAGES.index(_ARABIC.get(match[1], match[1].upper())) + 1}"


#: What reads each clinical value that has a meaning of its own.
PARSERS: dict[str, Callable[[ClinicalValue], ClinicalValue]] = {
    "age": parse_age,
    "sex": parse_sex,
    "stage": parse_stage,
    "grade": parse_grade,
}


def is_missing_word(text: str) -> bool:
    """Return whether a word, stripped and in lower case, stands for "not known"."""
    return text in MISSING_WORDS or (text.startswith("[") and text.endswith("]"))


def _known_text(value: ClinicalValue, what: str) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ClinicalError(f"{what} must be a number or a word, not {_kind(value)}.")
    text = f"{value:.17g}" if isinstance(value, float) else str(value).strip().lower()
    return None if is_missing_word(text) else _WHOLE.sub(r"\1", " ".join(text.split()))


def _kind(value: object) -> str:
    kinds = {bool: "true or false", list: "a list", dict: "an object"}
    return kinds.get(type(value), type(value).__name__)


def _shown(text: str) -> str:
    """Return a word for its own sender to see, cut short: free text is not repeated."""
    return repr(text if len(text) <= 24 else text[:24] + "…")
