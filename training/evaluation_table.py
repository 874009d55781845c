"""The out-of-fold figures of every learner and baseline in one table, as a bundle keeps them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import pandas as pd

from training.results import Evaluation

_COLUMNS = ("name", "metric", "value", "lower", "upper")


def evaluation_table(evaluations: Iterable[Evaluation]) -> pd.DataFrame:
    """Return one row for each figure of each evaluation, in their order.

    Returns
    -------
    DataFrame
        ``name`` (of the learner, baseline or selection procedure), ``metric``, ``value``, and its 95 % interval
        ``lower`` and ``upper``; NaN where a figure or its interval could not be estimated.
    """
    rows = [
        {"name": evaluation.name, "metric": metric, **asdict(estimate)}
        for evaluation in evaluations
        for metric, estimate in evaluation.metrics.items()
    ]
    return pd.DataFrame(rows, columns=list(_COLUMNS))
