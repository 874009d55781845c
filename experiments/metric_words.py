"""The metrics in words: what each is called, which way is better, and in which order they are told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from training.estimate import Estimate

#: Name, and what it is with the direction that is better.
WHOLE = {
    "concordance_harrell": "Harrell's concordance within folds (½ is chance, 1 the best)",
    "concordance_gain_over_clinical": "Its gain over clinical covariates alone, paired (above 0 is better)",
    "concordance_gain_of_genes": "Its gain over the learners without genes, weighed alike (above 0 is better)",
    "random_signature_percentile": "Random gene sets that the panel exceeds, % (100 the best)",
    "concordance_uno": "Uno's concordance, truncated at the last horizon (½ is chance, 1 the best)",
    "royston_sauerbrei_d": "Royston and Sauerbrei's D (log hazard ratio between the halves; higher is better)",
    "royston_sauerbrei_r2": "Explained variation on D's scale (Royston; 0 to 1, higher is better)",
    "integrated_brier_score": "Integrated Brier score (0 the best)",
    "integrated_brier_ratio": "Its ratio to Kaplan–Meier's (below 1 is better)",
    "calibration_slope": "Calibration slope (1 is right, below 1 too extreme)",
    "d_calibration_p": "D-calibration, p (small where miscalibrated)",
}
BY_HORIZON = {
    "auc": "Time-dependent AUC at {months} months (½ is chance, 1 the best)",
    "brier": "Brier score at {months} months (0 the best)",
    "log_observed_expected": "Log observed/expected risk at {months} months (0 is right, above 0 too few predicted)",
    "ici": "Integrated calibration index at {months} months (0 the best)",
    "e50": "Median calibration error at {months} months (E50; 0 the best)",
    "e90": "90th percentile of the calibration error at {months} months (E90; 0 the best)",
    "net_benefit": "Net benefit at {months} months (higher is better)",
}


def told(
    metrics: Mapping[str, Estimate], horizons_months: Sequence[float]
) -> Iterator[tuple[str, str, Estimate | None]]:
    """Yield name, words and figure of every metric that a training should have, then of every other it has.

    Parameters
    ----------
    metrics : mapping of str to Estimate
    horizons_months : sequence of float

    Yields
    ------
    tuple of (name, words, Estimate or None)
        None where it was not assessed.
    """
    expected = dict(WHOLE)
    for stem, words in BY_HORIZON.items():
        expected |= {f"{stem}_{months:g}m": words.format(months=f"{months:g}") for months in horizons_months}
    for name, words in expected.items():
        yield name, words, metrics.get(name)
    yield from ((name, name, estimate) for name, estimate in metrics.items() if name not in expected)
