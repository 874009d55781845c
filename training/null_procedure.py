"""The procedure that a panel and random sets of genes share: clinical covariates hardly penalised, genes by ridge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.clinical_covariates import ClinicalEncoder
from features.cohort import Cohort
from features.panel import PANELS, Panel, load_panel
from features.pooled_cohorts import stratum
from training.frozen_scores import frozen_scores
from training.resampling import generator, stratified_folds
from training.ridge_path import ridge_path, sorted_patients

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Positions = NDArray[np.intp]


@dataclass(frozen=True)
class NullSettings:
    """What the procedure needs to be told; the same for every set of genes.

    Parameters
    ----------
    clinical : tuple of str
        Clinical columns that stand beside the genes, where they are known well enough.
    penalties : tuple of float
        Ridge penalties of the genes, per patient, among which inner folds choose.
    clinical_penalty : float
        That of a clinical covariate; small.
    shape_penalty : float
        That of what bends a clinical covariate's straight line: hinges of age, steps of stage and grade.
    minimum_known_fraction : float
        Share of patients in whom a gene or clinical column must be known.
    inner_folds : int
    """

    clinical: tuple[str, ...]
    penalties: tuple[float, ...]
    clinical_penalty: float
    shape_penalty: float
    minimum_known_fraction: float
    inner_folds: int

    @property
    def path(self) -> Floats:
        """The genes' penalties from the strongest down."""
        return np.sort(np.asarray(self.penalties, dtype=np.float64))[::-1]


@dataclass(frozen=True, eq=False)
class GeneSet:
    """The genes of one model, as positions among the columns of expression.

    Parameters
    ----------
    genes : array of int
        Penalised covariates, one a gene; empty for the procedure without any.
    adjusted_for : array of int
        Genes whose mean score is one more covariate, hardly penalised; empty for none.
    """

    genes: Positions
    adjusted_for: Positions


@dataclass(frozen=True, eq=False)
class NullData:
    """The patients on whom sets of genes are compared.

    Parameters
    ----------
    expression : array, shape (n_patients, n_genes)
        The genes that any of the sets reads; NaN where missing.
    clinical : DataFrame, shape (n_patients, any)
    time : array, shape (n_patients,)
        Days.
    event : array of bool, shape (n_patients,)
    folds : array of int, shape (n_repeats, n_patients)
        Outer folds.
    strata : array of int, shape (n_patients,), optional
        Numbers of the cohorts that were pooled: normal scores, folds and risk sets are each cohort's own.
    """

    expression: Floats
    clinical: pd.DataFrame
    time: Floats
    event: Bools
    folds: NDArray[np.int64]
    strata: NDArray[np.int64] | None = None

    def held_out(self, repeat: int, fold: int) -> Positions:
        """Return the positions of the patients of one outer fold."""
        return np.flatnonzero(self.folds[repeat] == fold)

    def splits(self) -> list[tuple[int, int]]:
        """Return repeat and fold of every outer fold."""
        return [(r, k) for r, labels in enumerate(self.folds) for k in range(labels.max() + 1)]


@dataclass(frozen=True, eq=False)
class SplitCovariates:
    """Covariates of training and of other patients, with all that was learned coming from the first.

    Parameters
    ----------
    n_training : int
        The training patients are the first rows.
    time, event : arrays, shape (n_patients,)
        Outcome; of the other patients nothing is learned from it.
    clinical : array, shape (n_patients, n_clinical)
        Standardised; 0 where missing.
    clinical_penalties : array, shape (n_clinical,)
        More for a shape than for a straight line.
    scores : array, shape (n_patients, n_genes)
        Normal scores; 0 where missing.
    strata : array of int, shape (n_patients,), or None
        As in `NullData`.
    """

    n_training: int
    time: Floats
    event: Bools
    clinical: Floats
    clinical_penalties: Floats
    scores: Floats
    strata: NDArray[np.int64] | None

    @classmethod
    def fit(cls, data: NullData, training: Positions, others: Positions, settings: NullSettings) -> SplitCovariates:
        """Learn encoders and normal scores from the training patients, and apply them to both.

        Parameters
        ----------
        data : NullData
        training, others : arrays of int
            Positions of patients.
        settings : NullSettings
        """
        rows = np.concatenate([training, others])
        encoder = ClinicalEncoder.fit(
            data.clinical.iloc[training], settings.clinical, minimum_known=settings.minimum_known_fraction
        )
        shapes = np.array([covariate.is_shape for covariate in encoder.covariates], dtype=np.bool_)
        return cls(
            n_training=len(training),
            time=data.time[rows],
            event=data.event[rows],
            clinical=encoder.transform(data.clinical.iloc[rows]),
            clinical_penalties=np.where(shapes, settings.shape_penalty, settings.clinical_penalty),
            scores=_scores(data, training, rows),
            strata=_of_rows(data, rows),
        )

    def path(self, genes: GeneSet, penalties: Floats, settings: NullSettings) -> Floats:
        """Return one model's log relative hazards under each penalty, shape (n_penalties, n_patients).

        Parameters
        ----------
        genes : GeneSet
        penalties : array, shape (n_penalties,)
            Of the genes, from the strongest down; without genes all make the same model.
        settings : NullSettings
        """
        X, fixed = self._design(genes, settings)
        if not X.shape[1]:
            return np.zeros((len(penalties), len(X)))
        distinct = penalties if len(genes.genes) else penalties[:1]
        by_covariate = np.array([[*fixed, *np.repeat(penalty, len(genes.genes))] for penalty in distinct])
        learned = slice(self.n_training)
        strata = None if self.strata is None else self.strata[learned]
        path = ridge_path(X[learned], self.time[learned], self.event[learned], by_covariate, strata=strata)
        return np.broadcast_to(path @ X.T, (len(penalties), len(X)))

    def _design(self, genes: GeneSet, settings: NullSettings) -> tuple[Floats, Floats]:
        """Return one model's covariates, shape (n_patients, n_covariates), and the penalties of those before genes."""
        before, fixed = [self.clinical], [self.clinical_penalties]
        if len(genes.adjusted_for):
            before.append(self._mean_score(genes.adjusted_for)[:, None])
            fixed.append(np.array([settings.clinical_penalty]))
        return np.hstack([*before, self.scores[:, genes.genes]]), np.concatenate(fixed)

    def _mean_score(self, genes: Positions) -> Floats:
        mean = self.scores[:, genes].mean(axis=1)
        training = mean[: self.n_training]
        # A constant's standard deviation is the rounding of its mean; normal scores are of the order of 1.
        spread = float(training.std())
        return np.asarray((mean - training.mean()) / (spread if spread > 1e-9 else 1.0))


