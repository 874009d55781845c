"""Exponentials and logarithms' parts that a compiled loop computes several at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from training.compiled import CONTRACT, compiled

__all__ = ["LARGEST_EXPONENT", "exponent", "exponential", "mantissa"]

#: Beyond this the exponential is that of this: sums of some thousand of them still do not overflow.
LARGEST_EXPONENT = 690.0

_LOG2_E = 1.4426950408889634
# ln 2 in two parts: the first has so few digits that its product with any exponent is exact.
_LN2_HIGH = 0.6931471803691238
_LN2_LOW = 1.9082149292705877e-10
# 1.5 * 2**52: a number added to it loses its fraction, and its integer stands in the lowest bits.
_INTEGER = 6755399441055744.0
_BIAS = 1023 << 52
_MANTISSA = (1 << 52) - 1
# 2**52 as bits: with an integer in the lowest bits it is the number 2**52 + integer.
_TWO_52_BITS = 0x433 << 52
_TWO_52 = 4503599627370496.0


def _reading_bits(_: Any, _number_type: Any) -> tuple[Any, Callable[..., Any]]:
    """Read a float64's bits as an integer."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


def _reading_number(_: Any, _bits_type: Any) -> tuple[Any, Callable[..., Any]]:
    """Read an integer's bits as a float64."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


_bits: Any = intrinsic(_reading_bits)
_number: Any = intrinsic(_reading_number)


@compiled(inline="always", fastmath=CONTRACT)
def exponential(x: float) -> float:
    r"""Return :math:`e^x`, for use inside compiled loops.

    .. math:: e^x = 2^k e^r, \quad k = \mathrm{round}(x / \ln 2), \quad |r| \le \tfrac12 \ln 2

    Parameters
    ----------
    x : float
        Beyond ± `LARGEST_EXPONENT` it counts as that; not NaN.

    Notes
    -----
    A Taylor polynomial of degree 12 for :math:`e^r`, without branches or calls, so that a compiler turns a loop over
    it into vector instructions, which the library's exponential forbids. Within 4 parts in 10^16 of the library's.
    """
    x = min(max(x, -LARGEST_EXPONENT), LARGEST_EXPONENT)
    shifted = x * _LOG2_E + _INTEGER
    k = shifted - _INTEGER
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    value = 1.0 / 479001600
    value = value * r + 1.0 / 39916800
    value = value * r + 1.0 / 3628800
    value = value * r + 1.0 / 362880
    value = value * r + 1.0 / 40320
    value = value * r + 1.0 / 5040
    value = value * r + 1.0 / 720
    value = value * r + 1.0 / 120
    value = value * r + 1.0 / 24
    value = value * r + 1.0 / 6
    value = value * r + 0.5
    value = value * r + 1.0
    value = value * r + 1.0
    return float(value * _number((_bits(shifted) << np.int64(52)) + np.int64(_BIAS)))


@compiled(inline="always")
def mantissa(x: float) -> float:
    r"""Return :math:`m` of :math:`x = m\, 2^k` with :math:`1 \le m < 2`, of a normal positive number."""
    return float(_number((_bits(x) & np.int64(_MANTISSA)) | np.int64(_BIAS)))


@compiled(inline="always")
def exponent(x: float) -> float:
    r"""Return :math:`k` of :math:`x = m\, 2^k` with :math:`1 \le m < 2`, of a normal positive number.

    Notes
    -----
    A sum of logarithms is :math:`\log \prod m_i + \log 2 \sum k_i`: one logarithm instead of one a term.
    """
    return float(_number((_bits(x) >> np.int64(52)) | np.int64(_TWO_52_BITS)) - _TWO_52 - 1023.0)
