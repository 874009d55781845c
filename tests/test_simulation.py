"""The simulated cohorts have the hazard ratios, sizes, gaps and labels that they are said to have."""

import resource

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr, ndtri

from experiments.simulated_hazards import (
    RiskSample,
    censoring_hazard,
    high_probabilities,
    median_observed_time,
    median_split_log_hazard_ratios,
    solve_hazards,
)
from experiments.simulated_settings import SimulationError, cohort_settings, settings, simulated_cancer_types
from experiments.simulated_study import write_simulated_cohorts
from experiments.simulation import background_symbol, simulate_cohort, simulate_patients, simulation_model
from features.cohort import months_to_days
from features.errors import CohortError
from features.genes import GeneResolver
from features.panel import load_panel
from features.published import published_hazard_ratios
from features.readers import read_cohort
from training.kaplan_meier import kaplan_meier
from training.univariate_cox import cox_univariate

CANCER_TYPES = simulated_cancer_types()
#: A seed that no setting was chosen with. 8,000 deaths give a log hazard ratio a standard error of 0.022.
LARGE_SEED, LARGE_EVENTS = 90210, 8000


@pytest.fixture(scope="module", params=CANCER_TYPES)
def large_cohort(request):
    """The cancer type, and a large cohort of it."""
    stated = cohort_settings(request.param)
    n_patients = LARGE_EVENTS * stated["patients"] // stated["deaths"]
    return request.param, simulate_cohort(request.param, seed=LARGE_SEED, n_patients=n_patients, n_background=0)


def high_against_low(cohort):
    """Strictly above the gene's median against the others; NaN where the value is missing."""
    values = cohort.expression.to_numpy()
    high = np.where(np.isnan(values), np.nan, values > np.nanmedian(values, axis=0))
    fitted = cox_univariate(high, cohort.time, cohort.event)
    assert set(fitted.status) == {"converged"}
    return pd.Series(fitted.hazard_ratio, index=cohort.expression.columns)


def published(cancer_type):
    table = published_hazard_ratios()
    return table[table["cancer_type"] == cancer_type].set_index("gene")["hazard_ratio_as_printed"]


def test_censoring_and_median_of_equal_patients_by_hand():
    # Everybody dies at hazard 2; a third is seen to die if censoring comes at hazard 4; the first of both at hazard 6.
    equal = np.full(5, 2.0)
    assert censoring_hazard(equal, 1 / 3) == pytest.approx(4.0, rel=1e-9)
    assert median_observed_time(equal, 4.0) == pytest.approx(np.log(2.0) / 6.0, rel=1e-9)


def test_hazard_ratio_of_rare_events_is_the_ratio_of_mean_hazards():
    # While nearly nobody has died, it is E[e^(sd s) | z > 0] / E[e^(sd s) | z < 0] = Phi(r sd) / Phi(-r sd).
    gene_risk = ndtri((np.arange(20_000) + 0.5) / 20_000)
    sample = RiskSample(gene_risk, np.zeros_like(gene_risk))
    correlations = np.array([-0.6, 0.0, 0.3, 0.9])
    found = median_split_log_hazard_ratios(
        high_probabilities(correlations, gene_risk), sample, gene_risk_sd=0.8, event_fraction=1e-4
    )
    exact = np.log(ndtr(0.8 * correlations) / ndtr(-0.8 * correlations))
    np.testing.assert_allclose(found, exact, atol=2e-3)


def test_contrary_hazard_ratios_of_genes_that_go_together_are_refused():
    correlation = np.array([[1.0, 0.999], [0.999, 1.0]])
    gene_risk = np.random.default_rng(0).standard_normal(512)
    sample = RiskSample(gene_risk, np.zeros(512))
    with pytest.raises(SimulationError, match="SIMULATED-X: no coefficients give these hazard ratios"):
        solve_hazards(np.log([3.0, 1 / 3]), correlation, sample, event_fraction=0.5, where="SIMULATED-X")


