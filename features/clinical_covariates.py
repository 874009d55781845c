"""Clinical covariates as numbers, with encoders that are learned on training patients and frozen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Ordered categories, as `features.clinical` writes them; further columns are categories without order.
ORDERED = {"stage": ("I", "II", "III", "IV"), "grade": ("G1", "G2", "G3", "G4")}
NUMERIC = ("age",)
#: A category rarer than this among the training patients tells nothing that could be learned.
MINIMUM_CATEGORY = 10
#: Years or ranks; a constant's standard deviation is the rounding of its mean, not always 0.
NO_SPREAD = 1e-9


@dataclass(frozen=True)
class ClinicalCovariate:
    """One column: a number, an ordered category's rank, or membership of one category.

    Parameters
    ----------
    column : str
        The clinical column.
    category : str or None
        For a category without order: the one that counts 1.
    known : tuple of str
        For a category without order: all that the training patients had.
    mean, scale : float
        Of the raw number over the training patients.
    """

    column: str
    category: str | None
    known: tuple[str, ...]
    mean: float
    scale: float

    @property
    def name(self) -> str:
        """``age``, ``stage``, or ``sex=male``."""
        return self.column if self.category is None else f"{self.column}={self.category}"

    def raw(self, values: pd.Series) -> Floats:
        """Return the number behind each value; NaN where missing or never seen in training."""
        if self.category is not None:
            member = (values == self.category).to_numpy(np.float64, na_value=0.0)
            return np.where(values.isin(self.known).to_numpy(), member, np.nan)
        return raw_numbers(self.column, values)


@dataclass(frozen=True)
class ClinicalEncoder:
    """The clinical columns of a model, frozen."""

    covariates: tuple[ClinicalCovariate, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of `transform`."""
        return tuple(covariate.name for covariate in self.covariates)

    @property
    def columns(self) -> tuple[str, ...]:
        """The clinical columns that are read."""
        return tuple(dict.fromkeys(covariate.column for covariate in self.covariates))

    def transform(self, clinical: pd.DataFrame) -> Floats:
        """Return standardised covariates, shape (n_patients, n_covariates); a missing one is 0, the training mean."""
        standardised = [(c.raw(_column(clinical, c.column)) - c.mean) / c.scale for c in self.covariates]
        return np.nan_to_num(np.column_stack(standardised)) if standardised else np.empty((len(clinical), 0))

    def lacking(self, clinical: pd.DataFrame) -> list[tuple[str, ...]]:
        """Return, for each patient, the columns that are read and not known."""
        unknown: dict[str, NDArray[np.bool_]] = {}
        for covariate in self.covariates:
            unknown[covariate.column] = np.isnan(covariate.raw(_column(clinical, covariate.column)))
        return [tuple(name for name, rows in unknown.items() if rows[i]) for i in range(len(clinical))]

    @classmethod
    def fit(cls, clinical: pd.DataFrame, columns: tuple[str, ...], *, minimum_known: float) -> ClinicalEncoder:
        """Learn encoders; a column that is too rarely known, or does not vary, is left out.

        Parameters
        ----------
        clinical : DataFrame, shape (n_patients, any)
        columns : tuple of str
        minimum_known : float
            Share of patients in whom a column must be known.
        """
        candidates = [c for column in columns for c in _candidates(column, _column(clinical, column))]
        fitted = (_standardised(c, c.raw(_column(clinical, c.column)), minimum_known) for c in candidates)
        return cls(tuple(c for c in fitted if c is not None))


def raw_numbers(column: str, values: pd.Series) -> Floats:
    """Return ages as they are and ordered categories as ranks from 1; NaN where missing."""
    if column in NUMERIC:
        return np.asarray(pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan))
    ranks = {category: float(rank) for rank, category in enumerate(ORDERED[column], start=1)}
    return np.asarray(values.map(ranks).to_numpy(np.float64, na_value=np.nan))


def _column(clinical: pd.DataFrame, column: str) -> pd.Series:
    if column in clinical.columns:
        return clinical[column]
    return pd.Series(np.nan, index=clinical.index, dtype="float64")


def _candidates(column: str, values: pd.Series) -> list[ClinicalCovariate]:
    if column in NUMERIC or column in ORDERED:
        return [ClinicalCovariate(column, None, (), 0.0, 1.0)]
    # By name first: of two categories that are equally common, the order of patients must not choose.
    counts = values.dropna().astype(str).value_counts().sort_index().sort_values(ascending=False, kind="stable")
    known = tuple(sorted(counts.index))
    common = [str(name) for name in sorted(counts.index[counts >= MINIMUM_CATEGORY])]
    if len(known) < 2 or not common:
        return []
    reference = str(counts.index[0])
    return [ClinicalCovariate(column, category, known, 0.0, 1.0) for category in common if category != reference]


def _standardised(covariate: ClinicalCovariate, raw: Floats, minimum_known: float) -> ClinicalCovariate | None:
    known = raw[np.isfinite(raw)]
    if len(known) == 0 or len(known) < minimum_known * len(raw) or known.std() < NO_SPREAD:
        return None
    return ClinicalCovariate(
        covariate.column, covariate.category, covariate.known, float(known.mean()), float(known.std())
    )
