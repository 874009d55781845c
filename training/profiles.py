"""Patients before they are scored: identifiers resolved, values on the model's scale, clinical words read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from features.clinical import PARSERS, ClinicalValue
from features.clinical_covariates import ColumnValues, parsed_values
from features.cohort import DAYS_PER_MONTH
from features.errors import ClinicalError, PrognosisError
from features.scale_evidence import ScaleReference, look_like, scale_words
from features.scales import contradiction, convert, impossible
from training.model import PrognosticModel

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

SHOWN = 5
#: Lists of identifiers whose meaning is kept, and how many identifiers in all: those of one pipeline are the same for
#: every patient, and a stranger may send any.
LAYOUTS_KEPT, IDENTIFIERS_KEPT = 32, 200_000
#: Characters of a clinical word whose meaning is kept.
LONGEST_KEPT = 32


class ProfileError(PrognosisError):
    """One profile cannot be scored; the others of the request can."""


@dataclass(frozen=True)
class Profile:
    """One patient's expression (identifier to value, on the request's scale) and, where given, clinical covariates.

    Parameters
    ----------
    survived_months : float or None
        How long the patient is alive already, from diagnosis.
    """

    id: str
    expression: Mapping[str, float]
    clinical: Mapping[str, ClinicalValue] | None = None
    survived_months: float | None = None


@dataclass(frozen=True)
class Layout:
    """What the identifiers of a profile, or the columns of a table, mean to a model.

    Parameters
    ----------
    sources : array of int
        Positions among the identifiers that name a gene of the panel.
    targets : array of int
        The positions of those genes in the panel.
    renamed : mapping of str to str
        Identifier as sent → symbol, where they differ.
    n_ignored : int
        Identifiers that name no gene of the panel.
    fault : str or None
        Why they cannot be read at all.
    """

    sources: Integers
    targets: Integers
    renamed: Mapping[str, str]
    n_ignored: int
    fault: str | None


@dataclass(frozen=True, eq=False)
class Patients:
    """Patients under a model's symbols and on its scale, one row each.

    Parameters
    ----------
    ids : sequence of str
    values : array, shape (n_patients, n_panel_genes)
        In the panel's order; NaN where missing, and in rows at fault.
    clinical : mapping of str to array, shape (n_patients,)
        See `features.clinical_covariates.parsed_values`.
    survived_months : array, shape (n_patients,)
        How long each is alive already, from diagnosis; 0 where nothing is stated.
    layouts : sequence of Layout
        One a patient, or one for all.
    ignored_clinical : mapping of int to tuple of str
        By row: clinical covariates that the model does not read.
    faults : mapping of int to ProfileError
        Rows that cannot be scored.
    """

    ids: Sequence[str]
    values: Floats
    clinical: Mapping[str, ColumnValues]
    survived_months: Floats
    layouts: Sequence[Layout]
    ignored_clinical: Mapping[int, tuple[str, ...]]
    faults: Mapping[int, ProfileError]

    @property
    def survived_days(self) -> Floats:
        """The same in days."""
        return np.asarray(self.survived_months * DAYS_PER_MONTH)

    def layout(self, row: int) -> Layout:
        """Return the layout of a row."""
        return self.layouts[row] if len(self.layouts) > 1 else self.layouts[0]


@dataclass(frozen=True, eq=False)
class PatientReader:
    """Reads patients for one model, and remembers what lists of identifiers mean."""

    model: PrognosticModel
    _layouts: OrderedDict[tuple[str, ...], Layout] = field(default_factory=OrderedDict, repr=False)

    def layout(self, identifiers: tuple[str, ...]) -> Layout:
        """Return what the identifiers mean, in their order."""
        known = self._layouts.get(identifiers)
        if known is None:
            known = self._layouts[identifiers] = _layout_of(self.model, identifiers)
            while len(self._layouts) > LAYOUTS_KEPT or sum(map(len, self._layouts)) > IDENTIFIERS_KEPT:
                self._layouts.popitem(last=False)
        return known

    def profiles(self, profiles: Sequence[Profile], scale: str) -> Patients:
        """Read profiles, in order; what is wrong with one is a fault of its row."""
        layouts = [self.layout(tuple(profile.expression)) for profile in profiles]
        raw = np.full((len(profiles), len(self.symbols)), np.nan)
        for i, (profile, layout) in enumerate(zip(profiles, layouts, strict=True)):
            sent = np.fromiter(profile.expression.values(), dtype=np.float64, count=len(profile.expression))
            raw[i, layout.targets] = sent[layout.sources]
        clinical, clinical_faults = self._clinical(profiles)
        read = self.clinical_columns
        return self.read(
            [profile.id for profile in profiles],
            raw,
            scale,
            clinical={name: parsed_values(name, [row.get(name) for row in clinical]) for name in read},
            survived_months=np.array([p.survived_months or 0.0 for p in profiles]),
            layouts=layouts,
            ignored_clinical={i: tuple(k for k in row if k not in read) for i, row in enumerate(clinical)},
            faults=clinical_faults,
        )

    def read(
        self,
        ids: Sequence[str],
        raw: Floats,
        scale: str,
        *,
        clinical: Mapping[str, ColumnValues],
        survived_months: Floats,
        layouts: Sequence[Layout],
        ignored_clinical: Mapping[int, tuple[str, ...]],
        faults: Mapping[int, str],
    ) -> Patients:
        """Return patients on the model's scale, with the faults that their values show.

        Parameters
        ----------
        ids : sequence of str
        raw : array, shape (n_patients, n_panel_genes)
            On `scale`, in the panel's order; NaN where missing.
        scale : str
            One that converts to the model's.
        clinical, survived_months, layouts, ignored_clinical
            As in `Patients`.
        faults : mapping of int to str
            What is already known to be wrong, by row.
        """
        found = {i: _contradicted(raw[i], scale) for i in _rows_that(impossible(raw, scale))}
        found |= {i: scale_words(scale, looks) for i, looks in enumerate(self._look_like(raw, scale)) if looks}
        found |= faults
        found |= {i: layout.fault for i, layout in enumerate(layouts) if layout.fault is not None}
        values = np.full(raw.shape, np.nan)
        sound = np.setdiff1d(np.arange(len(raw)), list(found)) if found else slice(None)
        with np.errstate(over="ignore"):
            values[sound] = convert(raw[sound], source=scale, target=self.model.scale)
        found |= {i: self._boundless(values[i], scale) for i in _rows_that(np.isinf(values))}
        return Patients(
            ids=ids,
            values=values,
            clinical=clinical,
            survived_months=survived_months,
            layouts=layouts,
            ignored_clinical={i: names for i, names in ignored_clinical.items() if names},
            faults={i: profile_error(ids[i], found[i]) for i in sorted(found)},
        )

    def _look_like(self, raw: Floats, scale: str) -> Sequence[str | None]:
        """Return the scale that each profile's values look like, where they contradict the stated one."""
        if self.model.applicability is None:
            return look_like(raw, stated=scale)
        return look_like(raw[:, self.reference_columns], stated=scale, reference=self._ranges)

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """The panel's genes, in the order of `Patients.values`."""
        return self.model.panel.symbols

    @cached_property
    def reference_columns(self) -> Integers:
        """Where the genes whose reference the model knows stand among `symbols`."""
        known = self.model.applicability
        genes = () if known is None else known.genes
        return np.array([self.symbols.index(gene) for gene in genes], dtype=np.int64)

    @cached_property
    def _ranges(self) -> ScaleReference | None:
        known = self.model.applicability
        return None if known is None else known.ranges(self.model.scale)

    def _boundless(self, row: Floats, scale: str) -> str:
        genes = [self.symbols[j] for j in np.flatnonzero(np.isinf(row))]
        return f"{len(genes)} values are too large for scale {scale} (first: {genes[0]}); check the scale they are on."

    @cached_property
    def clinical_columns(self) -> tuple[str, ...]:
        """The clinical columns that the model reads."""
        return self.model.variants["clinical"].clinical if "clinical" in self.model.variants else ()

    def _clinical(self, profiles: Sequence[Profile]) -> tuple[list[dict[str, ClinicalValue]], dict[int, str]]:
        rows: list[dict[str, ClinicalValue]] = []
        faults: dict[int, str] = {}
        for i, profile in enumerate(profiles):
            try:
                rows.append(_parsed_clinical(profile.clinical or {}))
            except ClinicalError as error:
                faults[i] = str(error)
                rows.append({})
        return rows, faults


