"""Simulate cohorts with the paper's hazard ratios: genes from a Gaussian copula, Cox-type survival, gaps included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm, qmc

from experiments.simulated_hazards import RiskSample, SolvedHazards, solve_hazards
from experiments.simulated_patients import SimulatedPatients
from experiments.simulated_settings import SIMULATED_PANEL, SimulationError, cohort_settings, settings
from features.cancer_types import cancer_type as cohort_cancer_type
from features.clinical import GRADES, STAGES
from features.cohort import DAYS_PER_MONTH, SIMULATED_PREFIX, Cohort
from features.panel import Panel, load_panel
from features.published import published_hazard_ratios

Floats = NDArray[np.float64]

DEFAULT_SEED = 2023
#: log2 of the number of points over which the hazards are solved; 8192 leave the log hazard ratios right to 0.001.
SOBOL_LOG2_POINTS = 13
#: What a file of expression values is written with.
DECIMALS = 4


@dataclass(frozen=True)
class SimulationModel:
    """The law from which the patients of one cancer type are drawn.

    Parameters
    ----------
    cancer_type : str
        TCGA's code.
    genes : tuple of str
        The panel's symbols.
    loadings : array, shape (n_genes, n_factors)
        Of the genes' Gaussian scores on independent standard normal factors; the rest of each score is its own.
    log_hazard_ratios : array, shape (n_genes,)
        What was asked for: high against low at the median, 0 where the paper lists none.
    hazards : SolvedHazards
    """

    cancer_type: str
    genes: tuple[str, ...]
    loadings: Floats
    log_hazard_ratios: Floats
    hazards: SolvedHazards


@lru_cache(maxsize=16)
def simulation_model(cancer_type: str) -> SimulationModel:
    """Solve for the hazards of one cancer type; the same at every seed."""
    cohort = cohort_settings(cancer_type)
    panel = load_panel(SIMULATED_PANEL)
    wanted = _wanted_log_hazard_ratios(cancer_type, panel)
    loadings = _loadings(panel, wanted)
    correlation = loadings @ loadings.T
    np.fill_diagonal(correlation, 1.0)
    hazards = solve_hazards(
        wanted,
        correlation,
        _risk_sample(cohort),
        event_fraction=cohort["deaths"] / cohort["patients"],
        where=f"{SIMULATED_PREFIX}{cancer_type}",
    )
    return SimulationModel(cancer_type, panel.symbols, loadings, wanted, hazards)


def _wanted_log_hazard_ratios(cancer_type: str, panel: Panel) -> Floats:
    published = published_hazard_ratios()
    published = published[published["cancer_type"] == cancer_type].set_index("gene")["hazard_ratio_high_vs_low"]
    unknown = published.index.difference(list(panel.symbols))
    if len(unknown):
        raise SimulationError(f"{cancer_type}: panel {panel.name} lacks {len(unknown)} genes (first: {unknown[0]}).")
    hazard_ratios: Floats = published.reindex(list(panel.symbols)).fillna(1.0).to_numpy(np.float64)
    return np.log(hazard_ratios)


def _loadings(panel: Panel, log_hazard_ratios: Floats) -> Floats:
    """Loadings on the paper's two clusters, the factors of the settings, and the cancer type's programme."""
    copula = settings()["copula"]
    columns = [[copula["cluster_loading"] * (gene.cluster == cluster) for gene in panel.genes] for cluster in (1, 2)]
    for factor in settings()["factors"].values():
        signs = dict.fromkeys(factor["positive"], 1.0) | dict.fromkeys(factor["negative"], -1.0)
        columns.append([factor["loading"] * signs.get(symbol, 0.0) for symbol in panel.symbols])
    programme = copula["programme_loading"] * log_hazard_ratios / np.abs(log_hazard_ratios).max()
    loadings: Floats = np.column_stack([*columns, programme])
    communality = np.square(loadings).sum(axis=1, keepdims=True)
    # A gene of several factors keeps a part of its own, else the correlation matrix would be singular.
    shrinkage: Floats = np.sqrt(np.minimum(1.0, float(copula["maximum_communality"]) / np.maximum(communality, 1e-12)))
    return loadings * shrinkage


def _risk_sample(cohort: Mapping[str, Any]) -> RiskSample:
    """Low-discrepancy points of the genes' risk and the clinical risk that goes with it."""
    points = qmc.Sobol(5, scramble=False).random_base2(SOBOL_LOG2_POINTS)
    points = points + 0.5 / len(points)
    normals = norm.ppf(points[:, :4])
    clinical = _clinical_covariates(cohort, normals[:, 0], normals[:, 1:], points[:, 4])
    return RiskSample(normals[:, 0], _clinical_risk(cohort, clinical))


