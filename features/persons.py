"""Who is who: what tells a patient of one cohort from the patients of any other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.cohort import Cohort

#: The part of a TCGA barcode that names the patient; what may follow are sample, vial, portion, plate and centre.
TCGA_PATIENT = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}(?=-|$)")
#: A number, also as tables write it that hold numbers (``1001.0``), and as R names a column (``X1001``).
_NUMBER = re.compile(r"X?([0-9]+)(?:\.0+)?")
#: Between the name of a pooled cohort and an identifier that another one uses for someone else.
OF = "/"
#: A clinical column tells persons apart if chance leaves at least so many pairs different; age does from 6 pairs on.
_TELLING = 5.0
#: Agreement beyond chance from which namesakes are the same persons: 0 is expected of others, 1 of the same.
_AGREED = 0.5


@dataclass(frozen=True)
class Namesakes:
    """Identifiers that two cohorts both use, TCGA's apart, and whether the same persons bear them.

    Parameters
    ----------
    n_shared : int
    n_differing : int
        Those among them whose follow-up or event differs.
    n_smaller : int
        Identifiers of the cohort that has fewer.
    same_persons : bool or None
        As clinical columns tell that both know; None where none can.
    """

    n_shared: int
    n_differing: int
    n_smaller: int
    same_persons: bool | None


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


def namesakes(one: Cohort, other: Cohort) -> Namesakes:
    r"""Compare the patients of two cohorts who bear the same identifier, in whatever spelling.

    Parameters
    ----------
    one, other : Cohort

    Returns
    -------
    Namesakes

    Notes
    -----
    Of :math:`n` pairs of namesakes whose value of a clinical column is known twice, a share :math:`p` agrees; drawn at
    random, a share :math:`c` would. They are the same persons if in any column :math:`(p - c) / (1 - c)` is a half or
    more, and others if in none. A column with :math:`n (1 - c) < 5` is not heard: as one where nearly all are alike.
    Numbers agree that are less than one apart, as an age in whole years does with the same age in decimals.
    """
    mine, theirs = _by_identifier(one), _by_identifier(other)
    shared = [name for name in mine if name in theirs]
    here = np.array([mine[name] for name in shared], dtype=np.intp)
    there = np.array([theirs[name] for name in shared], dtype=np.intp)
    differing = (one.time[here] != other.time[there]) | (one.event[here] != other.event[there])
    same = _same_persons(one.clinical.iloc[here], other.clinical.iloc[there])
    return Namesakes(len(shared), int(differing.sum()), min(len(mine), len(theirs)), same)


def _same_persons(left: pd.DataFrame, right: pd.DataFrame) -> bool | None:
    agreements = (_agreement(x, y) for x, y in _known_twice(left, right))
    agreed = [beyond_chance >= _AGREED for beyond_chance, telling in agreements if telling >= _TELLING]
    return any(agreed) if agreed else None


def _by_identifier(cohort: Cohort) -> dict[str, int]:
    """Return where each patient stands, by the one spelling of the identifier; those of TCGA are left out."""
    names = map(canonical, own_identifiers(cohort))
    return {name: position for position, name in enumerate(names) if not TCGA_PATIENT.match(name)}


def _known_twice(left: pd.DataFrame, right: pd.DataFrame) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield each column's values in pairs, where both have one; words as whole numbers, equal for equal words."""
    for column in left.columns.intersection(right.columns):
        both = left[column].notna().to_numpy() & right[column].notna().to_numpy()
        x, y = left[column][both], right[column][both]
        numeric = [pd.api.types.is_numeric_dtype(values) for values in (x, y)]
        if all(numeric):
            yield x.to_numpy(np.float64), y.to_numpy(np.float64)
        elif not any(numeric):
            words = [str(word).strip().casefold() for word in (*x, *y)]
            codes = pd.factorize(np.array(words, dtype=object))[0].astype(np.float64)
            yield codes[: len(x)], codes[len(x) :]


def _agreement(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Return the agreement of pairs beyond chance, and how many pairs chance would leave different."""
    if not len(x):
        return 0.0, 0.0
    ordered = np.sort(y)
    alike = np.searchsorted(ordered, x + 1, side="left") - np.searchsorted(ordered, x - 1, side="right")
    chance = float(alike.mean()) / len(y)
    if chance >= 1:
        return 0.0, 0.0
    return (float((np.abs(x - y) < 1).mean()) - chance) / (1 - chance), len(x) * (1 - chance)


def own_identifiers(cohort: Cohort) -> list[str]:
    """Return the patients' identifiers as their own cohorts have them, also where several were pooled."""
    if cohort.strata is None:
        return [str(patient) for patient in cohort.patients]
    named = zip(map(str, cohort.patients), cohort.strata.tolist(), strict=True)
    return [patient.removeprefix(f"{name}{OF}") for patient, name in named]
