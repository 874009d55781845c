"""Clinical covariates as numbers, with encoders that are learned on training patients and frozen."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
#: Where the line of a numeric covariate may bend, as quantiles of the training patients.
HINGES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class ClinicalCovariate:
    """One column: a number, an ordered category's rank, membership of one category, or what bends the first two.

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
    above : float or None
        A hinge: what a number exceeds this by, else 0.
    at_least : float or None
        A step: whether an ordered category's rank reaches this.
    """

    column: str
    category: str | None
    known: tuple[str, ...]
    mean: float
    scale: float
    above: float | None = None
    at_least: float | None = None

    @property
    def name(self) -> str:
        """``age``, ``stage``, ``sex=male``, ``age above 61`` or ``stage from III``."""
        if self.above is not None:
            return f"{self.column} above {self.above:g}"
        if self.at_least is not None:
            return f"{self.column} from {ORDERED[self.column][int(self.at_least) - 1]}"
        return self.column if self.category is None else f"{self.column}={self.category}"

    @property
    def is_shape(self) -> bool:
        """Whether it bends another covariate's straight line."""
        return self.above is not None or self.at_least is not None

    def raw(self, values: pd.Series) -> Floats:
        """Return the number behind each value; NaN where missing or never seen in training."""
        if self.category is not None:
            member = (values == self.category).to_numpy(np.float64, na_value=0.0)
            return np.where(values.isin(self.known).to_numpy(), member, np.nan)
        return self._bent(raw_numbers(self.column, values))

    def _bent(self, numbers: Floats) -> Floats:
        if self.above is not None:
            return np.asarray(np.maximum(numbers - self.above, 0.0))
        if self.at_least is not None:
            return np.where(np.isnan(numbers), np.nan, (numbers >= self.at_least).astype(np.float64))
        return numbers


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
    return np.array([ranks.get(value, np.nan) for value in values.tolist()], dtype=np.float64)


def _column(clinical: pd.DataFrame, column: str) -> pd.Series:
    if column in clinical.columns:
        return clinical[column]
    return pd.Series(np.nan, index=clinical.index, dtype="float64")


def _candidates(column: str, values: pd.Series) -> list[ClinicalCovariate]:
    if column in NUMERIC or column in ORDERED:
        return [ClinicalCovariate(column, None, (), 0.0, 1.0), *_shapes(column, raw_numbers(column, values))]
    # By name first: of two categories that are equally common, the order of patients must not choose.
    counts = values.dropna().astype(str).value_counts().sort_index().sort_values(ascending=False, kind="stable")
    known = tuple(sorted(counts.index))
    common = [str(name) for name in sorted(counts.index[counts >= MINIMUM_CATEGORY])]
    if len(known) < 2 or not common:
        return []
    reference = str(counts.index[0])
    return [ClinicalCovariate(column, category, known, 0.0, 1.0) for category in common if category != reference]


def _shapes(column: str, numbers: Floats) -> list[ClinicalCovariate]:
    """Return what lets a numeric covariate bend at its quartiles, and the steps of an ordered one."""
    known = numbers[np.isfinite(numbers)]
    levels = np.unique(known)
    if len(levels) <= 2:
        # Between two values there is but one line, and one step, which the number itself is.
        return []
    if column in NUMERIC:
        # A hinge at the lowest value is the line itself.
        hinges = [float(hinge) for hinge in np.unique(np.quantile(known, HINGES)) if hinge > levels[0]]
        return [ClinicalCovariate(column, None, (), 0.0, 1.0, above=hinge) for hinge in hinges]
    common = [float(step) for step in levels[1:] if np.sum(known >= step) >= MINIMUM_CATEGORY]
    return [ClinicalCovariate(column, None, (), 0.0, 1.0, at_least=step) for step in common]


def _standardised(covariate: ClinicalCovariate, raw: Floats, minimum_known: float) -> ClinicalCovariate | None:
    known = raw[np.isfinite(raw)]
    if len(known) == 0 or len(known) < minimum_known * len(raw) or known.std() < NO_SPREAD:
        return None
    return replace(covariate, mean=float(known.mean()), scale=float(known.std()))
