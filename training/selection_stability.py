"""How far a model's genes hang on who happened to be in the cohort: selection and signs over bootstraps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.stats import rankdata

from training.estimate import Estimate
from training.univariate_cox import Z95

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Indices = NDArray[np.int64]

#: Refits a model to the patients at these positions, some of them several times, and returns its coefficients.
Select = Callable[[Indices], Floats]

#: Fleiss's bounds for agreement beyond chance, which Nogueira et al. take over: poor below, excellent above the second.
POOR, EXCELLENT = 0.4, 0.75


@dataclass(frozen=True)
class SelectionStability:
    """What becomes of each covariate in samples of the patients; arrays have shape (n_covariates,).

    Parameters
    ----------
    n_samples : int
    frequency : array
        Share of samples in which the coefficient is not 0.
    sign_agreement : array
        Share of samples whose coefficient has the commoner of the two signs; a coefficient of 0 has none.
    mean, standard_deviation : array
        Of the coefficient over the samples, 0 where not selected.
    mean_rank : array
        Mean over the samples of its rank by size, 1 the largest.
    stability : Estimate
        Nogueira's index: 1 if every sample selects the same, 0 if it selects at random; NaN if every sample selects all
        or none, as ridge does.
    """

    n_samples: int
    frequency: Floats
    sign_agreement: Floats
    mean: Floats
    standard_deviation: Floats
    mean_rank: Floats
    stability: Estimate

    @property
    def sentence(self) -> str:
        """The index in words."""
        index = self.stability
        if np.isnan(index.value):
            selected = "all covariates" if self.frequency.all() else "no covariate"
            return f"each of {self.n_samples} samples selected {selected}: its stability is not assessable."
        verdict = "poor" if index.value < POOR else "excellent" if index.value > EXCELLENT else "fair to good"
        figure = f"{index.value:.2f} ({index.lower:.2f} to {index.upper:.2f})"
        return f"stability of the selection over {self.n_samples} samples {figure}: {verdict}."

    def table(self, names: Sequence[str]) -> pd.DataFrame:
        """Return one row a covariate, the most important first.

        Parameters
        ----------
        names : sequence of str
            The covariates, in the order of the coefficients.
        """
        table = pd.DataFrame(
            {
                "covariate": list(names),
                "selection_frequency": self.frequency,
                "sign_agreement": self.sign_agreement,
                "coefficient_mean": self.mean,
                "coefficient_standard_deviation": self.standard_deviation,
                "mean_rank": self.mean_rank,
            }
        )
        return table.sort_values("mean_rank", kind="stable", ignore_index=True)


def selection_stability(select: Select, n_patients: int, n_samples: int, rng: Generator) -> SelectionStability:
    """Refit a model to bootstrap samples and see what stays.

    Parameters
    ----------
    select : callable
        From the positions of the patients of a sample to coefficients, shape (n_covariates,), or to a boolean vector of
        what is selected; tuning and feature state belong inside. A patient drawn twice is in it twice: inner folds
        must keep both on one side.
    n_patients : int
    n_samples : int
        At least 2.
    rng : Generator

    Raises
    ------
    ValueError
        If there are fewer than two samples.

    Notes
    -----
    What `select` raises is not caught: a sample that cannot be fitted is the caller's to judge.
    """
    if n_samples < 2:
        raise ValueError(f"stability needs at least 2 samples, not {n_samples}.")
    samples = rng.integers(n_patients, size=(n_samples, n_patients))
    coefficients = np.array([select(sample) for sample in samples], dtype=np.float64)
    selected = coefficients != 0
    signs = np.stack([(coefficients > 0).mean(axis=0), (coefficients < 0).mean(axis=0)])
    return SelectionStability(
        n_samples=n_samples,
        frequency=selected.mean(axis=0),
        sign_agreement=signs.max(axis=0),
        mean=coefficients.mean(axis=0),
        standard_deviation=coefficients.std(axis=0, ddof=1),
        mean_rank=rankdata(-np.abs(coefficients), axis=1).mean(axis=0),
        stability=stability_index(selected),
    )


def stability_index(selected: Bools) -> Estimate:
    r"""Estimate how much more alike selections are than chance would make them.

    .. math::
        \hat\Phi = 1 - \frac{\frac{1}{d} \sum_f \frac{M}{M-1}\, \hat p_f (1 - \hat p_f)}
        {\frac{\bar k}{d} \big(1 - \frac{\bar k}{d}\big)}

    with :math:`\hat p_f` the share of the :math:`M` samples that select covariate :math:`f` of :math:`d`, and
    :math:`\bar k` the mean number selected.

    Parameters
    ----------
    selected : array of bool, shape (n_samples, n_covariates)

    Returns
    -------
    Estimate
        With the asymptotic 95 % interval over samples; NaN if all samples select everything or nothing.

    References
    ----------
    Nogueira S, Sechidis K, Brown G. On the stability of feature selection algorithms. J Mach Learn Res
    2018;18(174):1-54. https://jmlr.org/papers/v18/17-514.html
    """
    chosen = np.asarray(selected, dtype=np.float64)
    n_samples = len(chosen)
    share, chance = chosen.mean(axis=0), chosen.mean()
    if not 0 < chance < 1:
        return Estimate(float("nan"), float("nan"), float("nan"))
    expected = chance * (1 - chance)
    index = 1 - n_samples / (n_samples - 1) * float(np.mean(share * (1 - share))) / expected
    # Half the derivative of the index by each sample's weight, but for a constant.
    size = chosen.mean(axis=1)
    pulls = ((chosen * share).mean(axis=1) - size * chance + index / 2 * (2 * size * chance - size)) / expected
    half_width = Z95 * 2 / n_samples * float(np.sqrt(np.sum((pulls - pulls.mean()) ** 2)))
    return Estimate(float(index), float(index - half_width), float(min(index + half_width, 1.0)))
