"""The same answers through ``mlflow models serve``: a pyfunc model around plain calls, or the service's own scoring.

``python -m experiments.benchmarks.mlflow_rival FOLDER plain`` (or ``lean``) saves it; ``PROGNOSIS_BUNDLES`` names the
exported models.
"""

from __future__ import annotations

import sys
from typing import Any

import mlflow.pyfunc
import pandas as pd

from experiments.benchmarks.plain_service import snapshot_of
from serving.parsing import parse_request
from serving.score_answers import score_answer


class Rival(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined,misc]
    """Answers requests that stand as JSON in a column of their own."""

    def __init__(self, *, plainly: bool) -> None:
        self._plainly = plainly

    def load_context(self, context: Any) -> None:  # noqa: ARG002
        """Read the models."""
        self._snapshot = snapshot_of(plainly=self._plainly)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> list[str]:  # noqa: ARG002
        """Return the answer to each request."""
        return [score_answer(self._snapshot, parse_request(text.encode())).decode() for text in model_input["request"]]


if __name__ == "__main__":
    mlflow.pyfunc.save_model(sys.argv[1], python_model=Rival(plainly=sys.argv[2] == "plain"), pip_requirements=[])
