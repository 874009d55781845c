"""The smallest change that would make a refused profile scorable, and the sentences that say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from training.applicability import IMPOSSIBLE_VALUE, Applicability

Floats = NDArray[np.float64]

#: Share of the model's weight that may be missing: with more, what is estimated outweighs what was measured.
MISSING_WEIGHT_MAX = 0.5
#: No remedy leaves out more than this share of a profile's genes: then the profile is at fault, not a few genes, and
#: without those that tell it from the cohort it would pass for one of the cohort's.
LEFT_OUT_MAX = 0.1
#: Room for the rounding of a sum of shares.
ROUNDING = 1e-9
#: Genes that a sentence names before it counts the others.
SHOWN = 5


def missing_weight(weights: Mapping[str, float], missing: Sequence[str]) -> float:
    """Return the share of the model's weight that lies on the missing genes, 0 to 1.

    Parameters
    ----------
    weights : mapping of str to float
        Each used gene's share in the linear predictor; they add up to 1.
    missing : sequence of str
        Genes that the model does not use weigh nothing.
    """
    return float(sum(weights.get(gene, 0.0) for gene in dict.fromkeys(missing)))


def smallest_addition(
    weights: Mapping[str, float], missing: Sequence[str], limit: float = MISSING_WEIGHT_MAX
) -> list[str]:
    """Return the fewest missing genes whose addition brings the missing weight to the limit, the weightiest first.

    Parameters
    ----------
    weights, missing
        As in `missing_weight`.
    limit : float
        Share of the model's weight that may be missing.

    Returns
    -------
    list of str
        Empty where the missing weight is within the limit.
    """
    left, added = missing_weight(weights, missing), []
    for gene in sorted(dict.fromkeys(missing), key=lambda gene: -weights.get(gene, 0.0)):
        if left <= limit + ROUNDING:
            break
        left -= weights.get(gene, 0.0)
        added.append(gene)
    return added


def smallest_omission(applicability: Applicability, values: Floats) -> list[str] | None:
    """Return the genes that must be corrected or left out so that a refused profile is no longer.

    Parameters
    ----------
    applicability : Applicability
    values : array, shape (n_genes,)
        One profile on the model's scale, NaN where missing.

    Returns
    -------
    list of str or None
        First the values that cannot be, then in turn the gene without which the distance falls most, so a good set and
        not surely the smallest; empty where the profile is not refused, None where leaving out `LEFT_OUT_MAX` of its
        genes does not suffice.
    """
    most = int(LEFT_OUT_MAX * np.count_nonzero(~np.isnan(values)))
    outside = applicability.judge(values[np.newaxis]).outside[0]
    omitted: list[int] = np.flatnonzero(np.abs(outside) > IMPOSSIBLE_VALUE).tolist()
    left = values.copy()
    left[omitted] = np.nan
    if len(omitted) > most:
        return None
    while applicability.judge(left[np.newaxis]).refused[0]:
        if len(omitted) >= most:
            return None
        known = np.flatnonzero(~np.isnan(left))
        without = np.tile(left, (len(known), 1))
        without[np.arange(len(known)), known] = np.nan
        judged = applicability.judge(without)
        # Where leaving one out suffices, that one: the limit, too, depends on how many genes are known.
        order = np.lexsort((judged.distance, judged.refused))
        omitted.append(int(known[order[0]]))
        left[omitted[-1]] = np.nan
    return [applicability.genes[j] for j in omitted]


def distance_warning(applicability: Applicability, percentile: float, outside: Sequence[str]) -> str:
    """Return the sentence for a profile above the first limit.

    Parameters
    ----------
    applicability : Applicability
    percentile : float
        Of its distance among the cohort's own patients.
    outside : sequence of str
        Its genes outside of the reference's range, the farthest first.
    """
    return (
        f"unlike the reference cohort: farther from it than {percentile:.0f} % of the cohort's own patients "
        f"(warned above {applicability.warned_above:g} %){_outside(outside)}; check the scale, the z-scores' "
        "reference, the gene names and the cancer type, and read the figures with caution."
    )


def distance_refusal(outside: Sequence[str], omission: Sequence[str] | None) -> str:
    """Return the sentence for a profile above the second limit, with the smallest change that would mend it.

    Parameters
    ----------
    outside : sequence of str
        Its genes outside of the reference's range, the farthest first.
    omission : sequence of str or None
        What `smallest_omission` returned.
    """
    where = f"too far from the reference cohort for a figure to mean anything{_outside(outside)}"
    check = (
        "check the cancer type, that each value stands at its own gene's name, the scale and the z-scores' reference"
    )
    if omission is None:
        return f"{where}; no few genes explain it, so the whole profile is in question: {check}."
    return (
        f"{where}; {check}. Only where these are right and single values are wrong: with {_all(omission)} corrected or "
        "left out it can be scored."
    )


def far_values_warning(genes: Sequence[str]) -> str:
    """Return the sentence for values far beyond all that the reference cohort had.

    Parameters
    ----------
    genes : sequence of str
        The farthest first.
    """
    lie = "one value lies" if len(genes) == 1 else f"{len(genes)} values lie"
    return f"{lie} far beyond all that the reference cohort had: {_listed(genes)}; check how they came about."


def missing_weight_refusal(
    weights: Mapping[str, float], missing: Sequence[str], limit: float = MISSING_WEIGHT_MAX
) -> str:
    """Return the sentence for a profile that lacks too much of the model's weight.

    Parameters
    ----------
    weights, missing, limit
        As in `smallest_addition`.
    """
    addition = smallest_addition(weights, missing, limit)
    return (
        f"the {len(dict.fromkeys(missing))} missing genes carry {missing_weight(weights, missing):.0%} of the model's "
        f"weight, and at most {limit:.0%} may be missing; with {_all(addition)} added it can be scored."
    )


def _outside(genes: Sequence[str]) -> str:
    if not genes:
        return ""
    verb = "gene lies" if len(genes) == 1 else "genes lie"
    return f"; {len(genes)} {verb} outside of its range, farthest {_listed(genes)}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _all(names: Sequence[str]) -> str:
    """Return every name: a remedy that is cut short is none."""
    return ", ".join(names)
