"""The steps that every cohort goes through, whatever format it came in: samples, outcome, genes, clinical columns."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from features.clinical_columns import clinical_columns
from features.cohort import Cohort
from features.decimal_marks import with_decimal_points
from features.errors import CohortError
from features.gene_rows import unique_genes
from features.ledger import Ledger
from features.outcomes import outcomes
from features.samples import one_sample_a_patient
from features.scales import LOGARITHM_MAX, LOGARITHMS, ROUNDING, floor

#: Batch correction leaves a few values below what a scale can be; more of them prove another scale.
BELOW_FLOOR_FRACTION_MAX = 0.05
_BLOCK_ROWS = 1024
#: A number with a fraction; 960.0 is an Entrez id from a column with a gap.
_FRACTION = r"[+-]?\d*[.,](?!0+$)\d+(?:[eE][+-]?\d+)?"


@dataclass(frozen=True)
class RawCohort:
    """What a format's reader hands over, before anything that all formats share is done.

    Parameters
    ----------
    source : str
        What it was read from, in words.
    cancer_type, scale : str
    zscore_reference : str or None
    expression : DataFrame of float64, shape (n_rows, n_samples)
        Columns: sample ids as the file has them.
    symbols : Series of str, shape (n_rows,)
        The rows' identifiers; empty where missing.
    entrez : Series of str or None, shape (n_rows,)
        Entrez ids beside them; empty where missing.
    patients : DataFrame of str, shape (n_patients, n_columns)
        Outcome and clinical columns, NaN where missing; index: patient ids, unique.
    samples : DataFrame of str, shape (n_samples_listed, n_columns)
        Index: sample ids, unique; ``patient``, ``sample_type`` and further columns of samples. May be empty.
    ledger : Ledger
        What the reader itself decided.
    time_unit : str or None
        ``days``, ``months`` or ``years``, where the user declares it for times whose column does not say it.
    documented_unit : str or None
        The same, where whoever publishes such files documents it of columns such as ``OS.time``.
    """

    source: str
    cancer_type: str
    scale: str
    zscore_reference: str | None
    expression: pd.DataFrame
    symbols: pd.Series
    entrez: pd.Series | None
    patients: pd.DataFrame
    samples: pd.DataFrame
    ledger: Ledger = field(default_factory=Ledger)
    time_unit: str | None = None
    documented_unit: str | None = None


def assemble(raw: RawCohort, endpoint: str, *, only: Collection[str] | None = None) -> Cohort:
    """Make the cohort of one endpoint from what a reader found.

    Parameters
    ----------
    raw : RawCohort
    endpoint : str
    only : collection of str or None
        The genes to keep, by the names that they have in the cohort; None for all.

    Returns
    -------
    Cohort
        Patients and genes are sorted by name: the order of the files does not matter.

    Raises
    ------
    CohortError
        If the parts have no common patient, no usable outcome, or values that their scale cannot have.
    """
    samples, chosen = one_sample_a_patient(raw.expression.columns, raw.samples, raw.patients.index, raw.source)
    without_expression = raw.patients.index.difference(samples.index)
    chosen = chosen.with_entry("dropped", "patients without expression", without_expression)
    table = _with_sample_columns(raw.patients.drop(index=without_expression), raw.samples, samples).sort_index()
    table, pointed = with_decimal_points(table, raw.source)
    followed, followed_up = outcomes(table, endpoint, raw.source, unit=raw.time_unit, documented=raw.documented_unit)
    expression, genes = _expression(raw, samples[followed.index], only)
    clinical, covariates = clinical_columns(table.loc[followed.index])
    return Cohort(
        cancer_type=raw.cancer_type,
        endpoint=endpoint,
        scale=raw.scale,
        zscore_reference=raw.zscore_reference,
        expression=expression,
        clinical=clinical.set_axis(expression.index, axis=0),
        time=followed["time"].to_numpy(np.float64),
        event=followed["event"].to_numpy(np.bool_),
        source=raw.source,
        ledger=_joined(raw.ledger, chosen, pointed, followed_up, genes, covariates),
    )


def _with_sample_columns(patients: pd.DataFrame, listed: pd.DataFrame, samples: pd.Series) -> pd.DataFrame:
    """Add the chosen sample's own columns (a grade, say) to the patient's, where the patient has no such column."""
    own = {name.upper() for name in patients.columns} | {"PATIENT", "SAMPLE_TYPE"}
    further = [name for name in listed.columns if name.upper() not in own]
    of_patient = listed.reindex(samples.to_numpy())[further].set_axis(samples.index, axis=0)
    return patients.join(of_patient)


def _expression(raw: RawCohort, samples: pd.Series, only: Collection[str] | None) -> tuple[pd.DataFrame, Ledger]:
    """Return the expression of these samples, one row a patient and one column a gene."""
    positions = pd.Series(range(raw.expression.shape[1]), index=raw.expression.columns)
    positions = positions[~positions.index.duplicated()][samples.to_numpy()]
    _require_names(raw.symbols, raw.source)
    # The selection is not kept by name: of a whole transcriptome, every copy counts.
    genes, ledger = unique_genes(raw.expression.iloc[:, positions.to_numpy()], raw.symbols, raw.entrez)
    genes, asked = _asked_for(genes, only, raw.source)
    values, repaired = _on_scale(genes.to_numpy(np.float64), raw.scale, raw.source)
    lowest, highest = np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)
    empty, constant = np.isnan(lowest), lowest == highest
    ledger = _joined(ledger, asked, repaired)
    ledger = ledger.with_entry("dropped", "genes without a single value", genes.index[empty])
    ledger = ledger.with_entry("dropped", "genes that have one value in all patients", genes.index[constant])
    kept = ~(empty | constant)
    if not kept.any():
        raise CohortError(f"{raw.source}: no gene varies among the {len(samples)} patients; nothing can be learned.")
    n_missing = int(np.isnan(values[kept]).sum())
    if n_missing:
        ledger = ledger.with_note("kept", "expression values that are missing", n_missing)
    patients = pd.Index(samples.index, dtype="str")
    transposed = _transposed(values, np.flatnonzero(kept))
    return pd.DataFrame(transposed, index=patients, columns=genes.index[kept], copy=False), ledger


def _require_names(symbols: pd.Series, source: str) -> None:
    """Refuse values where the genes' names must stand.

    Raises
    ------
    CohortError
        If most identifiers are numbers with a fraction, which no identifier of a gene is.
    """
    written = symbols[symbols != ""]
    numbers = written[written.str.fullmatch(_FRACTION)]
    if len(numbers) > len(written) / 2:
        raise CohortError(
            f"{source}: {len(numbers)} of {len(written)} genes are called by numbers (first: {numbers.iloc[0]!r}): the "
            "column of genes is missing; add it as the first."
        )


def _asked_for(genes: pd.DataFrame, only: Collection[str] | None, source: str) -> tuple[pd.DataFrame, Ledger]:
    if only is None:
        return genes, Ledger()
    asked = genes.index.isin(list(only))
    if not asked.any():
        raise CohortError(
            f"{source}: has none of the {len(only)} genes that are asked for (first: {sorted(only)[:3]}); ask for them "
            "by their current symbols."
        )
    n_others = int((~asked).sum())
    ledger = Ledger().with_note("dropped", "genes that were not asked for", n_others) if n_others else Ledger()
    return genes[asked], ledger


def _transposed(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return these rows as columns, in the memory of the result and of one block."""
    transposed = np.empty((values.shape[1], len(rows)))
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = rows[start : start + _BLOCK_ROWS]
        transposed[:, start : start + len(block)] = values[block].T
    return transposed


