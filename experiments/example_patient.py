"""A request that the service answers, made of a cohort's medians: nobody's values."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pandas as pd

from features.cohort import Cohort
from features.panel import Panel

#: What a definition may use of a new patient, if the cohort has it.
CLINICAL = ("age", "sex", "stage", "grade")


def example_request(cohort: Cohort, panel: Panel) -> dict[str, Any]:
    """Return a request to score the patient whose genes are the cohort's medians, and whose age and stage are usual."""
    genes = [symbol for symbol in panel.symbols if symbol in cohort.expression.columns]
    medians = cohort.expression[genes].median().dropna().round(4)
    profile: dict[str, Any] = {"id": "example", "expression": {gene: float(value) for gene, value in medians.items()}}
    if clinical := _usual(cohort.clinical):
        profile["clinical"] = clinical
    scale = {"scale": cohort.scale, "zscore_reference": cohort.zscore_reference}
    return {
        "cancer_type": cohort.cancer_type,
        "endpoint": cohort.endpoint,
        **{key: value for key, value in scale.items() if value is not None},
        "profiles": [profile],
    }


def write_example(cohort: Cohort, panel: Panel, folder: Path) -> Path:
    """Write the request into a file named after the model, and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{cohort.cancer_type}-{cohort.endpoint}.json"
    request = example_request(cohort, panel)
    path.write_text(json.dumps(request, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def curl_line(address: str, example: Path) -> str:
    """Return the command that sends the request, ready to be pasted into a shell."""
    return f"curl -s {address}/score -H 'Content-Type: application/json' -d {shlex.quote(f'@{example}')}"


def _usual(clinical: pd.DataFrame) -> dict[str, Any]:
    """Return the median age and the most frequent of every other clinical covariate that is known of anyone."""
    known = {name: clinical[name].dropna() for name in CLINICAL if name in clinical.columns}
    return {
        name: float(values.median()) if name == "age" else str(values.mode().iloc[0])
        for name, values in known.items()
        if len(values)
    }