def _of_rows(data: NullData, rows: Positions) -> NDArray[np.int64] | None:
    return None if data.strata is None else data.strata[rows]


def _scores(data: NullData, training: Positions, rows: Positions) -> Floats:
    """Return normal scores of patients, against the training patients of their own cohort."""
    if data.strata is None:
        return frozen_scores(data.expression[training], data.expression[rows])
    scores = np.empty((len(rows), data.expression.shape[1]))
    for number in np.unique(data.strata):
        own = data.strata[rows] == number
        references = data.expression[training[data.strata[training] == number]]
        scores[own] = frozen_scores(references, data.expression[rows[own]])
    return scores


def _dealt(data: NullData, training: Positions, n_folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the inner fold of each training patient; those of each pooled cohort are dealt by themselves."""
    if data.strata is None:
        return stratified_folds(data.time[training], data.event[training], n_folds, rng)
    folds = np.empty(len(training), dtype=np.int64)
    for number in np.unique(data.strata):
        own = training[data.strata[training] == number]
        folds[data.strata[training] == number] = stratified_folds(data.time[own], data.event[own], n_folds, rng)
    return folds


def eligible_genes(cohort: Cohort, minimum_known_fraction: float) -> tuple[str, ...]:
    """Return the genes that vary and are known in enough patients, of every cohort that was pooled; sorted by name."""
    if cohort.strata is not None:
        each = (eligible_genes(stratum(cohort, part.name), minimum_known_fraction) for part in cohort.parts)
        return tuple(sorted(set.intersection(*map(set, each))))
    values = cohort.expression.to_numpy(np.float64)
    known = np.isfinite(values)
    lowest = np.where(known, values, np.inf).min(axis=0)
    highest = np.where(known, values, -np.inf).max(axis=0)
    kept = (known.mean(axis=0) >= minimum_known_fraction) & (lowest < highest)
    return tuple(sorted(cohort.expression.columns[kept]))


def symbols_of_panels(panel: Panel) -> frozenset[str]:
    """Return the genes of a panel and of the widest that is shipped: none of them is a gene like any other."""
    return frozenset(panel.symbols) | frozenset(load_panel(PANELS[-1]).symbols)


def held_out_linear_predictors(
    data: NullData, sets: list[GeneSet], settings: NullSettings, *, repeat: int, fold: int, seed: int
) -> Floats:
    """Run the procedure without one outer fold, for each set of genes, and predict that fold.

    Parameters
    ----------
    data : NullData
    sets : list of GeneSet
    settings : NullSettings
    repeat, fold : int
    seed : int
        Of the inner folds, which are the same for every set.

    Returns
    -------
    array, shape (n_sets, n_held_out)
        Log relative hazards, up to a constant of each set; higher is worse. What stands for a set does not depend on
        which others are in the list.
    """
    held_out = data.held_out(repeat, fold)
    training = np.setdiff1d(np.arange(len(data.time)), held_out)
    rng = generator(seed, "inner folds of the null", repeat, fold)
    inner = _dealt(data, training, settings.inner_folds, rng)
    scores = np.zeros((len(sets), len(settings.penalties)))
    for k in range(settings.inner_folds):
        covariates = SplitCovariates.fit(data, training[inner != k], training[inner == k], settings)
        scores += _cross_validated(covariates, sets, settings)
    # Of equals the first, which is the strongest.
    chosen = scores.argmax(axis=1)
    covariates = SplitCovariates.fit(data, training, held_out, settings)
    paths = (
        covariates.path(genes, settings.path[: last + 1], settings) for genes, last in zip(sets, chosen, strict=True)
    )
    return np.stack([path[-1, len(training) :] for path in paths])


def _cross_validated(covariates: SplitCovariates, sets: list[GeneSet], settings: NullSettings) -> Floats:
    r"""Return one inner fold's part of the cross-validated log partial likelihood, shape (n_sets, n_penalties).

    .. math:: \ell(\hat\beta_{-k}) - \ell_{-k}(\hat\beta_{-k})

    References
    ----------
    Verweij PJM, van Houwelingen HC (1993) doi 10.1002/sim.4780122407
    """
    n, strata = covariates.n_training, covariates.strata
    whole = sorted_patients(covariates.time, covariates.event, strata)
    part = sorted_patients(covariates.time[:n], covariates.event[:n], None if strata is None else strata[:n])
    return np.array(
        [
            [
                whole.log_likelihood(eta[whole.order])[0] - part.log_likelihood(eta[:n][part.order])[0]
                for eta in covariates.path(genes, settings.path, settings)
            ]
            for genes in sets
        ]
    )
