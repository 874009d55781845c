"""What is answered about a model's cohort: tables of its bundle and a synthetic patient, none computed here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from urllib.parse import quote

import pandas as pd

from features.cohort import DAYS_PER_MONTH
from serving.cohort_schemas import ComparedRun, Comparison, ExampleRequest, GeneCurves, GroupCurve
from serving.problems import ProblemError
from serving.schemas import Figure, ProfileRequest
from training.synthetic_profile import synthetic_profile

if TYPE_CHECKING:
    from serving.champions import ServedModel

#: The id of the example: whoever finds it in an answer or a file knows what it is.
SYNTHETIC_ID = "SYNTHETIC example, nobody's values"


def example(served: ServedModel) -> ExampleRequest:
    """Return a request to score the model's synthetic patient."""
    model = served.model
    expression, clinical = synthetic_profile(model)
    return ExampleRequest(
        cancer_type=model.cancer_type,
        endpoint=model.endpoint,
        scale=model.scale,
        zscore_reference=model.zscore_reference,
        reference=model.reference or None,
        profiles=[ProfileRequest(id=SYNTHETIC_ID, expression=expression, clinical=clinical or None)],
    )


def gene_curves(served: ServedModel, gene: str) -> GeneCurves:
    """Return the cohort's survival by the median split of a gene.

    Raises
    ------
    ProblemError
        If the bundle has no curves of that gene.
    """
    table = _table(served, "gene_curves")
    rows = table[table["gene"] == gene] if table is not None else None
    if rows is None or rows.empty:
        have = "has none" if table is None else "has those of other genes"
        detail = f"no curves of that gene: the model {have}; `/comparison` lists the genes that have some."
        raise ProblemError("no-such-model", detail, field="gene")
    curves = [_curve(str(group), part) for group, part in rows.groupby("group", sort=True)]
    return GeneCurves(
        model=served.model.name,
        version=served.registered.version,
        simulated=served.model.simulated,
        reference=served.model.reference or None,
        gene=gene,
        curves=curves,
    )


def comparison(served: ServedModel, mlflow_ui: str | None) -> Comparison:
    """Return the figures of every learner and baseline, those of the model's own procedure among them.

    Parameters
    ----------
    served : ServedModel
    mlflow_ui : str or None
        The address of MLflow's pages.
    """
    curves = _table(served, "gene_curves")
    return Comparison(
        model=served.model.name,
        version=served.registered.version,
        simulated=served.model.simulated,
        reference=served.model.reference or None,
        runs=_runs(_table(served, "evaluations")),
        curve_genes=[] if curves is None else [str(gene) for gene in curves["gene"].unique()],
        mlflow=_mlflow_page(served, mlflow_ui),
    )


def _table(served: ServedModel, name: str) -> pd.DataFrame | None:
    return served.model.tables.get(name)


def _curve(group: str, rows: pd.DataFrame) -> GroupCurve:
    return GroupCurve(
        group="high" if group == "high" else "low",
        months=[round(day / DAYS_PER_MONTH, 1) for day in rows["days"]],
        survival=[float(value) for value in rows["survival"]],
        lower=[_finite(value) for value in rows["lower"]],
        upper=[_finite(value) for value in rows["upper"]],
        at_risk=[int(value) for value in rows["at_risk"]],
    )


def _runs(table: pd.DataFrame | None) -> list[ComparedRun]:
    if table is None:
        return []
    return [
        ComparedRun(name=str(name), metrics={str(row.metric): _figure(row) for row in rows.itertuples()})
        for name, rows in table.groupby("name", sort=False)
    ]


def _figure(row: object) -> Figure:
    return Figure(**{part: _finite(getattr(row, part)) for part in Figure.model_fields})


def _mlflow_page(served: ServedModel, mlflow_ui: str | None) -> str | None:
    if mlflow_ui is None:
        return None
    name, version = quote(served.model.name, safe=""), quote(served.registered.version, safe="")
    return f"{mlflow_ui.rstrip('/')}/#/models/{name}/versions/{version}"


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