def test_table_2_is_covered():
    assert set(published_hazard_ratios()["cancer_type"]) == set(CANCER_TYPES)
    assert len(published_hazard_ratios()) == 62


def test_hazard_ratios_are_one_over_printed_within_a_tenth_and_one_where_none_is_printed(large_cohort):
    cancer_type, cohort = large_cohort
    found = high_against_low(cohort)
    assert list(found.index) == list(load_panel("ctc_review").symbols)
    wanted = (1.0 / published(cancer_type)).reindex(found.index).fillna(1.0)
    wrong = found[np.abs(found / wanted - 1.0) > 0.1]
    assert wrong.empty, f"wanted {wanted[wrong.index].to_dict()}, found {wrong.to_dict()}"


def test_deaths_and_follow_up_are_as_stated(large_cohort):
    cancer_type, cohort = large_cohort
    stated = cohort_settings(cancer_type)
    rate = stated["deaths"] / stated["patients"]
    standard_error = np.sqrt(rate * (1 - rate) / len(cohort.time))
    assert abs(cohort.event.mean() - rate) < 4 * standard_error + 0.001
    assert np.median(cohort.time) == pytest.approx(months_to_days(stated["follow_up_months"]), rel=0.03)
    assert len(simulate_cohort(cancer_type, n_background=0).time) == stated["patients"]


def test_expression_is_log2_of_tpm_plus_1_with_undetected_genes():
    values = simulate_cohort("KIRC", n_patients=4000).expression
    assert values.min(axis=None) == 0.0
    zeros = (values == 0.0).mean()
    assert zeros["NODAL"] > 0.1
    # Where half of the patients have no transcript, high and low would not be halves.
    assert zeros.max() < 0.45
    assert 0.0005 < values.isna().to_numpy().mean() < 0.0015
    assert values["KRT8"].median() > values["IL6"].median() > values["NODAL"].median()


def test_genes_of_a_cluster_are_correlated_and_background_genes_only_within_their_block():
    cohort = simulate_cohort("KIRC", n_patients=4000)
    ranks = cohort.expression.fillna(cohort.expression.median()).rank()
    correlation = pd.DataFrame(np.corrcoef(ranks.T), index=ranks.columns, columns=ranks.columns)
    assert correlation.loc["CD3D", "CD8A"] > 0.15
    assert correlation.loc["HLA-A", "HLA-B"] > 0.25
    assert correlation.loc["VIM", "CDH1"] < -0.05
    assert correlation.loc["SIMBG001", "SIMBG002"] > 0.25
    assert abs(correlation.loc["SIMBG001", "SIMBG199"]) < 0.07
    panel = list(load_panel("ctc_review").symbols)
    background = correlation.columns.difference(panel)
    assert len(background) == 200
    assert np.abs(correlation.loc[panel, background]).to_numpy().max() < 0.08


def test_clinical_covariates_are_prognostic_modestly_correlated_and_sometimes_missing():
    cohort = simulate_cohort("KIRC", n_patients=10_000, n_background=0)
    clinical = cohort.clinical
    late, old = clinical["stage"].isin(["III", "IV"]), clinical["age"] > 60
    fitted = cox_univariate(np.column_stack([late, old]).astype(float), cohort.time, cohort.event)
    assert fitted.hazard_ratio[0] > 2
    assert fitted.hazard_ratio[1] > 1.3
    assert 0.02 < clinical["stage"].isna().mean() < 0.04
    assert set(clinical["grade"].dropna()) == {"G1", "G2", "G3", "G4"}
    assert 0.0 < np.corrcoef(late, cohort.expression["CD44"].fillna(0.0))[0, 1] < 0.3


def test_cohorts_without_stage_or_grade_have_none():
    assert simulate_cohort("GBM").clinical[["stage", "grade"]].isna().all(axis=None)
    assert simulate_cohort("LGG").clinical["stage"].isna().all()
    assert set(simulate_cohort("LGG").clinical["grade"].dropna()) == {"G2", "G3"}


