"""Tell which patients a model has not learned from, by the hashed identifiers that its bundle keeps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from features.cohort import Cohort
from features.persons import TCGA_PATIENT, canonical, own_identifiers
from training.model import PrognosticModel

#: Sample types of a tumour (01-09, 40), and the letters of the vials that TCGA has: what a barcode of a sample ends in.
_TUMOUR_SAMPLES = (*(f"{code:02d}" for code in range(1, 10)), "40")
_VIALS = ("", "A", "B", "C", "D", "E")


def hashed(identifier: object) -> str:
    """Return the SHA-256 (hex) of a patient's identifier in its one spelling, as a bundle keeps it."""
    return _sha256(canonical(identifier))


def hashes_of(cohort: Cohort, first: str = "") -> tuple[str, ...]:
    """Return the hashes of a cohort's patients as a model keeps them: sorted, those of one pooled cohort first.

    Parameters
    ----------
    cohort : Cohort
    first : str
        The name of one of the cohorts that were pooled; empty for none.
    """
    hashes = list(map(hashed, own_identifiers(cohort)))
    named = [""] * len(hashes) if cohort.strata is None else cohort.strata.tolist()
    return tuple(each for _, each in sorted(zip((name != first for name in named), hashes, strict=True)))


def absent_from(model: PrognosticModel, patients: Iterable[object]) -> NDArray[np.bool_]:
    """Tell of each patient whether the model has not learned from them.

    Parameters
    ----------
    model : PrognosticModel
    patients : iterable of shape (n_patients,)
        Identifiers, as a cohort has them.

    Returns
    -------
    array of bool, shape (n_patients,)
        True where no training patient bears this identifier.

    Notes
    -----
    A bundle holds hashes, not identifiers: of their one spelling (`features.persons.canonical`), in which case, points
    for hyphens and the length of a TCGA barcode make no difference. Bundles that are older hold hashes of identifiers
    as they stood, so that only what can be spelled can be compared: the identifier as it stands and in either case; and
    of a TCGA barcode the patient's part and that part with every tumour sample that TCGA has, also with points and in
    small letters. A training patient known to such a bundle by a whole aliquot's barcode is found by that barcode only.

    Two hospitals may both have a patient ``P001``: they are taken to be one, which leaves a patient out, and flatters
    no model. An identifier that was replaced by another since (a new pseudonym) cannot be found.
    """
    learned = frozenset(model.patient_hashes)
    return np.array([learned.isdisjoint(map(_sha256, _spellings(patient))) for patient in patients], dtype=np.bool_)


def share_of_reference(model: PrognosticModel, patients: Iterable[object]) -> float:
    """Return the share of a pooled model's reference cohort who are among these patients; NaN where no one can tell.

    Parameters
    ----------
    model : PrognosticModel
        On the reference in question.
    patients : iterable
        Identifiers, as a cohort has them.

    Notes
    -----
    A model keeps its reference cohort's hashes before those of the cohorts that were pooled with it, each sorted. If
    the whole is sorted the bundle is older, and does not say whose each is.
    """
    hashes = model.patient_hashes
    if not model.reference or hashes == tuple(sorted(hashes)):
        return float("nan")
    own = hashes[: model.cohort.n_patients]
    present = set(map(hashed, patients))
    return sum(each in present for each in own) / len(own)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _spellings(patient: object) -> Iterator[str]:
    """Yield the one spelling of an identifier, and how it may stand in bundles that are older."""
    text, name = str(patient), canonical(patient)
    bare = text.strip()
    yield from (name, text, bare, bare.upper(), bare.lower())
    if TCGA_PATIENT.match(name):
        samples = ["", *(f"-{sample}{vial}" for sample in _TUMOUR_SAMPLES for vial in _VIALS)]
        for barcode in (f"{name}{sample}" for sample in samples):
            dotted = barcode.replace("-", ".")
            yield from (barcode, dotted, barcode.lower(), dotted.lower())
