"""Tell which patients a model has not learned from, by the hashed identifiers that its bundle keeps."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from training.model import PrognosticModel

#: The part of a TCGA barcode that names the patient; what may follow are sample, vial, portion, plate and centre.
_TCGA_PATIENT = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}(?=-|$)")
#: Sample types of a tumour (01-09, 40), and the letters of the vials that TCGA has: what a barcode of a sample ends in.
_TUMOUR_SAMPLES = (*(f"{code:02d}" for code in range(1, 10)), "40")
_VIALS = ("", "A", "B", "C", "D", "E")


def hashed(identifier: object) -> str:
    """Return the SHA-256 (hex) of a patient's identifier, as a bundle keeps it."""
    return hashlib.sha256(str(identifier).encode()).hexdigest()


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
    A bundle holds hashes, not identifiers, so that only what can be spelled can be compared: the identifier as it
    stands; and of a TCGA barcode, whatever its length and case, the patient's part and that part with every tumour
    sample that TCGA has. A training patient known by a whole aliquot's barcode is found by that barcode only. Two
    hospitals may both have a patient ``P001``: they are taken to be one, which leaves a patient out, and flatters
    no model. An identifier that was replaced by another since (a new pseudonym) cannot be found.
    """
    learned = frozenset(model.patient_hashes)
    return np.array([learned.isdisjoint(map(hashed, _spellings(patient))) for patient in patients], dtype=np.bool_)


def _spellings(patient: object) -> Iterator[str]:
    """Yield how a patient may have been written when the model was trained."""
    text = str(patient)
    yield text
    barcode = text.strip().upper()
    named = _TCGA_PATIENT.match(barcode)
    if named:
        yield from (barcode, named[0])
        yield from (f"{named[0]}-{sample}{vial}" for sample in _TUMOUR_SAMPLES for vial in _VIALS)
