"""Weights for the average of several models, from how likely each made the outcomes of patients it had not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Samples of the Bayesian bootstrap; the standard error of their mean is 0.035 at most, where each decides for one.
SAMPLES = 200


def bootstrapped_weights(terms: Floats, rng: np.random.Generator) -> Floats:
    r"""Return pseudo-Bayesian weights, averaged over a Bayesian bootstrap of the events.

    .. math:: w_k = \mathrm{E}_\alpha \frac{\exp \sum_i \alpha_i \ell_{ki}}{\sum_m \exp \sum_i \alpha_i \ell_{mi}}

    with :math:`\alpha` Dirichlet-distributed over the events and of sum :math:`n`.

    Parameters
    ----------
    terms : array, shape (n_models, n_events)
        Log-likelihood of each event under each model, out of fold.
    rng : Generator

    Returns
    -------
    array, shape (n_models,)
        Of sum 1.

    Notes
    -----
    Choosing the best of many models on few events is mostly choosing noise; models that are alike in what they
    explain are averaged instead. The bootstrap keeps a small difference from deciding all.

    References
    ----------
    Yao Y, Vehtari A, Simpson D, Gelman A (2018), pseudo-BMA+, doi 10.1214/17-BA1091
    """
    n_events = terms.shape[1]
    drawn = rng.dirichlet(np.ones(n_events), SAMPLES) * n_events
    return np.asarray(_softmax(drawn @ terms.T).mean(axis=0), dtype=np.float64)


def tempered_weights(scores: Floats, temperature: float) -> Floats:
    r"""Return :math:`w_k \propto \exp(s_k / T)`, of sum 1.

    Parameters
    ----------
    scores : array, shape (n_models,)
        Log-likelihood of each model, out of fold.
    temperature : float
        Near 0 the best one has all the weight; the higher, the more equal they are.
    """
    return np.asarray(_softmax(scores[None] / temperature)[0], dtype=np.float64)


def _softmax(logits: Floats) -> Floats:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
