"""Every patient of every real cohort can be scored, whatever the values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.runner import definition_for, train_cohort
from features.readers import read_cohort
from training.bundle import read_bundle, write_bundle
from training.patient_scores import PatientScore
from training.profiles import Profile
from training.scoring import score_profiles

COHORTS = ("ACC", "BRCA", "COADREAD", "GBM", "KIRC", "KIRP", "LGG", "LUAD", "LUSC", "UVM")


@pytest.mark.parametrize("cancer_type", COHORTS)
def test_every_patient_of_the_cohort_is_scored(
    real_cohorts: Path, small_definition: Path, tmp_path: Path, cancer_type: str
):
    cohort = read_cohort(real_cohorts / cancer_type, endpoint="OS")
    definition = definition_for(cancer_type, "OS", path=small_definition, trials=1)
    write_bundle(train_cohort(cohort, definition, workers=1).model, tmp_path / "bundle")
    model = read_bundle(tmp_path / "bundle")
    clinical = cohort.clinical.astype(object).where(cohort.clinical.notna(), None)
    patients = [
        Profile(str(patient), row.dropna().to_dict(), clinical.loc[patient].to_dict())
        for patient, row in cohort.expression[list(model.variants["genes_only"].features.genes)].iterrows()
    ]
    reference = cohort.zscore_reference
    scores = score_profiles(
        model, patients, scale=cohort.scale, zscore_reference=reference, horizons_months=[model.horizon_months_max]
    )
    assert len(scores) == len(cohort.patients)
    assert all(isinstance(score, PatientScore) for score in scores)
    assert not any(score.relative_only for score in scores)
    assert np.isfinite([score.linear_predictor for score in scores]).all()
    assert all(0 <= score.survival[0].probability <= 1 for score in scores)
    # The fuller variant tells patients apart if it found a signal out of fold, and says the same of everyone if not.
    fuller = next(iter(model.variants))
    groups = {score.risk_group for score in scores if score.variant == fuller}
    assert groups == ({"low", "intermediate", "high"} if model.variants[fuller].slope > 0 else {"intermediate"})