def _parsed_clinical(clinical: Mapping[str, ClinicalValue]) -> dict[str, ClinicalValue]:
    parsed: dict[str, ClinicalValue] = {}
    for sent, value in clinical.items():
        name = sent.strip().lower()
        name = name if name in PARSERS else sent
        if name in parsed:
            raise ClinicalError(f"{name} is sent twice, under names that differ in case or blanks; send it once.")
        parsed[name] = parse_clinical(name, value)
    return parsed


def parse_clinical(name: str, value: ClinicalValue) -> ClinicalValue:
    """Return one clinical value as the models read it.

    Raises
    ------
    ClinicalError
        If it cannot be what it says.
    """
    if name not in PARSERS:
        return value
    # The same few words come again and again.
    return _word(name, value) if isinstance(value, str) and len(value) <= LONGEST_KEPT else PARSERS[name](value)


@lru_cache(1024)
def _word(name: str, value: str) -> ClinicalValue:
    return PARSERS[name](value)


def profile_error(name: str, fault: str) -> ProfileError:
    """Return the error of a profile by its id."""
    return ProfileError(f"profile {name!r}: {fault}")


def listed(names: Sequence[str]) -> str:
    """Return the first few names, and whether there are more."""
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


def _layout_of(model: PrognosticModel, identifiers: tuple[str, ...]) -> Layout:
    resolution = model.resolver.resolve(identifiers)
    panel = {symbol: j for j, symbol in enumerate(model.panel.symbols)}
    pairs = [(i, panel[resolution.symbols[name]]) for i, name in enumerate(identifiers) if name in resolution.symbols]
    sources, targets = (np.array(each, dtype=np.int64) for each in zip(*pairs, strict=True)) if pairs else _NOTHING
    return Layout(
        sources, targets, resolution.renamed, len(identifiers) - len(pairs), _duplicate(resolution.duplicated)
    )


_NOTHING = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def _duplicate(duplicated: Mapping[str, tuple[str, ...]]) -> str | None:
    if not duplicated:
        return None
    gene, given = next(iter(duplicated.items()))
    return f"{' and '.join(map(repr, given))} are the same gene, {gene}; send one of them."


def _contradicted(row: Floats, scale: str) -> str:
    return f"sent as {scale}, but {contradiction(row[~np.isnan(row)], scale)}; state the scale they are on."


def _rows_that(marked: Bools) -> list[int]:
    return list(np.flatnonzero(marked.any(axis=1)).tolist()) if marked.any() else []
