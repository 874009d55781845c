"""A scale that the values contradict is answered with the one they look like; a right one never is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from features.cohort import Cohort
from features.errors import ScaleError
from features.normal_scores import NormalScoreReference
from features.panel import load_panel
from features.readers import read_cohort
from features.scale_evidence import ScaleReference, look_like, looks_like, scale_words
from features.scales import SCALES, contradiction

Floats = NDArray[np.float64]

COHORTS = ("ACC", "BRCA", "COADREAD", "GBM", "KIRC", "KIRP", "LGG", "LUAD", "LUSC", "UVM")
PANEL = load_panel("ctc_review")
#: What half of the genes of a profile have, and the spread from gene to gene, of log2(abundance + 1).
GENES = np.linspace(0.5, 14.0, 60)


def few(values: Floats, n_genes: int, seed: int) -> Floats:
    """Return the values of so many genes of each patient, others for each."""
    ranks = np.random.default_rng(seed).permuted(np.tile(np.arange(values.shape[1]), (len(values), 1)), axis=1)
    return np.where(ranks < n_genes, values, np.nan)


def panel_values(folder: Path, cancer_type: str) -> tuple[Cohort, Floats]:
    cohort = read_cohort(folder / cancer_type, endpoint="OS")
    present = [symbol for symbol in PANEL.symbols if symbol in cohort.expression.columns]
    return cohort, cohort.expression[present].to_numpy(np.float64)


def reference_of(values: Floats, scale: str) -> ScaleReference:
    return ScaleReference(scale, np.nanmin(values, axis=0), np.nanmax(values, axis=0))


def logged_patients(n_patients: int) -> Floats:
    rng = np.random.default_rng(1)
    return np.maximum(GENES + rng.standard_normal((n_patients, len(GENES))), 0.0)


@pytest.mark.parametrize("cancer_type", COHORTS)
def test_no_patient_of_a_real_cohort_is_refused_for_its_own_scale(real_cohorts: Path, cancer_type: str):
    cohort, values = panel_values(real_cohorts, cancer_type)
    # The reference is of every second patient: the others may lie outside of its range.
    for reference in (None, reference_of(values[::2], cohort.scale)):
        for seed in range(5):
            for n_genes in (values.shape[1], 40, 20, 5):
                sent = few(values, n_genes, seed)
                assert look_like(sent, stated=cohort.scale, reference=reference) == [None] * len(values)


@pytest.mark.parametrize("cancer_type", ["ACC", "UVM"])
def test_no_patient_is_refused_for_a_scale_made_of_its_own(real_cohorts: Path, cancer_type: str):
    _, values = panel_values(real_cohorts, cancer_type)
    abundance = np.maximum(np.exp2(values) - 1, 0.0)
    made = {
        "rsem": abundance,
        "counts": np.round(abundance),
        "tpm": abundance / 20,
        "fpkm_uq": abundance * 20,
        "log2_tpm_1": np.log2(abundance / 20 + 1),
        "log2_tpm_0001": np.log2(abundance / 20 + 0.001),
        "log2_fpkm_uq_1": np.log2(abundance * 20 + 1),
        "microarray_log2": values,
    }
    for scale, sent in made.items():
        for reference in (None, reference_of(sent[::2], scale), reference_of(values[::2], "log2_rsem_1")):
            for n_genes in (sent.shape[1], 20):
                answers = look_like(few(sent, n_genes, 2), stated=scale, reference=reference)
                assert answers == [None] * len(sent), (scale, n_genes)


@pytest.mark.parametrize("n_genes", [60, 20])
def test_logarithms_and_abundances_of_real_patients_are_no_zscores(real_cohorts: Path, n_genes: int):
    for cancer_type in ("ACC", "UVM"):
        _, values = panel_values(real_cohorts, cancer_type)
        for sent, expected in ((values, "log2_tpm_1"), (np.exp2(values) - 1, "tpm")):
            answers = look_like(few(sent, n_genes, 3), stated="zscore")
            assert np.mean([answer == expected for answer in answers]) >= 0.95


@pytest.mark.parametrize(
    ("stated", "values", "expected"),
    [
        ("log2_tpm_1", [0.0, 3.0, 900.5], "tpm"),
        ("log2_rsem_1", [0.0, 3.0, 900.5], "rsem"),
        ("log2_tpm_1", [0.0, 25.5, 3.0], "tpm"),
        ("log2_rsem_1", [0.0, 25.5, 3.0], None),
        ("log2_tpm_1", [-0.5, 0.2, 1.0], "zscore"),
        ("log2_tpm_1", [-9.9658, 0.2, 1.0], "log2_tpm_0001"),
        ("tpm", [-0.5, 0.2, 36_890.0], "zscore"),
        ("counts", [-9.9658, 3.0], "log2_tpm_0001"),
        ("counts", [0.5, 3.0], None),
        ("microarray_log2", [3.0, 8.0, 4000.5], "tpm"),
        ("microarray_log2", [-3.0, 8.0], None),
        ("zscore", [2.5, 3.5, 2.7], None),
        ("zscore", [36_890.0, -0.2], None),
        ("tpm", [0.0, np.nan, 5.0], None),
        ("tpm", [np.nan], None),
    ],
)
def test_values_by_hand(stated: str, values: list[float], expected: str | None):
    assert looks_like(np.array(values), stated=stated) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.5] * 15 + [0.4] * 5, "log2_tpm_1"),
        ([3.5] * 14 + [0.4] * 6, None),
        ([3.5] * 14 + [0.4] * 5 + [-0.2], None),
        ([0.4] * 18 + [0.0] * 2, "log2_tpm_1"),
        ([0.4] * 39, None),
        ([0.4] * 40, "log2_tpm_1"),
        ([50.0] * 20, "counts"),
        ([50.5] * 20, "tpm"),
        ([-9.9658] * 2 + [3.0] * 18, "log2_tpm_0001"),
        ([-9.9658] + [3.0] * 19, None),
    ],
)
def test_what_no_zscores_are_by_hand(values: list[float], expected: str | None):
    assert looks_like(np.array(values), stated="zscore") == expected


def test_the_reference_tells_an_abundance_from_its_logarithm_where_values_alone_do_not():
    reference = ScaleReference("log2_tpm_1", np.full(20, 1.0), np.full(20, 3.0))
    # 5 lies above all of the reference, log2(5 + 1) = 2.58 within it.
    sent = np.full(20, 5.0)
    assert looks_like(sent, stated="log2_tpm_1") is None
    assert looks_like(sent, stated="log2_tpm_1", reference=reference) == "tpm"
    assert looks_like(sent, stated="tpm", reference=reference) is None
    # log2(9 + 1) = 3.3: neither fits, and the distance is what speaks then.
    assert looks_like(np.full(20, 9.0), stated="log2_tpm_1", reference=reference) is None
    # Ten genes of which nine are outside prove too little.
    assert looks_like(np.r_[sent[:9], 2.0, np.full(10, np.nan)], stated="log2_tpm_1", reference=reference) is None


def test_logarithms_sent_as_abundances_are_told_by_the_reference():
    logged = logged_patients(60)
    reference = reference_of(logged, "log2_tpm_1")
    answers = look_like(logged, stated="tpm", reference=reference)
    assert answers.count("log2_tpm_1") >= 0.95 * len(answers)
    assert look_like(np.exp2(logged) - 1, stated="tpm", reference=reference) == [None] * len(logged)
    raw = ScaleReference("tpm", *(np.exp2(end) - 1 for end in (reference.lowest, reference.highest)))
    answers = look_like(logged, stated="tpm", reference=raw)
    assert answers.count("log2_tpm_1") >= 0.95 * len(answers)


@given(values=arrays(np.float64, (4, 25), elements=st.floats(-20, 1e5)), scale=st.sampled_from(SCALES))
def test_what_contradicts_the_scale_is_always_answered_and_with_another_scale(values: Floats, scale: str):
    together = look_like(values, stated=scale)
    assert together == [looks_like(row, stated=scale) for row in values]
    for row, answer in zip(values, together, strict=True):
        assert answer != scale
        assert answer is None or answer in SCALES
        if contradiction(row, scale) is not None:
            assert answer is not None


def test_the_ranges_are_those_of_the_feature_state():
    references = {
        "A": NormalScoreReference.fit(np.array([3.0, 1.0, 2.0])),
        "B": NormalScoreReference.fit(np.array([7.0])),
    }
    ranges = ScaleReference.of(references, "tpm")
    np.testing.assert_array_equal(ranges.lowest, [1.0, 7.0])
    np.testing.assert_array_equal(ranges.highest, [3.0, 7.0])


def test_an_unknown_scale_is_refused_with_the_known_ones():
    with pytest.raises(ScaleError, match=r"'tmp' is not known; known are .*log2_tpm_1"):
        looks_like(np.array([1.0]), stated="tmp")


def test_the_sentence_says_what_was_stated_and_what_to_state():
    words = scale_words("log2_tpm_1", "tpm")
    assert words.startswith("sent as log2_tpm_1, but the values look like tpm or another abundance")
    assert "state the scale that they are on" in words
    assert "another logarithm" in scale_words("zscore", "log2_tpm_1")
    assert "or another" not in scale_words("tpm", "zscore")
