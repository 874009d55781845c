"""The expression scales that are known by name, and the conversions between them that are exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.errors import ScaleError
from features.scale_names import SCALES

#: Each logarithmic scale: the scale under the logarithm, and what is added before it is taken.
LOGARITHMS = {
    "log2_tpm_1": ("tpm", 1.0),
    "log2_tpm_0001": ("tpm", 0.001),
    "log2_rsem_1": ("rsem", 1.0),
    "log2_fpkm_uq_1": ("fpkm_uq", 1.0),
}
#: Below zero by less than this is the rounding of a file's last decimal, not a negative abundance.
ROUNDING = 1e-3
#: No abundance has a higher logarithm: such values were never logged.
LOGARITHM_MAX = 40.0


def convertible(source: str, target: str) -> bool:
    """Return whether an exact elementwise formula leads from one scale to the other."""
    return refusal(source, target) is None


def refusal(source: str, target: str) -> str | None:
    """Say in words why no exact elementwise formula leads from one scale to the other; None where one does.

    Raises
    ------
    ScaleError
        If either name is not one of `SCALES`.
    """
    for name in (source, target):
        if name not in SCALES:
            raise ScaleError(f"expression scale {name!r} is not known; known are {', '.join(SCALES)}.")
    if source == target or (_unlogged(source) == _unlogged(target) and _unlogged(source) is not None):
        return None
    return f"{source} cannot be converted to {target}: {_why_not({source, target})}."


def convert(values: NDArray[np.float64], *, source: str, target: str) -> NDArray[np.float64]:
    r"""Convert expression values from one scale to another, element by element.

    .. math:: x' = \log_2(2^x - c + c')

    with :math:`c`, :math:`c'` the offsets of the two scales; an unlogged scale has no logarithm and no offset.

    Parameters
    ----------
    values : array
        Any shape; NaN stays NaN.
    source, target : str
        Names from `SCALES`.

    Returns
    -------
    array, same shape

    Raises
    ------
    ScaleError
        If a name is unknown, no exact formula exists (with the reason), or a value that is to be converted cannot
        lie on `source`; `contradiction` looks at values that stay as they are.
    """
    reason = refusal(source, target)
    if reason is not None:
        raise ScaleError(reason)
    values = np.asarray(values, dtype=np.float64)
    if source == target:
        return values.copy()
    abundance = _abundance(values, source)
    return np.log2(abundance + LOGARITHMS[target][1]) if target in LOGARITHMS else abundance


def contradiction(values: NDArray[np.float64], scale: str) -> str | None:
    """Say why values cannot be on the scale that they are said to be on; None where nothing speaks against it.

    Parameters
    ----------
    values : array
        Any shape; NaN is no evidence.
    scale : str
        Z-scores and arrays can have any value.
    """
    below, above = _too_low(values, scale), _too_high(values, scale)
    if below.any():
        return f"{below.sum()} of {values.size} values lie below {floor(scale):.4g}, the lowest that {scale} can be"
    if above.any():
        n_above = int(above.sum())
        return f"{n_above} of {values.size} values lie above {LOGARITHM_MAX:g}, which no logarithm of an abundance does"
    return None


def impossible(values: NDArray[np.float64], scale: str) -> NDArray[np.bool_]:
    """Return which values cannot be on the scale, of the same shape; NaN is no evidence."""
    return _too_low(values, scale) | _too_high(values, scale)


def _too_low(values: NDArray[np.float64], scale: str) -> NDArray[np.bool_]:
    return np.asarray(values < floor(scale) - ROUNDING)


def _too_high(values: NDArray[np.float64], scale: str) -> NDArray[np.bool_]:
    return np.asarray(values > (LOGARITHM_MAX if scale in LOGARITHMS else np.inf))


def floor(scale: str) -> float:
    """Return the lowest value that a scale can take: minus infinity where it has none."""
    if scale in LOGARITHMS:
        return float(np.log2(LOGARITHMS[scale][1]))
    return -np.inf if scale in {"microarray_log2", "zscore"} else 0.0


def _unlogged(scale: str) -> str | None:
    if scale in LOGARITHMS:
        return LOGARITHMS[scale][0]
    return scale if scale in {raw for raw, _ in LOGARITHMS.values()} else None


def _abundance(values: NDArray[np.float64], source: str) -> NDArray[np.float64]:
    abundance = np.exp2(values) - LOGARITHMS[source][1] if source in LOGARITHMS else values
    n_below = int(np.count_nonzero(abundance < -ROUNDING))
    if n_below:
        raise ScaleError(
            f"{n_below} of {values.size} values lie below {floor(source):.4g}, the lowest that {source} can be; "
            "state the scale that they are on."
        )
    return np.maximum(abundance, 0.0)


def _why_not(pair: set[str]) -> str:
    if "zscore" in pair:
        return "the mean and the standard deviation of the z-scores' reference are not part of the values"
    if "microarray_log2" in pair:
        return "array intensities and sequencing abundances are related by no formula"
    if "counts" in pair:
        return "counts also need the length of every gene and the depth of every sample"
    return "they normalise each sample differently, by sums over genes that single values do not carry"
