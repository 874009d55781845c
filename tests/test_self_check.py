"""A model that cannot score is found out before it is served."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.errors import PrognosisError
from training.breslow import BaselineHazard
from training.self_check import require_scoring


@pytest.fixture(scope="module")
def model(small_training):
    return small_training.model


def with_variants(model, **changes):
    return replace(model, variants={name: replace(each, **changes) for name, each in model.variants.items()})


def test_a_sound_model_scores_its_own_patient(model):
    require_scoring(model)


def test_a_model_whose_figures_are_no_numbers_is_found_out(model):
    baseline = BaselineHazard(np.array([1.0]), np.array([np.nan]))
    with pytest.raises(PrognosisError, match="made-up patient a probability of survival is not a number"):
        require_scoring(with_variants(model, baseline=baseline))


def test_a_model_that_asks_for_more_genes_than_there_are_is_found_out(model):
    with pytest.raises(PrognosisError, match="made-up patient is refused"):
        require_scoring(with_variants(model, minimum_gene_fraction=1.5))