def _clinical_covariates(
    cohort: Mapping[str, Any], gene_risk: Floats, normals: Floats, uniform: Floats
) -> pd.DataFrame:
    """Age, sex, stage and grade that go with a standardised genes' risk.

    Parameters
    ----------
    cohort : mapping
        The settings of the cancer type.
    gene_risk, uniform : array, shape (n_patients,)
    normals : array, shape (n_patients, 3)
        Independent of each other and of the risk: for age, stage and grade.
    """
    clinical = settings()["clinical"]

    def correlated(correlation: float, own: Floats) -> Floats:
        return np.asarray(correlation * gene_risk + np.sqrt(1.0 - correlation**2) * own)

    with_stage = clinical["grade_stage_correlation"]
    grade_own = with_stage * normals[:, 1] + np.sqrt(1.0 - with_stage**2) * normals[:, 2]
    age = cohort["age"]["mean"] + cohort["age"]["sd"] * correlated(clinical["age_correlation"], normals[:, 0])
    return pd.DataFrame(
        {
            "age": np.round(np.clip(age, *clinical["age_range"])),
            "sex": np.where(uniform < cohort["sex"]["female_fraction"], "female", "male").astype(object),
            "stage": _categories(cohort, "stage", STAGES, correlated(clinical["stage_correlation"], normals[:, 1])),
            "grade": _categories(cohort, "grade", GRADES, correlated(clinical["grade_correlation"], grade_own)),
        }
    )


def _categories(
    cohort: Mapping[str, Any], covariate: str, names: tuple[str, ...], score: Floats
) -> NDArray[np.object_]:
    """Cut a Gaussian score into the cohort's proportions; None throughout where the cohort has no such covariate."""
    if covariate not in cohort:
        return np.full(len(score), None, dtype=object)
    limits = norm.ppf(np.cumsum(cohort[covariate]["proportions"])[:-1].clip(0.0, 1.0))
    return np.array(names, dtype=object)[np.searchsorted(limits, score)]


def _clinical_risk(cohort: Mapping[str, Any], clinical: pd.DataFrame) -> Floats:
    """Log relative hazard of the clinical covariates, before any of them goes missing."""
    age = cohort["age"]
    risk = age["log_hazard_per_sd"] * (clinical["age"].to_numpy(np.float64) - age["mean"]) / age["sd"]
    risk = risk + cohort["sex"]["male_log_hazard"] * (clinical["sex"] == "male").to_numpy(np.float64)
    for covariate, names in (("stage", STAGES), ("grade", GRADES)):
        if covariate in cohort:
            log_hazards = dict(zip(names, cohort[covariate]["log_hazards"], strict=True))
            risk = risk + clinical[covariate].map(log_hazards).to_numpy(np.float64)
    return np.asarray(risk)


def simulate_cohort(
    cancer_type: str, *, seed: int = DEFAULT_SEED, n_patients: int | None = None, n_background: int | None = None
) -> Cohort:
    """Draw a cohort whose genes have the paper's hazard ratios.

    Parameters
    ----------
    cancer_type : str
        TCGA's code, ``KIRC``; the cohort is ``SIMULATED-KIRC``.
    seed : int
    n_patients, n_background : int or None
        TCGA's number of patients, and some 200 genes that bear on nothing, unless others are asked for.

    Returns
    -------
    Cohort
        Overall survival; expression as log2(TPM + 1), the panel's genes first.

    Notes
    -----
    A gene acts by its Gaussian score, so its effect per standard deviation of normal scores is linear. Death and
    censoring are Weibull with one shape, so the fraction of deaths is exact in expectation.
    """
    return simulate_patients(cancer_type, seed=seed, n_patients=n_patients, n_background=n_background).cohort


