"""Requests that the models which are served now answer: the examples of the description of the interface."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.champions import ServedModel, Snapshot
from serving.cohort_answers import example

#: What a description shows that no model stands behind yet.
_NO_MODEL: Mapping[str, Any] = {
    "cancer_type": "KIRC",
    "endpoint": "OS",
    "scale": "log2_tpm_1",
    "zscore_reference": None,
    "reference": None,
    "profiles": [
        {
            "id": "SYNTHETIC example, nobody's values",
            "expression": {"CD44": 7.6, "CXCR4": 5.5, "ICAM1": 5.3, "NOTCH1": 4.1, "EPCAM": 5.6},
            "clinical": {"age": 62.0, "sex": "male", "stage": "II", "grade": "G3"},
            "survived_months": None,
        }
    ],
}
_NO_GENE = "CD44"


@dataclass(frozen=True)
class Examples:
    """What is shown as an example.

    Parameters
    ----------
    request : mapping
        A body of ``POST /score``.
    horizons_months : sequence of float
        Some that the model answers.
    gene : str
        One with curves of its own.
    """

    request: Mapping[str, Any]
    horizons_months: Sequence[float] = (12.0, 36.0)
    gene: str = _NO_GENE

    @property
    def cancer_type(self) -> str:
        """The cancer type of the request."""
        return str(self.request["cancer_type"])

    @property
    def endpoint(self) -> str:
        """The endpoint of the request."""
        return str(self.request["endpoint"])

    @property
    def scale(self) -> str:
        """The scale of the request."""
        return str(self.request["scale"])

    @property
    def reference(self) -> str | None:
        """The reference of the request; None where the model has one only."""
        named = self.request["reference"]
        return None if named is None else str(named)

    @property
    def with_choices(self) -> dict[str, Any]:
        """The same request with everything that can be chosen."""
        (profile,) = self.request["profiles"]
        alive = {**profile, "survived_months": min(self.horizons_months) / 2}
        chosen = {"horizons_months": list(self.horizons_months), "contributions": False, "hazard_ratios": False}
        return {**self.request, "profiles": [alive], **chosen}

    def table(self, delimiter: str) -> str:
        """Return the same patient as a file."""
        (profile,) = self.request["profiles"]
        columns = {"id": profile["id"], **profile["expression"], **(profile["clinical"] or {})}
        sink = io.StringIO()
        csv.writer(sink, delimiter=delimiter, lineterminator="\n").writerows([columns, columns.values()])
        return sink.getvalue()


def examples_of(snapshot: Snapshot) -> Examples:
    """Return examples that the first of the served models answers; made-up ones where none is served."""
    served = next(iter(snapshot.models.values()), None)
    return Examples(_NO_MODEL) if served is None else _of(served)


def _of(served: ServedModel) -> Examples:
    curves = served.model.tables.get("gene_curves")
    return Examples(
        request=example(served).model_dump(),
        horizons_months=[float(months) for months in served.model.horizons_months],
        gene=_NO_GENE if curves is None or curves.empty else str(curves["gene"].iloc[0]),
    )
