"""The scan of the real cohorts against what the paper printed: Table 2 runs low-against-high, Table 3 does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.cohort import Cohort
from features.panel import load_panel
from features.published import literature_directions, published_cancer_type
from features.readers import read_cohort
from training.univariate import hazard_ratios
from training.univariate_cox import cox_univariate

CANCER_TYPES = ("BRCA", "COADREAD", "GBM", "KIRC", "KIRP", "LGG", "LUAD", "LUSC")


@pytest.fixture(scope="module")
def cohorts(real_cohorts: Path) -> dict[str, Cohort]:
    return {name: read_cohort(real_cohorts / name, endpoint="OS") for name in CANCER_TYPES}


@pytest.fixture(scope="module")
def scans(cohorts: dict[str, Cohort]) -> pd.DataFrame:
    """The scans of all cohorts, with the paper's code of the cancer type beside."""
    panel = load_panel("ctc_core")
    tables = {name: hazard_ratios(cohort, panel) for name, cohort in cohorts.items()}
    together = pd.concat(tables, names=["cohort", "row"]).reset_index("cohort").reset_index(drop=True)
    return together.assign(cancer_type=together["cohort"].map(published_cancer_type))


@pytest.fixture(scope="module")
def testable(scans: pd.DataFrame) -> pd.DataFrame:
    """The rows of Table 2 whose gene and cancer type the cohorts hold."""
    return scans[scans["published_hazard_ratio"].notna() & scans["hazard_ratio_median_split"].notna()]


def worse(hazard_ratio: pd.Series) -> pd.Series:
    return hazard_ratio > 1


def test_table_2_agrees_in_direction_when_inverted_and_not_as_printed(testable):
    found = worse(testable["hazard_ratio_median_split"])
    inverted = (found == worse(testable["published_hazard_ratio"])).sum()
    as_printed = (found == worse(testable["published_hazard_ratio_as_printed"])).sum()
    print(f"Table 2: {inverted} of {len(testable)} rows agree with 1/HR at the median split, {as_printed} as printed")  # noqa: T201
    assert len(testable) == 57
    assert inverted >= 50
    assert as_printed <= 7


def test_what_disagrees_with_table_2_is_weak(testable):
    agrees = worse(testable["hazard_ratio_median_split"]) == worse(testable["published_hazard_ratio"])
    assert (testable.loc[~agrees, "p_median_split"] > 0.01).all()


def test_most_of_table_2_is_not_significant_at_the_median_split(testable):
    # Its own p-values, all below .05, come from chosen cut-offs.
    assert (testable["published_p"] < 0.05).all()
    significant = (testable["p_median_split"] < 0.05).sum()
    print(f"Table 2: {significant} of {len(testable)} rows have p < .05 at the median split")  # noqa: T201
    assert 15 <= significant <= 21


@pytest.fixture(scope="module")
def table_3(scans: pd.DataFrame) -> pd.DataFrame:
    """The rows of Table 3 with the scan of each cohort that they concern."""
    return literature_directions().merge(scans, on=["gene", "cancer_type"])


def test_table_3_stands_as_printed_beside_the_inverted_table_2(table_3):
    both = table_3[table_3["published_hazard_ratio"].notna()]
    printed = both["tcga_hr"] == "high"
    assert both["row"].nunique() == 23
    assert (printed == worse(both["published_hazard_ratio"])).all()


def test_table_3s_finding_in_tcga_agrees_with_the_cohorts_as_printed(table_3):
    pairs = table_3.drop_duplicates(["gene", "cancer_type"])
    agrees = worse(pairs["hazard_ratio_median_split"]) == (pairs["tcga_hr"] == "high")
    print(f"Table 3: {agrees.sum()} of {len(pairs)} genes and cancer types agree with the cohorts as printed")  # noqa: T201
    assert agrees.sum() >= 18


def test_the_literature_of_table_3_stands_beside_the_scan_as_printed(table_3):
    words = {"high": "high expression worse", "low": "high expression better"}
    for (_, _), rows in table_3.groupby(["gene", "cancer_type"]):
        printed = set(rows["literature_hr"])
        expected = words[printed.pop()] if len(printed) == 1 else "reports disagree"
        assert set(rows["literature_direction"]) == {expected}


def test_normal_scores_show_what_raw_z_scores_hide(cohorts, scans):
    kirp = cohorts["KIRP"]
    raw = kirp.expression[["NOTCH1"]].to_numpy()
    log_ratio_raw = cox_univariate(raw / np.nanstd(raw, ddof=1), kirp.time, kirp.event).coefficient[0]
    row = scans[(scans["cohort"] == "KIRP") & (scans["gene"] == "NOTCH1")].iloc[0]
    assert np.log(row["hazard_ratio_per_sd"]) == pytest.approx(0.34, abs=0.01)
    assert log_ratio_raw == pytest.approx(0.01, abs=0.01)


def test_a_whole_transcriptome_of_uvm_is_scanned(real_cohorts):
    cohort = read_cohort(real_cohorts / "UVM", endpoint="OS")
    fitted = cox_univariate(cohort.expression.to_numpy(np.float64), cohort.time, cohort.event)
    assert len(fitted.status) > 15_000
    assert (fitted.status == "converged").mean() > 0.9
    assert set(fitted.status) <= {"converged", "constant", "separated", "no events"}
