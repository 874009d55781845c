"""The distance from the reference cohort: honest among its own patients, and far for what a model cannot score."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from experiments.simulation import simulate_cohort
from features.cohort import Cohort
from features.panel import load_panel
from features.readers import read_cohort
from training.applicability import Applicability, fit_applicability
from training.definition import load_definition
from training.scores import genes_outside
from training.typicality import GRID, fit_typicality
from training.typicality_kernel import BELOW, COPULA, EXTREME, IDENTITY

Floats = NDArray[np.float64]

COHORTS = ("ACC", "BRCA", "COADREAD", "GBM", "KIRC", "KIRP", "LGG", "LUAD", "LUSC", "UVM")
PANEL = load_panel("ctc_review")
DEFINITION = load_definition(REPOSITORY / "experiments" / "definitions" / "default.toml")
#: Fresh patients: so many that a share of 5 % is known to about ±1 %.
N_FRESH = 1500


def fitted(cohort: Cohort) -> Applicability:
    return fit_applicability(cohort, PANEL, DEFINITION)


def values_of(cohort: Cohort, model: Applicability) -> Floats:
    return cohort.expression.reindex(columns=list(model.genes)).to_numpy(np.float64)


@pytest.fixture(scope="module")
def reference() -> Cohort:
    return simulate_cohort("KIRC", seed=1, n_patients=300, n_background=0)


@pytest.fixture(scope="module")
def model(reference: Cohort) -> Applicability:
    return fitted(reference)


@pytest.fixture(scope="module")
def fresh(model: Applicability) -> Floats:
    """Patients of the same population, whom the reference has not seen."""
    return values_of(simulate_cohort("KIRC", seed=2, n_patients=N_FRESH, n_background=0), model)


def without(values: Floats, share: float, seed: int) -> Floats:
    return np.where(np.random.default_rng(seed).random(values.shape) < share, np.nan, values)


@pytest.mark.parametrize("missing", [0.0, 0.1, 0.3, 0.5])
def test_fresh_patients_are_warned_of_as_often_as_stated(model: Applicability, fresh: Floats, missing: float):
    judged = model.judge(without(fresh, missing, 3))
    # 4 % are expected; 1,500 fresh patients tell it to ±1 %, the 300 of the reference to ±2 %.
    assert judged.warned.mean() == pytest.approx(0.04, abs=0.025)
    assert not judged.refused.any()


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_percentiles_of_fresh_patients_are_uniform(model: Applicability, fresh: Floats, missing: float):
    percentile = model.judge(without(fresh, missing, 4)).percentile
    shares = [(percentile <= limit).mean() for limit in (10, 25, 50, 75, 90)]
    np.testing.assert_allclose(shares, [0.1, 0.25, 0.5, 0.75, 0.9], atol=0.09)


def test_a_site_that_always_lacks_the_same_genes_is_not_warned_of_more_often(model: Applicability, fresh: Floats):
    rates = []
    for seed in range(20):
        lacking = np.random.default_rng(seed).permutation(len(model.genes))[: len(model.genes) // 3]
        sent = fresh[seed::20].copy()
        sent[:, lacking] = np.nan
        rates.append(model.judge(sent).warned.mean())
    assert np.mean(rates) == pytest.approx(0.04, abs=0.025)
    assert max(rates) < 0.2


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_abundances_sent_as_logarithms_and_shuffled_genes_are_caught(
    model: Applicability, fresh: Floats, missing: float
):
    shuffled = np.random.default_rng(5).permuted(fresh, axis=1)
    for abused in (np.exp2(fresh) - 1, shuffled):
        judged = model.judge(without(abused, missing, 6))
        assert (judged.warned | judged.refused).mean() >= 0.95


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_one_profile_is_judged_as_among_many_to_the_bit(model: Applicability, fresh: Floats, data: st.DataObject):
    rows = data.draw(st.lists(st.integers(0, N_FRESH - 1), min_size=2, max_size=6))
    missing = data.draw(
        st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=len(rows), max_size=len(rows))
    )
    sent = fresh[rows].copy()
    sent[:, :5][np.array(missing)] = np.nan
    together = model.judge(sent)
    for i in range(len(sent)):
        alone = model.judge(sent[i : i + 1])
        assert alone.distance[0] == together.distance[i]
        assert alone.percentile[0] == together.percentile[i]
        assert alone.refused[0] == together.refused[i]


def test_what_is_read_back_judges_equally(model: Applicability, fresh: Floats):
    text = json.dumps(model.fields(), allow_nan=False)
    again = Applicability.of(json.loads(text))
    np.testing.assert_array_equal(again.judge(fresh).distance, model.judge(fresh).distance)
    np.testing.assert_array_equal(again.judge(fresh).outside, model.judge(fresh).outside)
    assert again.genes == model.genes
    with pytest.raises(TypeError):
        Applicability.of({**model.fields(), "unknown": 1})


def test_fields_hold_no_patient(model: Applicability, reference: Cohort):
    fields = model.fields()
    text = json.dumps(fields)
    assert not any(f'"{patient}"' in text for patient in reference.patients)
    # Curves of at most 33 knots: of 300 patients' values a tenth.
    assert len(fields["typicality"]["knots"]) <= 33 * len(model.genes)


def test_the_same_cohort_gives_the_same_distance(reference: Cohort, model: Applicability, fresh: Floats):
    np.testing.assert_array_equal(fitted(reference).judge(fresh).distance, model.judge(fresh).distance)


def test_a_profile_without_a_known_gene_is_refused(model: Applicability):
    judged = model.judge(np.full((1, len(model.genes)), np.nan))
    assert np.isnan(judged.distance[0])
    assert judged.refused[0]
    assert judged.warned[0]


def test_genes_outside_are_named_farthest_first(model: Applicability, fresh: Floats):
    lowest, highest = model.typicality.ranges
    sent = np.clip(fresh[:1], lowest, highest)
    assert genes_outside(model, model.judge(sent).outside[0]) == ()
    units = model.typicality.units
    sent[0, 3] = highest[3] + 2 * units[3, 1]
    sent[0, 7] = lowest[7] - 5 * units[7, 0]
    sent[0, 9] = np.nan
    assert genes_outside(model, model.judge(sent).outside[0]) == (model.genes[7], model.genes[3])
    np.testing.assert_allclose(model.judge(sent).outside[0, [3, 7]], [2, -5])
    assert model.judge(sent).outside[0, 9] == 0


def test_the_four_measures_are_those_of_their_formulae():
    rng = np.random.default_rng(7)
    values = rng.standard_normal((60, 5)) @ rng.standard_normal((5, 5))
    typicality = fit_typicality(values)
    sent = np.array([[0.3, np.nan, -0.2, 9.0, -30.0], values[0]])
    found = typicality.parts(sent)
    for row, parts in zip(sent, found, strict=True):
        known = np.flatnonzero(~np.isnan(row))
        ends = [slice(typicality.starts[j], typicality.starts[j + 1]) for j in known]
        z = np.array(
            [np.interp(row[j], typicality.knots[e], typicality.scores[e]) for j, e in zip(known, ends, strict=True)]
        )
        over = typicality.overshoots(row[np.newaxis])[0, known]
        reach = np.sign(over) * np.minimum(np.log1p(np.abs(over)), 3.0)
        precision = np.linalg.inv(typicality.correlation[np.ix_(known, known)])
        pooled = np.interp(row[known], typicality.pool_knots, typicality.pool_scores)
        identity = sum(np.interp(pooled[a], GRID, typicality.log_ratio[j]) for a, j in enumerate(known))
        assert parts[IDENTITY] == pytest.approx(identity)
        assert parts[COPULA] == pytest.approx(z @ precision @ z - z @ z)
        assert parts[BELOW] == pytest.approx(-reach[over < 0].sum())
        assert parts[EXTREME] == pytest.approx((z + reach) @ precision @ (z + reach))


def test_a_gene_that_a_fold_does_not_vary_in_does_no_harm(reference: Cohort):
    few = reference.subset(np.arange(80))
    expression = few.expression.copy()
    expression.iloc[:, 0] = 0.0
    expression.iloc[0, 0] = 1.0
    model = fitted(replace(few, expression=expression))
    judged = model.judge(values_of(few, model))
    assert np.isfinite(judged.distance).all()
    assert np.isfinite(model.calibration.quantiles).all()


@pytest.mark.parametrize("cancer_type", COHORTS)
def test_no_patient_of_a_real_cohort_is_refused(real_cohorts: Path, cancer_type: str):
    cohort = read_cohort(real_cohorts / cancer_type, endpoint="OS")
    model = fitted(cohort)
    values = values_of(cohort, model)
    for missing in (0.0, 0.3):
        judged = model.judge(without(values, missing, 8))
        assert not judged.refused.any()
        assert judged.warned.mean() <= 0.05


@pytest.mark.parametrize("cancer_type", ["GBM", "KIRC", "UVM"])
def test_held_back_patients_of_real_cohorts_are_seldom_warned_of(real_cohorts: Path, cancer_type: str):
    cohort = read_cohort(real_cohorts / cancer_type, endpoint="OS")
    folds = np.random.default_rng(9).permutation(np.arange(len(cohort.patients)) % 4)
    n_warned = 0
    for fold in range(4):
        model = fitted(cohort.subset(np.flatnonzero(folds != fold)))
        judged = model.judge(values_of(cohort, model)[folds == fold])
        assert not judged.refused.any()
        n_warned += int(judged.warned.sum())
    n_patients = len(cohort.patients)
    # At most 5 %, within two standard errors of a share of 4 %.
    assert n_warned <= 0.05 * n_patients + 2 * np.sqrt(0.04 * 0.96 * n_patients)


def test_abuses_of_real_cohorts_are_caught(real_cohorts: Path):
    rng = np.random.default_rng(10)
    read = {name: read_cohort(real_cohorts / name, endpoint="OS") for name in ("KIRP", "BRCA", "LUSC", "UVM", "ACC")}
    zscores, logged = fitted(read["KIRP"]), fitted(read["UVM"])
    own, logs = values_of(read["KIRP"], zscores), values_of(read["UVM"], logged)
    abused = [
        (zscores, rng.permuted(own, axis=1)),
        (zscores, values_of(read["UVM"], zscores)),
        (zscores, values_of(read["BRCA"], zscores)),
        (zscores, values_of(read["LUSC"], zscores)),
        (logged, rng.permuted(logs, axis=1)),
        (logged, np.exp2(logs) - 1),
        (logged, values_of(read["ACC"], logged)),
    ]
    for model, values in abused:
        judged = model.judge(values)
        assert (judged.warned | judged.refused).mean() >= 0.95
