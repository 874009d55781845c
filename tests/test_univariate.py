"""The scan of a cohort's panel genes: against R, by its laws, and against what the paper says of real cohorts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.cohort import Cohort
from features.panel import Panel, load_panel
from training.univariate import hazard_ratios, median_split, standardised_normal_scores

ORACLES = Path(__file__).parent / "oracles"
GENES = ["CD44", "NOTCH1", "EPCAM", "ICAM1", "VCAM1"]


@pytest.fixture(scope="module")
def panel() -> Panel:
    return load_panel("ctc_core")


def a_cohort(expression: pd.DataFrame, time, event, *, cancer_type: str = "KIRC", endpoint: str = "OS") -> Cohort:
    expression = expression.astype(float).set_axis([f"p{k}" for k in range(len(expression))])
    return Cohort(
        cancer_type=cancer_type,
        endpoint=endpoint,
        scale="microarray_log2",
        zscore_reference=None,
        expression=expression,
        clinical=pd.DataFrame(index=expression.index),
        time=np.asarray(time, dtype=float),
        event=np.asarray(event) > 0,
        source="test",
    )


def oracle_cohort(**names: str) -> Cohort:
    patients = pd.read_csv(ORACLES / "univariate.csv")
    return a_cohort(patients[GENES], patients["time"], patients["event"], **names)


@pytest.fixture(scope="module")
def scan(panel) -> pd.DataFrame:
    return hazard_ratios(oracle_cohort(), panel).set_index("gene")


@pytest.mark.parametrize("scaling", ["per_sd", "per_unit", "median_split"])
def test_every_figure_of_the_scan_equals_rs(scan, scaling):
    oracle = json.loads((ORACLES / "univariate.json").read_text())
    expected = pd.DataFrame(oracle["fits"]["tight"][scaling]).T.astype(float).loc[scan.index]
    columns = {"hazard_ratio": "", "lower": "_lower", "upper": "_upper"}
    for name, suffix in columns.items():
        np.testing.assert_allclose(scan[f"hazard_ratio_{scaling}{suffix}"], expected[name], rtol=1e-6)
    np.testing.assert_allclose(scan[f"p_{scaling}"], expected["p_value"], rtol=1e-5)
    np.testing.assert_array_equal(scan["n"], expected["n"])
    np.testing.assert_array_equal(scan["events"], expected["n_events"])


@pytest.mark.parametrize("scaling", ["per_sd", "median_split"])
def test_the_q_values_equal_p_adjusts(scan, scaling):
    oracle = json.loads((ORACLES / "univariate.json").read_text())["benjamini_hochberg"][scaling]
    np.testing.assert_allclose(scan[f"q_{scaling}"], pd.Series(oracle).loc[scan.index], rtol=1e-5)


def test_the_columns_are_those_that_are_promised(panel):
    scalings = {"per_sd": "pq", "per_unit": "p", "median_split": "pq"}
    estimates = [
        column
        for name, significance in scalings.items()
        for column in (
            *(f"hazard_ratio_{name}{suffix}" for suffix in ("", "_lower", "_upper")),
            *(f"{letter}_{name}" for letter in significance),
        )
    ]
    published = ["published_hazard_ratio", "published_hazard_ratio_as_printed", "published_p", "literature_direction"]
    columns = list(hazard_ratios(oracle_cohort(), panel).columns)
    assert columns == ["gene", "n", "events", *estimates, "direction", *published]


def test_genes_stand_in_the_panels_order_and_absent_ones_have_no_row(scan, panel):
    assert list(scan.index) == [symbol for symbol in panel.symbols if symbol in GENES]


def test_the_published_value_is_the_inverse_of_the_printed_one(scan):
    assert scan.loc["CD44", "published_hazard_ratio_as_printed"] == 0.44
    assert scan.loc["CD44", "published_hazard_ratio"] == pytest.approx(1 / 0.44)
    assert scan.loc["CD44", "published_p"] == 0.0


def test_the_literature_stands_beside_as_printed(scan):
    assert scan.loc["CD44", "literature_direction"] == "high expression worse"
    assert scan.loc["VCAM1", "literature_direction"] == "high expression better"
    assert scan.loc["ICAM1", "literature_direction"] is None


def test_a_simulated_cohort_meets_the_rows_of_the_cancer_that_it_imitates(panel):
    table = hazard_ratios(oracle_cohort(cancer_type="SIMULATED-KIRC"), panel).set_index("gene")
    assert table.loc["CD44", "published_hazard_ratio_as_printed"] == 0.44


def test_a_pooled_colorectal_cohort_meets_the_colon_rows(panel):
    patients = pd.read_csv(ORACLES / "univariate.csv")
    expression = patients[["CD44"]].rename(columns={"CD44": "CDH1"})
    cohort = a_cohort(expression, patients["time"], patients["event"], cancer_type="COADREAD")
    assert hazard_ratios(cohort, panel)["published_hazard_ratio_as_printed"].tolist() == [1.89]


def test_other_endpoints_have_no_published_value_beside_them(panel):
    table = hazard_ratios(oracle_cohort(endpoint="DFI"), panel)
    assert table["published_hazard_ratio"].isna().all()


@pytest.mark.parametrize(
    ("endpoint", "worse", "better"),
    [
        ("OS", "worse overall survival", "better overall survival"),
        ("DSS", "worse disease-specific survival", "better disease-specific survival"),
        ("DFI", "shorter disease-free interval", "longer disease-free interval"),
        ("PFI", "shorter progression-free interval", "longer progression-free interval"),
    ],
)
def test_the_direction_is_said_in_the_endpoints_words(panel, endpoint, worse, better):
    table = hazard_ratios(oracle_cohort(endpoint=endpoint), panel).set_index("gene")
    assert table.loc["CD44", "direction"] == f"higher expression, {worse}"
    assert table.loc["EPCAM", "direction"] == f"higher expression, {better}"


def test_a_direction_is_claimed_only_below_five_percent(scan):
    claimed = scan["direction"] != "no association shown at the 5 % level"
    np.testing.assert_array_equal(claimed, scan["p_per_sd"] < 0.05)
    assert set(claimed) == {True, False}


def test_genes_without_an_estimate_say_why_and_are_not_counted_in_q(panel, scan):
    patients = pd.read_csv(ORACLES / "univariate.csv")
    expression = patients[GENES].assign(ICAM1=3.0, VCAM1=np.nan, CXCR4=-patients["time"])
    table = hazard_ratios(a_cohort(expression, patients["time"], patients["event"]), panel).set_index("gene")
    assert table.loc["ICAM1", "direction"] == "not estimable: constant"
    assert table.loc["VCAM1", "direction"] == "not estimable: no events"
    assert table.loc["CXCR4", "direction"] == "not estimable: separated"
    estimated = table["p_per_sd"].notna()
    assert list(estimated.index[~estimated]) == [gene for gene in table.index if gene in {"ICAM1", "VCAM1", "CXCR4"}]
    assert table.loc[estimated, "q_per_sd"].max() == table.loc[estimated, "p_per_sd"].max()


def test_a_cohort_without_panel_genes_gives_an_empty_table(panel):
    table = hazard_ratios(a_cohort(pd.DataFrame({"TP53": [1, 2, 3]}), [1, 2, 3], [1, 1, 0]), panel)
    assert len(table) == 0


def test_high_is_strictly_above_the_median():
    split = median_split(np.array([[1.0, 5], [2, 5], [2, 5], [3, np.nan]]))
    np.testing.assert_array_equal(split, [[0, 0], [0, 0], [0, 0], [1, np.nan]])


def test_the_normal_scores_have_a_standard_deviation_of_one_where_there_is_a_spread():
    values = np.random.default_rng(0).exponential(size=(50, 3))
    values[:, 1], values[:9, 2] = 7.0, np.nan
    deviation = np.nanstd(standardised_normal_scores(values), axis=0, ddof=1)
    np.testing.assert_allclose(deviation, [1, 0, 1], atol=1e-12)


seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=15, deadline=None)
@given(seeds, st.floats(0.1, 2.0))
def test_a_monotone_transform_moves_neither_the_hazard_ratio_per_sd_nor_that_of_the_median_split(seed, power):
    rng = np.random.default_rng(seed)
    values, time = rng.lognormal(sigma=2, size=(60, 2)), np.ceil(rng.exponential(300, 60))
    panel, event = load_panel("ctc_core"), rng.random(60) < 0.6
    names = ["CD44", "EPCAM"]
    straight = hazard_ratios(a_cohort(pd.DataFrame(values, columns=names), time, event), panel)
    bent = hazard_ratios(a_cohort(pd.DataFrame(np.log(values) * power - 3, columns=names), time, event), panel)
    for column in ("hazard_ratio_per_sd", "hazard_ratio_median_split", "p_per_sd"):
        np.testing.assert_allclose(straight[column], bent[column], rtol=1e-9)
    assert not np.allclose(straight["hazard_ratio_per_unit"], bent["hazard_ratio_per_unit"], rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_turning_a_gene_upside_down_inverts_its_hazard_ratio(seed):
    rng = np.random.default_rng(seed)
    expression = pd.DataFrame(rng.normal(size=(61, 2)), columns=["CD44", "EPCAM"])
    time, event, panel = rng.exponential(300, 61) + 1, rng.random(61) < 0.6, load_panel("ctc_core")
    up, down = (hazard_ratios(a_cohort(sign * expression, time, event), panel) for sign in (1, -1))
    np.testing.assert_allclose(up["hazard_ratio_per_sd"] * down["hazard_ratio_per_sd"], 1, rtol=1e-9)
    np.testing.assert_allclose(up["hazard_ratio_per_unit_lower"] * down["hazard_ratio_per_unit_upper"], 1, rtol=1e-9)
