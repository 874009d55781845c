"""The answers to many patients as a flat table: one row a patient, as a file of results holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.cohort import DAYS_PER_MONTH
from training.cautions import Cautions
from training.scores import RISK_GROUPS, Scores, Wanted
from training.scoring import ScoredPatients

Floats = NDArray[np.float64]

BETWEEN = " | "


def score_table(of: ScoredPatients, rows: NDArray[np.int64]) -> pa.Table:
    """Return the answers with one row a patient, in order; those at fault have an ``error`` and no figures.

    Parameters
    ----------
    of : ScoredPatients
    rows : array of int, shape (n_patients,)
        Where each patient stands in the file.
    """
    patients, scored, wanted = of.patients, of.scored, of.wanted
    n = len(patients.ids)
    columns: dict[str, Any] = {"row": rows, "id": list(patients.ids)}
    columns |= _words(of)
    # Of several that a model has; where it has one, there is nothing to name.
    named = ["reference"] if of.model.reference else []
    columns |= {name: [of.model.reference] * n for name in named}
    numbers = {name: np.full(n, np.nan) for name in _number_names(wanted)}
    for scores in scored.by_variant:
        for name, values in _numbers(scores, wanted).items():
            numbers[name][scores.rows] = values
    # pyarrow's `from_pandas` reads NaN as null: an empty cell, not a word.
    columns |= {name: pa.array(values, from_pandas=True) for name, values in numbers.items()}
    ordered = [
        "row",
        "id",
        "variant",
        *named,
        *numbers,
        "risk_group",
        "missing_genes",
        "genes_outside",
        "relative_only",
        "warnings",
        "error",
    ]
    return pa.table({name: columns[name] for name in ordered})


def _number_names(wanted: Wanted) -> list[str]:
    horizons = [f"survival_{months:g}{end}" for months in wanted.horizons_months for end in ("", "_lower", "_upper")]
    medians = [f"median_survival_months{end}" for end in ("", "_lower", "_upper")]
    return ["linear_predictor", "risk_percentile", *horizons, *medians, "distance_percentile"]


def _numbers(scores: Scores, wanted: Wanted) -> Mapping[str, Floats]:
    bands, median = scores.survival, scores.median
    columns = [scores.linear_predictor, scores.risk_percentile]
    for j in range(len(wanted.horizons_months)):
        columns += [bands.probability[:, j], bands.lower[:, j], bands.upper[:, j]]
    columns += [each / DAYS_PER_MONTH for each in (median.days, median.lower, median.upper)]
    far = scores.distance
    columns.append(np.full(len(scores.rows), np.nan) if far is None else far.percentile)
    return dict(zip(_number_names(wanted), columns, strict=True))


def _words(of: ScoredPatients) -> dict[str, Any]:
    n, scored = len(of.patients.ids), of.scored
    names = ("variant", "risk_group", "missing_genes", "genes_outside", "warnings", "error")
    words: dict[str, list[str | None]] = {name: [None] * n for name in names}
    for row, fault in scored.faults.items():
        words["error"][row] = str(fault)
    for scores in scored.by_variant:
        texts = _texts(of, scores)
        groups = np.minimum(scores.risk_percentile * 3 / 100, 2).astype(np.int64).tolist()
        for row, group, text in zip(scores.rows.tolist(), groups, texts, strict=True):
            words["missing_genes"][row], words["genes_outside"][row], words["warnings"][row] = text
            words["variant"][row], words["risk_group"][row] = scores.variant, RISK_GROUPS[group]
    relative = [None if error is not None else of.relative_only for error in words["error"]]
    return {**{name: pa.array(cells, pa.string()) for name, cells in words.items()}, "relative_only": relative}


def _texts(of: ScoredPatients, scores: Scores) -> list[tuple[str, str, str]]:
    """Return the missing genes, those outside and the warnings of each patient, in words."""
    cautions = Cautions(of.model, scores, of.patients, relative_only=of.relative_only)
    distance = scores.distance
    outside = np.zeros(len(scores.rows), dtype=np.bool_) if distance is None else distance.outside.any(axis=1)
    # Most patients of a file lack the same genes and are warned of the same.
    known: dict[tuple[object, ...], tuple[str, str]] = {}
    texts = []
    for position, is_outside in enumerate(outside.tolist()):
        key = cautions.key(position)
        if key not in known:
            known[key] = " ".join(cautions.missing_genes(position)), BETWEEN.join(cautions.of(position))
        genes = " ".join(distance.genes_outside(position)) if distance is not None and is_outside else ""
        texts.append((known[key][0], genes, known[key][1]))
    return texts
