"""Kaplan–Meier curves by a gene's median split: by hand, on a grid, and no group too small to be shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.simulation import simulate_cohort
from features.cohort import Cohort
from training.gene_curves import FEWEST_PATIENTS, MOST_DAYS, gene_curves, grid_days, on_grid
from training.kaplan_meier import kaplan_meier


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return simulate_cohort("KIRC", seed=3, n_patients=100, n_background=0)


def test_four_patients_by_hand():
    # At risk 4, 3, 2, 1; events on days 10 and 30: 3/4, then 3/4 x 1/2.
    time, event = np.array([10.0, 20.0, 30.0, 40.0]), np.array([True, False, True, False])
    table = on_grid(time, event, np.array([0.0, 9.0, 10.0, 29.0, 30.0, 40.0, 41.0]))
    assert list(table["days"]) == [0, 9, 10, 29, 30, 40]
    np.testing.assert_allclose(table["survival"], [1, 1, 0.75, 0.75, 0.375, 0.375])
    assert list(table["at_risk"]) == [4, 4, 4, 2, 2, 1]


def test_high_are_those_strictly_above_the_median(cohort):
    table = gene_curves(cohort, ["CD44"], until_days=1000.0)
    high = (cohort.expression["CD44"] > cohort.expression["CD44"].median()).to_numpy()
    for group, members in (("high", high), ("low", ~high)):
        mine = table[table["group"] == group]
        curve = kaplan_meier(cohort.time[members], cohort.event[members])
        np.testing.assert_array_equal(mine["survival"], curve.at(mine["days"].to_numpy()))
        assert mine["at_risk"].iloc[0] == members.sum()


def test_a_gene_that_leaves_too_few_on_one_side_has_no_curves(cohort):
    few = np.zeros(len(cohort.patients))
    few[: FEWEST_PATIENTS - 1] = 1.0
    expression = cohort.expression.assign(CD44=few)
    table = gene_curves(replace(cohort, expression=expression), ["CD44", "EPCAM", "NOT_THERE"], until_days=1000.0)
    assert set(table["gene"]) == {"EPCAM"}


def test_a_cohort_without_any_of_the_genes_gives_an_empty_table(cohort):
    table = gene_curves(cohort, ["NOT_THERE"], until_days=1000.0)
    assert table.empty
    assert list(table.columns) == ["gene", "group", "days", "survival", "lower", "upper", "at_risk"]


@pytest.mark.parametrize(("years", "days_between"), [(5, 30), (12, 61), (40, 183)])
def test_whole_years_are_on_the_grid_however_long_the_follow_up_is(years, days_between):
    grid = grid_days(years * 365.2425 + 20)
    assert len(grid) <= MOST_DAYS + 2
    assert grid[1] == days_between
    assert set(np.rint(np.arange(years + 1) * 365.2425)) <= set(grid)
    assert grid[-1] == int(years * 365.2425 + 20)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(100.0, 5000.0))
def test_curves_fall_within_their_bands_and_end_with_the_followed(seed, until):
    cohort = simulate_cohort("KIRC", seed=seed, n_patients=60, n_background=0)
    table = gene_curves(cohort, ["CD44"], until_days=until)
    for _, curve in table.groupby("group"):
        assert (curve["survival"].diff().dropna() <= 0).all()
        assert (curve["at_risk"].diff().dropna() <= 0).all()
        inside = curve.dropna()
        assert ((inside["lower"] <= inside["survival"]) & (inside["survival"] <= inside["upper"])).all()
    assert isinstance(table, pd.DataFrame)
    assert table["days"].max() <= round(until)
    assert (table["at_risk"] > 0).all()
