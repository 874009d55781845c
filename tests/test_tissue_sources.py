"""A cohort split by tissue-source site: every patient is in one cohort, or named among those left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments.simulation import simulate_cohort
from features.cohort import Cohort
from features.errors import CohortError
from features.readers import read_cohort
from training.scan.tissue_sources import split_by_tissue_source


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """200 simulated patients at four sites: two large, one with two events, one without any; one has no barcode."""
    simulated = simulate_cohort("KIRC", seed=3, n_patients=200, n_background=5)
    dead, alive = np.flatnonzero(simulated.event), np.flatnonzero(~simulated.event)
    site = np.array(["B0", "A3"] * 100)
    site[dead[:2]], site[alive[:3]], site[alive[3:7]] = "G6", "G6", "T7"
    patients = pd.Index([f"TCGA-{code}-{number:04d}" for number, code in enumerate(site)])
    patients = patients[:-1].append(pd.Index(["patient-200"]))
    return replace(
        simulated,
        expression=simulated.expression.set_axis(patients),
        clinical=simulated.clinical.set_axis(patients),
    )


def test_each_site_is_a_cohort_of_its_own_patients_with_their_own_values(cohort):
    split = split_by_tissue_source(cohort)
    assert set(split.cohorts) == {"A3", "B0"}
    for site, part in split.cohorts.items():
        assert {patient.split("-")[1] for patient in part.patients} == {site}
        positions = cohort.patients.get_indexer(part.patients)
        np.testing.assert_array_equal(part.time, cohort.time[positions])
        np.testing.assert_array_equal(part.event, cohort.event[positions])
        pd.testing.assert_frame_equal(part.expression, cohort.expression.iloc[positions])
        assert part.source.endswith(f"tissue-source site {site}")
    events = [part.n_events for part in split.cohorts.values()]
    assert events == sorted(events, reverse=True)


def test_sites_too_small_and_patients_without_a_site_are_named_and_nobody_is_lost(cohort):
    split = split_by_tissue_source(cohort)
    assert split.left_out.to_dict("list") == {"site": ["G6", "T7"], "patients": [5, 4], "events": [2, 0]}
    assert split.without_site == ("patient-200",)
    kept = sum(len(part.time) for part in split.cohorts.values())
    assert kept + split.left_out["patients"].sum() + len(split.without_site) == len(cohort.time)
    words = str(split)
    assert words.startswith("2 tissue-source sites: ")
    assert "left out for too few events: G6 (5 patients, 2 events), T7 (4 patients, 0 events)" in words
    assert words.endswith("1 patients without a site")


def test_fewer_events_are_enough_if_asked(cohort):
    assert set(split_by_tissue_source(cohort, smallest_events=2).cohorts) == {"A3", "B0", "G6"}


def test_patients_without_barcodes_and_sites_without_events_are_refused(cohort):
    with pytest.raises(CohortError, match="none of 30 patient ids is one"):
        split_by_tissue_source(simulate_cohort("KIRC", seed=3, n_patients=30, n_background=5))
    with pytest.raises(CohortError, match=r"needs 1000 events, but the largest of 4 sites has \d+"):
        split_by_tissue_source(cohort, smallest_events=1000)


@pytest.mark.parametrize(("cancer_type", "n_sites", "n_left_out"), [("KIRC", 5, 13), ("LGG", 7, 18)])
def test_real_cohorts_split_into_their_known_sites(real_cohorts, cancer_type, n_sites, n_left_out):
    split = split_by_tissue_source(read_cohort(real_cohorts / cancer_type, endpoint="OS"))
    assert (len(split.cohorts), len(split.left_out)) == (n_sites, n_left_out)
    assert all(part.n_events >= 5 for part in split.cohorts.values())
