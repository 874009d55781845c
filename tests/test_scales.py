"""Conversions between expression scales: exact where a formula exists, refused with the reason where none does."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from features.errors import ScaleError
from features.scales import SCALES, convert, convertible, floor

FAMILIES = (("tpm", "log2_tpm_1", "log2_tpm_0001"), ("rsem", "log2_rsem_1"), ("fpkm_uq", "log2_fpkm_uq_1"))
abundances = arrays(np.float64, st.integers(1, 20), elements=st.floats(0.0, 1e6))


@pytest.mark.parametrize(
    ("source", "target", "value", "expected"),
    [
        ("tpm", "log2_tpm_1", 3.0, 2.0),
        ("log2_tpm_1", "tpm", 2.0, 3.0),
        ("tpm", "log2_tpm_0001", 0.999, 0.0),
        ("log2_tpm_0001", "log2_tpm_1", np.log2(7.001), 3.0),
        ("rsem", "log2_rsem_1", 15.0, 4.0),
        ("log2_fpkm_uq_1", "fpkm_uq", 0.0, 0.0),
    ],
)
def test_formulae_by_hand(source: str, target: str, value: float, expected: float):
    np.testing.assert_allclose(convert(np.array([value]), source=source, target=target), [expected], atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
@given(values=abundances)
def test_there_and_back_is_the_same(family: tuple[str, ...], values: np.ndarray):
    raw = family[0]
    for one, other in product(family, family):
        start = convert(values, source=raw, target=one)
        there = convert(start, source=one, target=other)
        back = convert(there, source=other, target=one)
        # Near zero, log2(x + 0.001) turns one bit of x into some 1e-13 · 1/(0.001 ln 2).
        np.testing.assert_allclose(back, start, rtol=1e-9, atol=1e-9)


@given(values=abundances)
def test_conversion_keeps_the_order_of_values(values: np.ndarray):
    logged = convert(values, source="tpm", target="log2_tpm_1")
    assert np.all(np.diff(logged[np.argsort(values)]) >= 0)


def test_only_scales_of_one_quantification_convert():
    for source, target in product(SCALES, SCALES):
        together = any(source in family and target in family for family in FAMILIES)
        assert convertible(source, target) == (source == target or together), (source, target)


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("zscore", "log2_tpm_1", "standard deviation of the z-scores' reference"),
        ("log2_rsem_1", "zscore", "standard deviation of the z-scores' reference"),
        ("counts", "tpm", "length of every gene"),
        ("microarray_log2", "log2_tpm_1", "no formula"),
        ("log2_rsem_1", "log2_tpm_1", "normalise each sample differently"),
    ],
)
def test_a_refusal_says_why(source: str, target: str, reason: str):
    with pytest.raises(ScaleError, match=reason):
        convert(np.array([1.0]), source=source, target=target)


def test_an_unknown_scale_is_answered_with_the_known_ones():
    with pytest.raises(ScaleError, match=r"'tmp' is not known; known are .*log2_tpm_1"):
        convertible("tmp", "tpm")


def test_missing_values_stay_missing_and_the_input_is_left_alone():
    values = np.array([np.nan, 1.0])
    converted = convert(values, source="tpm", target="log2_tpm_1")
    assert np.isnan(converted[0])
    assert converted[1] == 1.0
    same = convert(values, source="tpm", target="tpm")
    same[1] = 9.0
    assert values[1] == 1.0


def test_a_value_that_its_scale_cannot_have_is_refused():
    with pytest.raises(ScaleError, match="1 of 2 values lie below 0"):
        convert(np.array([-0.5, 1.0]), source="log2_rsem_1", target="rsem")


def test_rounding_of_the_lowest_value_is_taken_for_zero():
    assert convert(np.array([-9.9658]), source="log2_tpm_0001", target="tpm") == 0.0
    assert floor("log2_tpm_0001") == pytest.approx(-9.965784)
    assert floor("zscore") == -np.inf