def test_directions_are_recovered_at_the_size_of_the_real_cohorts():
    agreeing = []
    for cancer_type in CANCER_TYPES:
        found = high_against_low(simulate_cohort(cancer_type, n_background=0))
        printed = published(cancer_type)
        # Table 2 is printed low against high: what it prints below 1 is a hazard of high expression.
        agreeing.extend((found[printed.index] > 1.0) == (printed < 1.0))
    assert len(agreeing) == 62
    assert sum(agreeing) >= 55


def test_every_gene_that_the_settings_name_is_in_the_panel():
    named = {gene for level in settings()["levels"].values() for gene in level["genes"]}
    for factor in settings()["factors"].values():
        named |= {*factor["positive"], *factor["negative"]}
    assert named <= set(load_panel("ctc_review").symbols)
    loadings = simulation_model("KIRC").loadings
    assert np.square(loadings).sum(axis=1).max() < 0.81


def test_background_genes_resolve_to_no_gene_of_the_panel():
    resolver = GeneResolver.for_panel(load_panel("ctc_review"))
    assert resolver.resolve([background_symbol(position) for position in range(1, 201)]).symbols == {}


def test_the_number_of_background_genes_changes_no_patient():
    with_them, without = simulate_cohort("GBM"), simulate_cohort("GBM", n_background=0)
    np.testing.assert_array_equal(with_them.time, without.time)
    both = with_them.expression[without.expression.columns]
    known = both.notna() & without.expression.notna()
    assert (both == without.expression).to_numpy()[known.to_numpy()].all()


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    lines = []
    written = write_simulated_cohorts(folder, cancer_types=["KIRC", "gbm"], seed=5, progress=lines.append)
    assert [path.name for path in written] == ["simulated_kirc", "simulated_gbm"]
    assert lines[0].startswith("simulated_kirc: 533 patients, ")
    return folder


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_equal_seeds_give_equal_bytes_and_others_do_not(studies, tmp_path):
    write_simulated_cohorts(tmp_path / "again", cancer_types=["GBM", "KIRC"], seed=5)
    assert contents(tmp_path / "again") == contents(studies)
    (other,) = write_simulated_cohorts(tmp_path / "other", cancer_types=["GBM"], seed=6)
    for name, data in contents(other).items():
        same = data == (studies / "simulated_gbm" / name).read_bytes()
        assert same == (name.startswith("meta_") and name != "meta_study.txt")


def test_a_study_that_is_there_is_kept_and_another_seed_is_refused(studies):
    study = studies / "simulated_gbm"
    before = {path: path.stat().st_mtime_ns for path in study.iterdir()}
    assert write_simulated_cohorts(studies, cancer_types=["GBM"], seed=5) == [study]
    assert {path: path.stat().st_mtime_ns for path in study.iterdir()} == before
    with pytest.raises(CohortError, match="holds a simulated study of another seed or version"):
        write_simulated_cohorts(studies, cancer_types=["GBM"], seed=6)


def test_a_folder_that_is_no_study_is_left_alone(tmp_path):
    (tmp_path / "simulated_gbm").mkdir()
    (tmp_path / "simulated_gbm" / "mine.txt").write_text("mine")
    with pytest.raises(CohortError, match="is in the way of a simulated study"):
        write_simulated_cohorts(tmp_path, cancer_types=["GBM"])
    assert contents(tmp_path) == {"simulated_gbm/mine.txt": b"mine"}


def test_an_unknown_cancer_type_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(SimulationError, match="'XYZ' cannot be simulated; choose among BRCA, COAD"):
        write_simulated_cohorts(tmp_path / "none", cancer_types=["GBM", "XYZ"])
    assert not (tmp_path / "none").exists()


