"""The rival of the service: a minimal FastAPI handler over plain numpy and xgboost calls, with the same answer.

``uvicorn --factory experiments.benchmarks.plain_service:plain`` (or ``:lean``, which has the service's own scoring
behind it); ``PROGNOSIS_BUNDLES`` names the folder of exported models, as for the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xgboost
from fastapi import FastAPI
from numpy.typing import NDArray
from starlette.responses import Response

from features.clinical_covariates import ClinicalEncoder, ColumnValues
from features.transform import FeatureState, impute_conditional_mean
from serving.answers import render
from serving.bundle_folder import BundleFolder
from serving.champions import ServedModel, Snapshot
from serving.parsing import ParsedRequest
from serving.schemas import ScoreRequest
from serving.score_answers import score_answer
from serving.settings import settings
from training import scorer
from training.blend import Blend, FittedLearner
from training.boosted import FittedBooster
from training.bundle import read_bundle
from training.model import PrognosticModel, Variant

Floats = NDArray[np.float64]


def plain() -> FastAPI:
    """Return the application whose features, linear predictors and contributions are plain calls."""
    return _application(plainly=True)


def lean() -> FastAPI:
    """Return the application with the service's own scoring: what differs is the server around it."""
    return _application(plainly=False)


def _application(*, plainly: bool) -> FastAPI:
    snapshot = snapshot_of(plainly=plainly)
    application = FastAPI()

    @application.post("/score")
    async def score(request: ScoreRequest) -> Response:
        ids = tuple(profile.id for profile in request.profiles)
        return Response(score_answer(snapshot, ParsedRequest(request, ids, {})), media_type="application/json")

    @application.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    return application


def snapshot_of(*, plainly: bool) -> Snapshot:
    """Return the models of the folder that ``PROGNOSIS_BUNDLES`` names."""
    bundles = settings().bundles
    if bundles is None:
        raise ValueError("PROGNOSIS_BUNDLES names no folder.")
    source, models = BundleFolder(bundles), {}
    for version in source.listing().versions:
        model = read_bundle(source.bundle(version))
        if plainly:
            score_plainly(model)
        models[version.name] = ServedModel(version, model, render(version, model), datetime.now(UTC))
    return Snapshot(models=models)


def score_plainly(model: PrognosticModel) -> None:
    """Let the model be scored with plain calls in this process."""
    kept = scorer.scorer_of(model)
    for name, ready in kept.ready.items():
        parts: Any = {"frozen": PlainFeatures(ready.variant.features), "predictor": PlainPredictor(ready.variant)}
        kept.ready[name] = replace(ready, **parts)


class PlainFeatures:
    """From values to covariates as one writes it first: `numpy.interp` for each gene."""

    def __init__(self, state: FeatureState) -> None:
        self._state = state
        self.clinical = PlainClinical(state.clinical)

    def known_scores(self, values: Floats) -> Floats:
        """Return normal scores, shape (n_patients, n_genes)."""
        references = self._state.references.values()
        columns = [np.interp(values[:, j], each.knots, each.scores) for j, each in enumerate(references)]
        return np.column_stack(columns)

    def filled(self, known_scores: Floats) -> Floats:
        """Return the same without gaps."""
        return impute_conditional_mean(known_scores, self._state.correlation)

    def covariates(self, filled: Floats, clinical: Floats) -> Floats:
        """Return the covariates, shape (n_patients, n_covariates)."""
        return np.column_stack([filled, *self._state.derived(filled), np.nan_to_num(clinical)])


class PlainClinical:
    """Clinical covariates as one writes them first: one after another."""

    def __init__(self, encoder: ClinicalEncoder) -> None:
        self._encoder = encoder
        self._encoded = np.zeros((0, 0))

    def numbers(self, values: Mapping[str, ColumnValues], n_patients: int) -> Floats:
        """Return which columns are known: 0, or NaN; shape (n_patients, n_columns)."""
        self._encoded = self._encoder.standardised(values, n_patients)
        return np.where(self._encoder.unknown(self._encoded), np.nan, 0.0)

    def standardised(self, numbers: Floats) -> Floats:
        """Return the covariates of the values that were sent, shape (n_patients, n_covariates)."""
        del numbers
        return self._encoded


class PlainPredictor:
    """Linear predictors and contributions by xgboost's own calls."""

    def __init__(self, variant: Variant) -> None:
        self._variant = variant
        self.columns = variant.fitted.columns
        fitted = variant.fitted
        self._members = fitted.members if isinstance(fitted, Blend) else ((1.0, fitted),)

    def linear_predictor(self, X: Floats) -> Floats:
        """Return the log relative hazards, shape (n_patients,)."""
        return self._variant.slope * self._variant.fitted.linear_predictor(X)

    def contributions(self, X: Floats) -> tuple[Floats, float]:
        """Return what each covariate contributes, and the constant."""
        total, constant = np.zeros((len(X), len(self.columns))), 0.0
        for weight, member in self._members:
            parts, offset = _divided(member, X[:, member.columns])
            total[:, np.searchsorted(self.columns, member.columns)] += self._variant.slope * weight * parts
            constant += self._variant.slope * weight * offset
        return total, constant


def _divided(member: FittedLearner, X: Floats) -> tuple[Floats, float]:
    predictor = member.predictor
    if not isinstance(predictor, FittedBooster):
        return (X - predictor.means) * predictor.coefficients, 0.0
    found = predictor.booster.predict(xgboost.DMatrix(X), pred_contribs=True)
    sign = -1 if predictor.objective == "aft" else 1
    return sign * found[:, :-1], float(sign * found[0, -1]) - predictor.centre
