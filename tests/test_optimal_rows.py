"""The rows at optimal cuts: corrected, and nothing naive without what is left of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.cohort import Cohort
from training.scan.cut_points import maximally_selected_log_rank
from training.scan.optimal_rows import NAIVE, NO_CUT, NOT_RESAMPLED
from training.scan.scan import UNCONFIRMED, WITHOUT_RATIO, ScanSettings, directions, scan_cohort


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    rng = np.random.default_rng(0)
    patients = pd.Index([f"P{k}" for k in range(160)])
    values = pd.DataFrame(rng.normal(8, 2, size=(160, 10)), index=patients, columns=[f"G{k}" for k in range(10)])
    time = np.ceil(rng.exponential(900 / np.exp(0.6 * (values["G0"] - 8) / 2)))
    values["G2"] = 5.0
    values["G3"] = -time
    return Cohort("KIRC", "OS", "log2_rsem_1", None, values, pd.DataFrame(index=patients), np.asarray(time, float),
                  rng.random(160) < 0.6, "made up")  # fmt: skip


@pytest.fixture(scope="module")
def whole(cohort) -> pd.DataFrame:
    return scan_cohort(cohort, settings=ScanSettings(cuts=("optimal",), permutations=0, samples=50)).set_index("gene")


@pytest.fixture(scope="module")
def few(cohort) -> pd.DataFrame:
    settings = ScanSettings(cuts=("optimal",), resampled_at_most=1, permutations=0, samples=50)
    return scan_cohort(cohort, settings=settings).set_index("gene")


def test_an_optimal_cut_is_corrected_and_marked(cohort, whole):
    alone = maximally_selected_log_rank(cohort.expression.to_numpy(float), cohort.time, cohort.event)
    np.testing.assert_array_equal(whole["p"], alone.p_1994)
    np.testing.assert_array_equal(whole["cut_point"], alone.cut_point)
    assert whole["biased"].all()
    naive, shrunken = np.log(whole["hazard_ratio"]), np.log(whole["shrunken_hazard_ratio"])
    known = naive.notna()
    assert known.sum() >= 8
    assert (np.abs(shrunken[known]) <= np.abs(naive[known])).all()
    assert (whole.loc[whole["p_naive"].notna(), "p"] >= whole["p_naive"].dropna()).all()
    assert "p_permutation" not in whole


def test_nothing_naive_stands_without_the_shrunken_ratio(whole, few):
    assert whole.loc["G3", "status"] == "separated"
    assert whole.loc["G3", ["firth_hazard_ratio", "shrunken_hazard_ratio"]].notna().all()
    assert list(few.index[few["shrunken_hazard_ratio"].notna()]) == [whole["p"].idxmin()]
    bare = few[few["shrunken_hazard_ratio"].isna()]
    assert bare[list(NAIVE)].isna().all(axis=None)
    assert (bare["estimator"] == "none").all()
    assert set(bare["status"]) == {NO_CUT, NOT_RESAMPLED}
    assert few["p"].notna().sum() == whole["p"].notna().sum()


def test_no_restricted_mean_at_a_cut_that_was_chosen_by_its_result(whole):
    assert not [name for name in whole.columns if "restricted" in name]


def test_a_gene_without_an_admissible_cut_has_patients_and_events_but_nobody_high(cohort, whole):
    row = whole.loc["G2"]
    assert (row["status"], row["n"], row["events"]) == (NO_CUT, 160, cohort.n_events)
    assert pd.isna(row["n_high"])
    assert pd.isna(row["events_high"])


def test_no_direction_is_read_from_a_naive_ratio(whole, few):
    significant = few[(few["p"] < 0.05) & (few["status"] == NOT_RESAMPLED)]
    assert len(significant)
    assert set(significant["direction"]) == {WITHOUT_RATIO}
    row = whole.loc[["G0"]].assign(shrunken_hazard_ratio=1.0, p=0.01)
    assert directions(row, "OS")[0] == UNCONFIRMED
    assert directions(row.assign(shrunken_hazard_ratio=0.9, hazard_ratio=2.0), "OS")[0].startswith(
        "higher expression, better"
    )