def test_nothing_is_left_when_the_disk_refuses_half_way(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The clinical tables fit, the expression does not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(CohortError, match="simulated_gbm: the study cannot be written"):
            write_simulated_cohorts(tmp_path, cancer_types=["GBM"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_every_file_that_names_the_study_says_simulated(studies):
    for name, data in contents(studies / "simulated_kirc").items():
        text = data.decode()
        if name.startswith("meta_"):
            assert "cancer_study_identifier: simulated_kirc\n" in text
        else:
            assert "SIM-KIRC-5-0001" in text
            assert "TCGA" not in text
    study = (studies / "simulated_kirc" / "meta_study.txt").read_text()
    assert "type_of_cancer: simulated-kirc\nc" in study
    assert "\nname: SIMULATED KIRC\ndescription: SIMULATED " in study
    expression = (studies / "simulated_kirc" / "meta_mrna_seq_log2_tpm.txt").read_text()
    assert "profile_name: SIMULATED mRNA expression, log2(TPM + 1)\n" in expression


@pytest.mark.parametrize("cancer_type", ["KIRC", "GBM"])
def test_the_reader_returns_the_simulated_cohort(studies, cancer_type):
    read = read_cohort(studies / f"simulated_{cancer_type.lower()}", endpoint="OS")
    drawn = simulate_cohort(cancer_type, seed=5)
    assert read.cancer_type == f"SIMULATED-{cancer_type}"
    assert read.simulated
    assert read.scale == "log2_tpm_1"
    assert list(read.patients) == list(drawn.patients)
    np.testing.assert_array_equal(read.time, drawn.time)
    np.testing.assert_array_equal(read.event, drawn.event)
    np.testing.assert_array_equal(read.expression[drawn.expression.columns].to_numpy(), drawn.expression.to_numpy())
    for covariate in ("age", "sex", "stage", "grade"):
        expected = drawn.clinical[covariate]
        assert (read.clinical[covariate].isna() == expected.isna()).all()
        assert (read.clinical[covariate].dropna() == expected.dropna()).all()


def test_patients_die_as_their_true_survival_says():
    patients = simulate_patients("KIRC", seed=LARGE_SEED, n_patients=6000, n_background=0)
    days = np.array([365.0, 1096.0, 1826.0])
    survival, cohort = patients.survival(days), patients.cohort
    # By fifths of the truth at three years: the standard error of a Kaplan-Meier curve of 1,200 is 0.014 at most.
    fifths = np.argsort(np.argsort(survival[:, 1])) * 5 // len(survival)
    for fifth in range(5):
        those = fifths == fifth
        observed = kaplan_meier(cohort.time[those], cohort.event[those]).at(days)
        np.testing.assert_allclose(observed, survival[those].mean(axis=0), atol=0.05)
    chosen = np.array([5, 3])
    np.testing.assert_array_equal(patients.subset(chosen).survival(days), survival[chosen])
    np.testing.assert_array_equal(patients.subset(chosen).cohort.time, cohort.time[chosen])


def test_the_cohort_of_patients_whose_survival_is_known_is_the_one_that_is_simulated():
    again = simulate_cohort("LGG", seed=4, n_patients=50, n_background=3)
    assert simulate_patients("LGG", seed=4, n_patients=50, n_background=3).cohort.digest() == again.digest()


def test_patients_of_another_seed_are_others():
    first, second = simulate_cohort("KIRC", n_patients=50), simulate_cohort("KIRC", seed=7, n_patients=50)
    assert not set(first.patients) & set(second.patients)


def test_as_many_patients_are_written_as_were_asked_for(tmp_path):
    (folder,) = write_simulated_cohorts(tmp_path, cancer_types=["LGG"], seed=3, n_patients=40)
    assert len(read_cohort(folder, endpoint="OS").patients) == 40
    with pytest.raises(CohortError, match="another seed or version"):
        write_simulated_cohorts(tmp_path, cancer_types=["LGG"], seed=3)
