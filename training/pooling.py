"""Partial pooling: what the genes tell in other cancer types, from one Cox model stratified by cancer type."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from features.cohort import Cohort
from features.errors import CohortError
from features.panel import Panel
from features.persons import persons
from features.transform import fit_features
from training.definition import PoolingDefinition
from training.partial_likelihood import PartialLikelihood

Floats = NDArray[np.float64]

NEWTON_STEPS = 50
NEWTON_TOLERANCE = 1e-9


@dataclass(frozen=True)
class SharedPredictor:
    """Coefficients that cancer types have in common.

    Parameters
    ----------
    cancer_types : tuple of str
        Whose patients it was fitted on; never the one that leans on it.
    coefficients : mapping of str to float
        Log hazard ratio per standard deviation of a gene's normal scores; empty if nothing is shared.
    digest : str
        SHA-256 (hex) of the cohorts that it was fitted on.
    left_out : int
        Patients of the others who are also of the cohort that leans on it.
    """

    cancer_types: tuple[str, ...] = ()
    coefficients: Mapping[str, float] = field(default_factory=dict)
    digest: str = ""
    left_out: int = 0


#: Of a training that is given no other cancer types.
NOTHING_SHARED = SharedPredictor()


def fit_shared(
    cohort: Cohort,
    others: Sequence[Cohort],
    panel: Panel,
    pooling: PoolingDefinition,
    *,
    clinical: tuple[str, ...],
    minimum_known: float,
) -> SharedPredictor:
    """Fit one ridge Cox model over the cohorts of other cancer types, stratified by cancer type.

    Parameters
    ----------
    cohort : Cohort
        The one that will lean on it; its own patients, and its cancer type, take no part.
    others : sequence of Cohort
        Any of its own cancer type are left out.
    panel : Panel
    pooling : PoolingDefinition
    clinical : tuple of str
        Clinical columns to adjust for, where a cohort knows them.
    minimum_known : float
        As in `features.transform.fit_features`.

    Returns
    -------
    SharedPredictor
        Of the genes only; clinical covariates are adjusted for and not shared. `NOTHING_SHARED` without others.

    Raises
    ------
    CohortError
        If real and simulated cohorts, or different endpoints, would be pooled.

    Notes
    -----
    As no patient of `cohort` takes part, the shared predictor is the same in every fold, and sees none of the
    patients on whom it is judged: cohorts of different names may share patients (KIRC and KIPAN), who are left out
    where they can be told. Genes are on each cohort's own normal scores, so
    that scales do not matter.
    """
    used = [other for other in others if other.cancer_type != cohort.cancer_type]
    for other in used:
        if (other.endpoint, other.simulated) != (cohort.endpoint, cohort.simulated):
            raise CohortError(
                f"{other}: cannot be pooled with {cohort}: endpoints must be equal, and simulated patients "
                f"never stand beside real ones; leave it out."
            )
    used, left_out = _without_patients_of(cohort, used)
    if not used:
        return NOTHING_SHARED
    tables = [_covariates(other, panel, clinical, minimum_known) for other in used]
    names = sorted({name for table, _ in tables for name in table})
    genes = {name for _, of_cohort in tables for name in of_cohort}
    strata = [
        PartialLikelihood.of(_aligned(table, names, len(other.time)), other.time, other.event)
        for other, (table, _) in zip(used, tables, strict=True)
    ]
    per_patient = np.array([pooling.penalty if name in genes else pooling.clinical_penalty for name in names])
    fitted = _stratified_ridge(strata, sum(len(other.time) for other in used) * per_patient)
    shared = {name: float(c) for name, c in zip(names, fitted, strict=True) if name in genes}
    digest = hashlib.sha256("".join(sorted(other.digest() for other in used)).encode()).hexdigest()
    return SharedPredictor(tuple(sorted(other.cancer_type for other in used)), shared, digest, left_out)


def _without_patients_of(cohort: Cohort, others: Sequence[Cohort]) -> tuple[list[Cohort], int]:
    """Return the others without the patients of a cohort, those that still have events, and how many left."""
    own, parted, left_out = set(persons(cohort)), [], 0
    for other in others:
        stays = np.array([person not in own for person in persons(other)], dtype=np.bool_)
        left_out += int((~stays).sum())
        rest = other if stays.all() else other.subset(np.flatnonzero(stays))
        parted += [rest] if rest.n_events else []
    return parted, left_out


def _covariates(
    cohort: Cohort, panel: Panel, clinical: tuple[str, ...], minimum_known: float
) -> tuple[dict[str, Floats], set[str]]:
    """Return genes and clinical covariates by name, and the names of the genes."""
    state = fit_features(cohort, panel, clinical=clinical, minimum_known=minimum_known)
    X = state.transform(cohort.expression, cohort.clinical)
    kept = [(j, c) for j, c in enumerate(state.covariates) if c.kind in ("gene", "clinical")]
    return {c.name: X[:, j] for j, c in kept}, {c.name for _, c in kept if c.kind == "gene"}


def _aligned(table: Mapping[str, Floats], names: Sequence[str], n_patients: int) -> Floats:
    """Return the named columns; one that a cohort does not have is 0, its mean."""
    return np.column_stack([table.get(name, np.zeros(n_patients)) for name in names])


def _stratified_ridge(strata: Sequence[PartialLikelihood], penalty: Floats) -> Floats:
    """Maximise the sum of the strata's likelihoods less the penalty, by Newton's method with step halving."""
    beta = np.zeros(len(penalty))
    value = _penalised(strata, penalty, beta)
    for _ in range(NEWTON_STEPS):
        parts = [stratum.derivatives(beta) for stratum in strata]
        gradient = np.sum([g for g, _ in parts], axis=0) - penalty * beta
        step = np.linalg.solve(np.sum([h for _, h in parts], axis=0) + np.diag(penalty), gradient)
        while _penalised(strata, penalty, beta + step) < value - 1e-12 * abs(value) and np.abs(step).max() > 1e-12:
            step = step / 2
        beta = beta + step
        value = _penalised(strata, penalty, beta)
        if np.abs(step).max() < NEWTON_TOLERANCE:
            break
    return np.asarray(beta, dtype=np.float64)


def _penalised(strata: Sequence[PartialLikelihood], penalty: Floats, beta: Floats) -> float:
    return sum(stratum.value(beta) for stratum in strata) - float(penalty @ beta**2) / 2
