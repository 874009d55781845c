"""The exponential and the parts of a logarithm that compiled loops use."""

from __future__ import annotations

import numpy as np
from numba import njit

from training.scan.compiled_math import LARGEST_EXPONENT, exponent, exponential, mantissa


@njit
def each(values):
    found = np.empty((3, len(values)))
    for i in range(len(values)):
        found[0, i], found[1, i], found[2, i] = exponential(values[i]), mantissa(values[i]), exponent(values[i])
    return found


def test_the_exponential_is_the_librarys_to_a_few_bits():
    values = np.concatenate([np.linspace(-690, 690, 100_001), np.random.default_rng(0).normal(size=100_000)])
    np.testing.assert_allclose(each(values)[0], np.exp(values), rtol=5e-16)
    assert each(np.array([0.0]))[0, 0] == 1.0


def test_beyond_the_range_the_exponential_is_that_of_the_ends():
    beyond = each(np.array([-1e9, -np.inf, np.inf, 1e9]))[0]
    ends = np.exp([-LARGEST_EXPONENT, -LARGEST_EXPONENT, LARGEST_EXPONENT, LARGEST_EXPONENT])
    np.testing.assert_allclose(beyond, ends, rtol=5e-16)


def test_mantissa_and_exponent_are_those_of_frexp():
    values = np.exp(np.random.default_rng(1).uniform(-600, 600, 10_000))
    expected, powers = np.frexp(values)
    _, mantissas, exponents = each(values)
    np.testing.assert_array_equal(mantissas, 2 * expected)
    np.testing.assert_array_equal(exponents, powers - 1)
