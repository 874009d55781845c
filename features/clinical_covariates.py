"""Clinical covariates as numbers, with encoders that are learned on training patients and frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Numbers, or the words of a category without order.
ColumnValues = NDArray[Any]

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
        return self.of(column_values(self.column, values))

    def of(self, values: ColumnValues) -> Floats:
        """Return the same of what `column_values` or `parsed_values` made of a column."""
        if self.category is not None:
            return np.array([_membership(value, self.category, self.known) for value in values], dtype=np.float64)
        return self._bent(np.asarray(values, dtype=np.float64))

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
        return np.nan_to_num(self.standardised(self._values(clinical), len(clinical)))

    def standardised(self, values: Mapping[str, ColumnValues], n_patients: int) -> Floats:
        """Return standardised covariates, shape (n_patients, n_covariates); NaN where a value is not known.

        Parameters
        ----------
        values : mapping of str to array, shape (n_patients,)
            By column, as `column_values` or `parsed_values` returns them; a column that is absent is not known.
        n_patients : int
        """
        encoded = np.full((n_patients, len(self.covariates)), np.nan)
        for j, covariate in enumerate(self.covariates):
            if covariate.column in values:
                encoded[:, j] = (covariate.of(values[covariate.column]) - covariate.mean) / covariate.scale
        return encoded

    def unknown(self, standardised: Floats) -> NDArray[np.bool_]:
        """Return which of `columns` are not known, shape (n_patients, n_columns), from `standardised`."""
        positions = {covariate.column: j for j, covariate in enumerate(self.covariates)}
        return np.isnan(standardised[:, list(positions.values())])

    def lacking(self, clinical: pd.DataFrame) -> list[tuple[str, ...]]:
        """Return, for each patient, the columns that are read and not known."""
        unknown = self.unknown(self.standardised(self._values(clinical), len(clinical)))
        return [tuple(compress(self.columns, row)) for row in unknown]

    def _values(self, clinical: pd.DataFrame) -> dict[str, ColumnValues]:
        return {name: column_values(name, clinical[name]) for name in self.columns if name in clinical.columns}

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


def column_values(column: str, values: pd.Series) -> ColumnValues:
    """Return what `ClinicalCovariate.of` reads of a column: numbers, or the words of a category without order."""
    return raw_numbers(column, values) if column in NUMERIC or column in ORDERED else values.to_numpy(object)


def parsed_values(column: str, values: Sequence[float | str | None]) -> ColumnValues:
    """Return the same for values that `features.clinical` has read."""
    if column in NUMERIC:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    if column in ORDERED:
        return _ranks(column, values)
    words = np.empty(len(values), dtype=object)
    words[:] = values
    return words


def raw_numbers(column: str, values: pd.Series) -> Floats:
    """Return ages as they are and ordered categories as ranks from 1; NaN where missing."""
    if column in NUMERIC:
        return np.asarray(pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan))
    return _ranks(column, values.tolist())


def _ranks(column: str, values: Sequence[object]) -> Floats:
    ranks: dict[object, float] = {category: float(rank) for rank, category in enumerate(ORDERED[column], start=1)}
    return np.array([ranks.get(value, np.nan) for value in values], dtype=np.float64)


def _membership(value: object, category: str, known: tuple[str, ...]) -> float:
    if not isinstance(value, str) or value not in known:
        return np.nan
    return float(value == category)


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