def simulate_patients(
    cancer_type: str, *, seed: int = DEFAULT_SEED, n_patients: int | None = None, n_background: int | None = None
) -> SimulatedPatients:
    """Draw the cohort of `simulate_cohort`, and keep its patients' hazards."""
    model, cohort = simulation_model(cancer_type), cohort_settings(cancer_type)
    size = cohort["patients"] if n_patients is None else n_patients
    # Separate streams: how many background genes are asked for changes no patient.
    patients, background, gaps = np.random.default_rng([seed, *cancer_type.encode()]).spawn(3)
    scores = _correlated_scores(model.loadings, size, patients)
    gene_risk = scores @ model.hazards.coefficients
    clinical = _clinical_covariates(
        cohort, gene_risk / model.hazards.gene_risk_sd, patients.standard_normal((size, 3)), patients.uniform(size=size)
    )
    risk = gene_risk + _clinical_risk(cohort, clinical)
    time, event = _follow_up(risk, model, patients)
    # Those of another seed are other patients.
    prefix = f"SIM-{cancer_type}" if seed == DEFAULT_SEED else f"SIM-{cancer_type}-{seed}"
    index = pd.Index([f"{prefix}-{number:04d}" for number in range(1, size + 1)], name="patient")
    number = settings()["expression"]["background_genes"] if n_background is None else n_background
    expression = pd.DataFrame(
        np.hstack([scores, _background_scores(number, size, background)]),
        index=index,
        columns=[*model.genes, *(background_symbol(position) for position in range(1, number + 1))],
    )
    drawn = Cohort(
        cancer_type=cohort_cancer_type(f"{SIMULATED_PREFIX}{cancer_type}"),
        endpoint="OS",
        scale="log2_tpm_1",
        zscore_reference=None,
        expression=_with_gaps(_log2_tpm_1(expression, cancer_type), gaps),
        clinical=_with_clinical_gaps(clinical.set_index(index), gaps),
        time=time,
        event=event,
        source=f"simulation of {cancer_type}, seed {seed}",
    )
    shape = cohort["weibull_shape"]
    scale = cohort["follow_up_months"] * DAYS_PER_MONTH * model.hazards.median_observed ** (-1 / shape)
    return SimulatedPatients(drawn, risk, scale, shape)


def background_symbol(position: int) -> str:
    """Return the name of a background gene: ``SIMBG001``, which no real gene is called."""
    return f"SIMBG{position:03d}"


def _correlated_scores(loadings: Floats, n_patients: int, rng: np.random.Generator) -> Floats:
    own = np.sqrt(1.0 - np.square(loadings).sum(axis=1))
    factors = rng.standard_normal((n_patients, loadings.shape[1]))
    return factors @ loadings.T + own * rng.standard_normal((n_patients, len(loadings)))


def _background_scores(number: int, n_patients: int, rng: np.random.Generator) -> Floats:
    """Genes correlated within blocks, and with nothing else."""
    block, loading = settings()["expression"]["background_block"], settings()["expression"]["background_loading"]
    membership = np.arange(number)[:, None] // block == np.arange(-(-number // block))
    return _correlated_scores(loading * membership, n_patients, rng)


def _follow_up(
    linear_predictor: Floats, model: SimulationModel, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """Whole days to death or censoring, and which of the two it was."""
    cohort, hazards = cohort_settings(model.cancer_type), model.hazards
    death = rng.standard_exponential(len(linear_predictor)) / np.exp(linear_predictor)
    censoring = rng.standard_exponential(len(linear_predictor)) / hazards.censoring_hazard
    operational = np.minimum(death, censoring) / hazards.median_observed
    days = cohort["follow_up_months"] * DAYS_PER_MONTH * operational ** (1.0 / cohort["weibull_shape"])
    return np.ceil(days), death <= censoring


def _log2_tpm_1(scores: pd.DataFrame, cancer_type: str) -> pd.DataFrame:
    """Give each Gaussian score its gene's margin: log-normal TPM, 0 below the limit of detection."""
    margins = np.array([_margin(str(symbol), cancer_type) for symbol in scores.columns])
    tpm = np.exp2(margins[:, 0] + margins[:, 1] * scores.to_numpy())
    tpm[tpm < settings()["expression"]["detection_limit_tpm"]] = 0.0
    return pd.DataFrame(np.round(np.log2(tpm + 1.0), DECIMALS), index=scores.index, columns=scores.columns)


def _margin(symbol: str, cancer_type: str) -> tuple[float, float]:
    """Median and standard deviation of log2(TPM); the gene's own, whatever the seed."""
    levels = settings()["levels"]
    level = next((level for level in levels.values() if symbol in level["genes"]), levels["medium"])
    gene = np.random.default_rng(list(symbol.encode()))
    shift = np.random.default_rng(list(f"{symbol} {cancer_type}".encode())).normal(0.0, level["shift_sd"])
    return gene.uniform(*level["median"]) + shift, gene.uniform(*level["sd"])


def _with_gaps(expression: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    values = expression.to_numpy(copy=True)
    number = round(settings()["expression"]["missing_fraction"] * values.size)
    values.flat[rng.integers(values.size, size=number)] = np.nan
    return pd.DataFrame(values, index=expression.index, columns=expression.columns)


def _with_clinical_gaps(clinical: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    fractions = settings()["clinical"]["missing_fraction"]
    missing = pd.DataFrame({name: rng.uniform(size=len(clinical)) < fractions[name] for name in clinical})
    return clinical.mask(missing.set_index(clinical.index))
