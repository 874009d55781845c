"""The scan's long table: every row against what computes it alone, and what a reader may take from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.cohort import Cohort
from features.readers import read_cohort
from training.scan.coded_rows import COLUMNS, remarks
from training.scan.firth import firth_univariate
from training.scan.multiplicity import FAMILIES, with_q
from training.scan.normal_score_columns import standardised_normal_scores
from training.scan.scan import ScanError, ScanSettings, scan_cohort
from training.univariate_cox import cox_univariate

QUICK = ScanSettings(permutations=200, samples=50)


def cohort_of(expression: pd.DataFrame, time, event, clinical: pd.DataFrame | None = None) -> Cohort:
    clinical = pd.DataFrame(index=expression.index) if clinical is None else clinical
    return Cohort(
        cancer_type="KIRC",
        endpoint="OS",
        scale="log2_rsem_1",
        zscore_reference=None,
        expression=expression,
        clinical=clinical,
        time=np.asarray(time, dtype=float),
        event=np.asarray(event, dtype=bool),
        source="made up",
    )


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    rng = np.random.default_rng(0)
    names = [f"G{k}" for k in range(12)]
    values = pd.DataFrame(rng.normal(8, 2, size=(160, 12)), columns=names)
    values.index = pd.Index([f"P{k}" for k in range(160)])
    time = np.ceil(rng.exponential(900 / np.exp(0.6 * (values["G0"] - 8) / 2)))
    event = rng.random(160) < 0.6
    values["G1"] = np.where(np.arange(160) % 80 == 0, 9.0, 3.0)
    values["G2"] = 5.0
    values["G3"] = -time
    values.loc["P3":"P9", "G4"] = np.nan
    clinical = pd.DataFrame(
        {"age": rng.normal(60, 9, 160), "sex": np.where(rng.random(160) < 0.5, "male", "female")}, index=values.index
    )
    clinical.loc["P5":"P14", "age"] = np.nan
    return cohort_of(values, time, event, clinical)


@pytest.fixture(scope="module")
def table(cohort) -> pd.DataFrame:
    settings = ScanSettings(
        cuts=("per_sd", "per_unit", "median", "quantile", "optimal"), adjusted_for=("age", "sex"), permutations=500,
        samples=100,
    )  # fmt: skip
    return scan_cohort(cohort, settings=settings)


def rows(table, cut):
    return table[table["cut"] == cut].set_index("gene")


def test_every_gene_has_a_row_for_every_cut_and_columns_keep_their_order(cohort, table):
    assert len(table) == 5 * 12
    assert list(table.columns) == [name for name in COLUMNS if name != "stratified_by"]
    assert not table.duplicated(["gene", "cut"]).any()


def test_continuous_rows_are_the_cox_models_of_normal_scores_and_of_values(cohort, table):
    values = cohort.expression.to_numpy(float)
    for cut, covariates in (("per_sd", standardised_normal_scores(values)), ("per_unit", values)):
        fitted = cox_univariate(covariates, cohort.time, cohort.event)
        found = rows(table, cut)
        np.testing.assert_array_equal(found["hazard_ratio"], fitted.hazard_ratio)
        np.testing.assert_array_equal(found["p_proportional_hazards"], fitted.p_proportional_hazards)
        assert found["cut_point"].isna().all()
        assert found["n_high"].isna().all()


def test_splits_say_where_they_cut_and_whom_they_call_high(cohort, table):
    for cut, quantile in (("median", 0.5), ("quantile", 0.75)):
        found = rows(table, cut)
        for gene in ("G0", "G4", "G7"):
            values = cohort.expression[gene]
            assert found.loc[gene, "cut_point"] == pytest.approx(values.quantile(quantile))
            high = values > values.quantile(quantile)
            assert found.loc[gene, "n_high"] == high.sum()
            assert found.loc[gene, "events_high"] == (high & cohort.event).sum()


def test_a_gene_that_separates_the_outcome_has_firths_estimate_and_no_other(cohort, table):
    row = rows(table, "per_sd").loc["G3"]
    alone = firth_univariate(
        standardised_normal_scores(cohort.expression[["G3"]].to_numpy(float)), cohort.time, cohort.event
    )
    assert (row["status"], row["estimator"]) == ("separated", "firth")
    assert np.isnan(row["hazard_ratio"])
    assert row["firth_hazard_ratio"] == pytest.approx(alone.hazard_ratio[0], rel=1e-9)
    assert row["p"] == row["firth_p"] < 1e-4
    assert row["direction"] == "higher expression, worse overall survival"


def test_constant_and_nearly_constant_genes_are_reported(table):
    found = rows(table, "per_sd")
    assert found.loc["G2", "status"] == "constant"
    assert found.loc["G2", "direction"] == "not estimable: constant"
    assert found.loc["G1", "remark"].startswith("near-constant")
    assert found.loc["G0", "remark"] == ""


def test_a_gene_beside_age_and_sex_is_fitted_in_the_patients_who_have_both(cohort, table):
    row = rows(table, "per_sd").loc["G0"]
    assert row["adjusted_for"] == "age, sex"
    assert row["adjusted_n"] == cohort.clinical["age"].notna().sum() < row["n"]
    assert row["adjusted_lower"] < row["adjusted_hazard_ratio"] < row["adjusted_upper"]


def test_what_cannot_be_adjusted_for_is_named(cohort):
    with pytest.raises(ScanError, match=r"KIRC/OS: stage cannot be adjusted for.*has age, sex"):
        scan_cohort(cohort, settings=ScanSettings(cuts=("per_sd",), adjusted_for=("age", "stage")))


def test_restricted_means_are_worse_where_hazards_are(table):
    found = rows(table, "median").loc["G0"]
    assert found["hazard_ratio"] > 1
    assert found["restricted_mean_difference_months"] < 0
    assert found["restricted_mean_difference_months_upper"] < 0
    assert found["restricted_to_months"] <= 60


def test_genes_are_taken_in_the_order_asked_for_and_absent_ones_have_no_row(cohort):
    found = scan_cohort(cohort, ["G7", "NODAL", "G0"], ScanSettings(cuts=("per_sd",)))
    assert list(found["gene"]) == ["G7", "G0"]
    with pytest.raises(ScanError, match=r"it has none of the 1 genes asked for \(first: NODAL\)"):
        scan_cohort(cohort, ["NODAL"])


def test_a_cohort_without_events_is_refused(cohort):
    nobody = cohort_of(cohort.expression, cohort.time, np.zeros(160, bool))
    with pytest.raises(ScanError, match="none of 160 patients has an event"):
        scan_cohort(nobody)


@pytest.mark.parametrize("settings", [{"cuts": ("mean",)}, {"cuts": ()}, {"quantile": 1.0}])
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(ScanError):
        ScanSettings(**settings)


def test_q_is_over_the_family_asked_for():
    table = pd.DataFrame(
        {"cancer_type": ["A", "A", "B", "B"], "endpoint": "OS", "cut": "per_sd", "p": [0.01, 0.04, 0.02, np.nan]}
    )
    # Benjamini and Hochberg by hand: of two, .01 * 2 and .04; of one, itself; of three, .01 * 3, .02 * 3 / 2, .04.
    np.testing.assert_allclose(with_q(table)["q"], [0.02, 0.04, 0.02, np.nan])
    np.testing.assert_allclose(with_q(table, "genes and cancer types")["q"], [0.03, 0.04, 0.03, np.nan])
    assert len(FAMILIES) == 4
    with pytest.raises(Exception, match="choose one of"):
        with_q(table, "everything")


def test_uniform_p_values_are_called_as_often_as_they_should():
    rng = np.random.default_rng(7)
    values = pd.DataFrame(rng.normal(size=(200, 2000)), columns=[f"G{k}" for k in range(2000)])
    noise = cohort_of(values, rng.exponential(900, 200).round() + 1, rng.random(200) < 0.5)
    found = scan_cohort(noise, settings=ScanSettings(permutations=0, resampled_at_most=0, curves=False))
    for cut in ("per_sd", "median"):
        assert (rows(found, cut)["p"] < 0.05).mean() == pytest.approx(0.05, abs=0.015)
    # Conservative, as it is an upper bound; the naive one would call a third.
    assert (rows(found, "optimal")["p"] < 0.05).mean() < 0.06


def test_two_threads_give_the_same_table(cohort, table):
    one, two = (scan_cohort(cohort, settings=ScanSettings(permutations=200, samples=50, threads=k)) for k in (1, 2))
    pd.testing.assert_frame_equal(one, two)


def test_the_transcriptomes_of_acc_and_uvm_are_scanned_whole(real_cohorts):
    for name in ("ACC", "UVM"):
        cohort = read_cohort(real_cohorts / name, endpoint="OS")
        found = scan_cohort(cohort, settings=ScanSettings(permutations=0, resampled_at_most=50, samples=50))
        assert found["gene"].nunique() == cohort.expression.shape[1] > 19_000
        continuous = rows(found, "per_sd")
        separated = continuous["status"] == "separated"
        assert separated.sum() > 100
        assert continuous.loc[separated, "firth_hazard_ratio"].notna().all()
        assert continuous.loc[~separated & (continuous["status"] != "constant"), "hazard_ratio"].notna().all()


def test_a_gene_is_nearly_constant_wherever_its_commonest_value_lies():
    rng = np.random.default_rng(8)
    values = np.full((100, 6), 5.0)
    for gene, others in ((0, [1, 2, 3, 9]), (1, [0, 1, 8, 9]), (2, [6, 7, 8, 9]), (3, [1, 2, 3, 7, 8, 9])):
        values[rng.choice(100, len(others), replace=False), gene] = others
    values[:30, 4], values[:2, 5] = np.nan, rng.normal(size=2)
    values[:, 5] += np.where(np.arange(100) < 50, 0.0, 1.0)
    assert [bool(remark) for remark in remarks(values)] == [True, True, True, False, True, False]
    assert (remarks(np.full((10, 1), np.nan)) == "").all()


def test_a_verdict_needs_five_events(cohort):
    few = np.flatnonzero(~cohort.event | (np.cumsum(cohort.event) <= 4))
    found = scan_cohort(cohort.subset(few), settings=ScanSettings(cuts=("per_sd",)))
    kept = found.set_index("gene").drop("G2")
    assert (kept["direction"] == "too few events: " + kept["events"].astype(str)).all()
    assert kept["p"].notna().any()
    assert found.set_index("gene").loc["G2", "direction"] == "not estimable: constant"


def test_patients_are_compared_within_their_stratum_only(cohort, table):
    male = (cohort.clinical["sex"] == "male").to_numpy()
    clinical = cohort.clinical.assign(site=np.where(male, "B", "A")).astype({"site": object})
    clinical.iloc[:7, 2] = None
    sited = cohort_of(cohort.expression, cohort.time, cohort.event, clinical)
    found = rows(scan_cohort(sited, settings=ScanSettings(cuts=("per_unit", "median"), strata="site")), "per_unit")
    kept = cohort.subset(np.arange(7, 160))
    alone = cox_univariate(kept.expression.to_numpy(float), kept.time, kept.event, strata=male[7:].astype(np.int64))
    np.testing.assert_array_equal(found["hazard_ratio"], alone.hazard_ratio)
    assert (found["stratified_by"] == "site").all()
    assert not np.allclose(found["hazard_ratio"].dropna(), rows(table, "per_unit")["hazard_ratio"].dropna())
    with pytest.raises(ScanError, match="no column 'centre' to stratify by; the cohort has age, sex"):
        scan_cohort(cohort, settings=ScanSettings(cuts=("per_sd",), strata="centre"))
    with pytest.raises(ScanError, match="cannot be stratified by sex"):
        ScanSettings(strata="sex")


def test_ties_are_those_asked_for_in_every_model(cohort):
    tied = cohort_of(cohort.expression, np.ceil(cohort.time / 300), cohort.event, cohort.clinical)
    efron, breslow = (
        scan_cohort(tied, settings=ScanSettings(cuts=("per_sd",), adjusted_for=("age",), ties=ties)).set_index("gene")
        for ties in ("efron", "breslow")
    )
    for name in ("hazard_ratio", "p_nonlinearity", "adjusted_hazard_ratio"):
        assert abs(np.log(efron.loc["G0", name] / breslow.loc["G0", name])) > 1e-3, name