def _on_scale(values: np.ndarray, scale: str, source: str) -> tuple[np.ndarray, Ledger]:
    """Return values that their scale can have; z-scores and arrays can have any.

    Raises
    ------
    CohortError
        If the values prove that they are on another scale.
    """
    lowest = floor(scale)
    n_below = int(np.count_nonzero(values < lowest - ROUNDING))
    if n_below > BELOW_FLOOR_FRACTION_MAX * values.size:
        raise CohortError(
            f"{source}: declared as {scale}, but {n_below} of {values.size} values lie below {lowest:.4g}, the lowest "
            "that scale has; declare the scale that they are on."
        )
    if scale in LOGARITHMS and np.any(values > LOGARITHM_MAX):
        raise CohortError(
            f"{source}: declared as {scale}, but values reach {np.nanmax(values):.4g}, which no logarithm of an "
            f"abundance does; declare {LOGARITHMS[scale][0]} if no logarithm was taken."
        )
    if not n_below:
        return values, Ledger()
    what = f"expression values below {lowest:.4g}, the lowest {scale} can be, raised to it"
    return np.maximum(values, lowest), Ledger().with_note("converted", what, n_below)


def _joined(*ledgers: Ledger) -> Ledger:
    return Ledger(tuple(entry for ledger in ledgers for entry in ledger.entries))
