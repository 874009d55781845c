"""Models of the same shape none of whose figures is another's: what tells an answer of one from that of another."""

from __future__ import annotations

from dataclasses import replace

from training.breslow import BaselineHazard
from training.estimate import Estimate
from training.kaplan_meier import KaplanMeier
from training.model import PrognosticModel, Variant


def unlike(model: PrognosticModel, step: int = 1) -> PrognosticModel:
    """Return a model of the same name and shape, none of whose figures is the other's.

    Parameters
    ----------
    model : PrognosticModel
    step : int
        How far all figures are moved; models of different steps differ from each other too.
    """
    ratios = model.hazard_ratios.copy()
    numbers = [name for name in ratios.select_dtypes("number") if name not in ("n", "events")]
    numbers = [name for name in numbers if not name.startswith("published")]
    ratios[numbers] = 0.9**step * ratios[numbers]
    cohort = replace(
        model.cohort,
        n_patients=model.cohort.n_patients + step,
        n_events=model.cohort.n_events + step,
        median_follow_up_months=model.cohort.median_follow_up_months + step,
    )
    return replace(
        model,
        cohort=cohort,
        kaplan_meier=_unlike_curve(model.kaplan_meier, step),
        hazard_ratios=ratios,
        variants={name: _unlike_variant(variant, step) for name, variant in model.variants.items()},
        gate=tuple((clause, verdict, f"{figure}, {step} times more") for clause, verdict, figure in model.gate),
        provenance={
            **model.provenance,
            "created": f"{2026 + step}-01-01T00:00:00+00:00",
            "data_digest": f"{0xF - step:x}" * 64,
        },
    )


def _unlike_curve(curve: KaplanMeier | None, step: int) -> KaplanMeier | None:
    if curve is None:
        return None
    return replace(curve, **{part: 0.9**step * getattr(curve, part) for part in ("survival", "lower", "upper")})


def _unlike_variant(variant: Variant, step: int) -> Variant:
    factor = 0.9**step
    metrics = {
        name: Estimate(factor * each.value, factor * each.lower, factor * each.upper)
        for name, each in variant.metrics.items()
    }
    return replace(
        variant,
        slope=(1 + 0.3 * step) * variant.slope,
        baseline=BaselineHazard(variant.baseline.days, (1 + 0.5 * step) * variant.baseline.cumulative_hazard),
        reference=variant.reference - 0.4 * step,
        metrics=metrics,
    )
