"""Clinical encoders laid out to turn words and numbers into covariates, one compiled loop for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.clinical_covariates import ClinicalCovariate, ClinicalEncoder, ColumnValues
from training.scoring_kernel import ABOVE, AT_LEAST, MEMBER, PLAIN, write_clinical

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FrozenClinical:
    """A `ClinicalEncoder` for scoring: equal to its `standardised` to the bit.

    Parameters
    ----------
    codes : mapping of str to (mapping of str to float, or None)
        By column that is read: the number of each category without order; None where the column holds numbers.
    column, kind : array of int, shape (n_covariates,)
        See `training.scoring_kernel.write_clinical`.
    bound, means, scales : array, shape (n_covariates,)
    """

    codes: Mapping[str, Mapping[str, float] | None]
    column: Integers
    kind: Integers
    bound: Floats
    means: Floats
    scales: Floats

    @classmethod
    def of(cls, encoder: ClinicalEncoder) -> FrozenClinical:
        """Lay an encoder out."""
        covariates, columns = encoder.covariates, encoder.columns
        laid_out = list(map(_kind_and_bound, covariates))
        return cls(
            codes={c.column: None if c.category is None else _codes(c) for c in covariates},
            column=np.array([columns.index(c.column) for c in covariates], dtype=np.int64),
            kind=np.array([kind for kind, _ in laid_out], dtype=np.int64),
            bound=np.array([bound for _, bound in laid_out], dtype=np.float64),
            means=np.array([c.mean for c in covariates], dtype=np.float64),
            scales=np.array([c.scale for c in covariates], dtype=np.float64),
        )

    def numbers(self, values: Mapping[str, ColumnValues], n_patients: int) -> Floats:
        """Return the number behind each clinical value, shape (n_patients, n_columns); NaN where it is not known.

        Parameters
        ----------
        values : mapping of str to array, shape (n_patients,)
            See `features.clinical_covariates.parsed_values`; a column that is absent is not known.
        n_patients : int
        """
        numbers = np.full((n_patients, len(self.codes)), np.nan)
        for j, (column, codes) in enumerate(self.codes.items()):
            if column in values:
                sent = values[column]
                numbers[:, j] = sent if codes is None else [codes.get(word, np.nan) for word in sent.tolist()]
        return numbers

    def standardised(self, numbers: Floats) -> Floats:
        """Return standardised covariates, shape (n_patients, n_covariates); NaN where a value is not known."""
        encoded = np.empty((len(numbers), len(self.column)))
        write_clinical(numbers, self.column, self.kind, self.bound, self.means, self.scales, encoded)
        return encoded


def _codes(covariate: ClinicalCovariate) -> dict[str, float]:
    return {word: float(code) for code, word in enumerate(covariate.known)}


def _kind_and_bound(covariate: ClinicalCovariate) -> tuple[int, float]:
    if covariate.category is not None:
        return MEMBER, _codes(covariate).get(covariate.category, np.nan)
    if covariate.above is not None:
        return ABOVE, covariate.above
    return (PLAIN, 0.0) if covariate.at_least is None else (AT_LEAST, covariate.at_least)
