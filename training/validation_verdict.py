"""The verdict on a locked model in new patients, in words, by rules that stand here and with the figures beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from training.case_mix import Typical
from training.estimate import Estimate
from training.external_figures import RATIO_REFERENCE
from training.input_shift import GENE, LARGE
from training.metrics import at_horizon

#: With fewer events nothing is told; with fewer than the second, all is told to be imprecise (Collins et al. 2016).
FEWEST_EVENTS, PRECISE_EVENTS = 10, 100
#: An interval of observed over expected, or of the slope, within these bounds shows calibration; one that is not, and
#: lies to one side of 1, shows the contrary; one that holds 1 and is wider shows nothing.
OBSERVED_EXPECTED = (0.8, 1.25)
SLOPE = (0.8, 1.25)
#: Share of the inputs that have moved far, beyond chance, from which the cohort is called shifted.
SHIFTED_SHARE = 0.1
#: An input that more of the patients lack says of few what it would do; values voided with their scale are lacking.
MISSING_SHARE = 0.5
#: More of the patients refused than this, and the figures are of a remnant that is not the cohort.
REFUSED_SHARE = 0.5
NOT_ASSESSED = "could not be assessed"
NO_RISK = "no risk was judged in this cohort"
TOO_FEW = "too few events to tell"
OTHER_REFERENCE = "not against this reference"
GOOD, BAD, OPEN = "good", "bad", "open"


@dataclass(frozen=True)
class Finding:
    """The answer to one question.

    Parameters
    ----------
    question : str
    verdict : str
        In words.
    standing : str
        ``good``, ``bad`` or ``open``: neither shown, or not assessed, which is not passed.
    basis : str
        The figure and the rule.
    """

    question: str
    verdict: str
    standing: str
    basis: str


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the verdict is made of.

    Parameters
    ----------
    metrics : mapping of str to Estimate
        Of the row that is judged: the fullest variant that answered enough patients, as it is.
    horizons_months : sequence of float
        Where it was judged.
    n_events : int
        In the row.
    absolute_reason : str or None
        Why probabilities mean nothing here.
    shifts : DataFrame
        See `training.input_shift.input_shifts`.
    typical : Typical or None
    n_asked : int
        Patients whom the model never saw.
    refused : mapping of str to int
        Those of them whom the service would not score, by reason.
    renormalised : bool
        Whether the row is so: then no new patient can be answered.
    fitting : sequence of str
        Other references of a model of pooled cohorts, whose scale the patients' converts to.
    """

    metrics: Mapping[str, Estimate]
    horizons_months: Sequence[float]
    n_events: int
    absolute_reason: str | None
    shifts: pd.DataFrame
    typical: Typical | None
    n_asked: int
    refused: Mapping[str, int]
    renormalised: bool
    fitting: Sequence[str] = ()


def findings(evidence: Evidence) -> tuple[Finding, ...]:
    """Answer each question by its rule.

    Parameters
    ----------
    evidence : Evidence

    References
    ----------
    Collins GS, Ogundimu EO, Altman DG. Sample size considerations for the external validation of a multivariable
    prognostic model: a resampling study. Stat Med 2016;35:214-226. doi:10.1002/sim.6787
    """
    return (
        _answered(evidence),
        _enough(evidence),
        _discrimination(evidence),
        *_calibration(evidence),
        _slope(evidence),
        _overall(evidence),
        _usefulness(evidence),
        _inputs(evidence),
        _typicality(evidence),
    )


def _answered(evidence: Evidence) -> Finding:
    question, rule = "answerable", f"rule: at most {REFUSED_SHARE:.0%} refused"
    if evidence.renormalised and evidence.fitting:
        names = " or ".join(f"--reference {name}" for name in evidence.fitting)
        return Finding(question, OTHER_REFERENCE, BAD, f"name {names}; {evidence.absolute_reason}; {rule}")
    if evidence.renormalised:
        return Finding(question, "no single patient can be answered", BAD, f"{evidence.absolute_reason}; {rule}")
    n_refused = sum(evidence.refused.values())
    reasons = "".join(f", {reason}: {count}" for reason, count in evidence.refused.items())
    basis = f"{n_refused} of {evidence.n_asked} refused{reasons}; {rule}"
    if n_refused > REFUSED_SHARE * evidence.n_asked:
        return Finding(question, "the service would refuse most of them", BAD, basis)
    return Finding(question, "the service would score them" if not n_refused else "refuses some", GOOD, basis)


def _enough(evidence: Evidence) -> Finding:
    n, question = evidence.n_events, "enough events"
    rule = f"{n} events; rule: below {FEWEST_EVENTS} nothing is told, below {PRECISE_EVENTS} all is imprecise"
    if n < FEWEST_EVENTS:
        return Finding(question, TOO_FEW, OPEN, rule)
    if n < PRECISE_EVENTS:
        return Finding(question, "imprecise", OPEN, rule)
    return Finding(question, "enough", GOOD, rule)


def _discrimination(evidence: Evidence) -> Finding:
    figure = evidence.metrics.get("concordance_harrell")
    return _judged(
        evidence,
        "discrimination",
        figure,
        rule="Harrell's concordance, interval above 0.5",
        above=(0.5, "discriminates", GOOD),
        below=(0.5, "worse than chance", BAD),
        between="not shown to discriminate",
    )


def _calibration(evidence: Evidence) -> Iterator[Finding]:
    for months in evidence.horizons_months:
        question = f"calibration at {months:g} months"
        figure = evidence.metrics.get(at_horizon("log_observed_expected", months))
        ratio = None if figure is None else Estimate(*np.exp([figure.value, figure.lower, figure.upper]).tolist())
        yield _near_one(
            evidence,
            question,
            ratio,
            bounds=OBSERVED_EXPECTED,
            rule="observed over expected risk",
            words=("overestimates risk", "underestimates risk", "calibrated in the large"),
        )


def _slope(evidence: Evidence) -> Finding:
    return _near_one(
        evidence,
        "calibration slope",
        evidence.metrics.get("calibration_slope"),
        bounds=SLOPE,
        rule="slope",
        words=("predictions too far apart", "predictions too close together", "spread right"),
    )


def _overall(evidence: Evidence) -> Finding:
    return _judged(
        evidence,
        "accuracy",
        evidence.metrics.get(RATIO_REFERENCE),
        rule="integrated Brier over that of the reference cohort's Kaplan–Meier, interval below 1",
        above=(1.0, "worse than Kaplan–Meier", BAD),
        below=(1.0, "better than Kaplan–Meier", GOOD),
        between="not shown to be better than Kaplan–Meier",
    )


def _usefulness(evidence: Evidence) -> Finding:
    months = evidence.horizons_months[len(evidence.horizons_months) // 2] if len(evidence.horizons_months) else np.nan
    return _judged(
        evidence,
        "usefulness",
        evidence.metrics.get(at_horizon("net_benefit", months)),
        rule=f"net benefit at {months:g} months over treating all and none, at the cohort's own risk, interval above 0",
        above=(0.0, "adds net benefit", GOOD),
        below=(0.0, "does harm", BAD),
        between="not shown to add net benefit",
    )


def _inputs(evidence: Evidence) -> Finding:
    question, assessed = "inputs", evidence.shifts[evidence.shifts["psi"].notna()]
    large, lacking = int((assessed["reading"] == "large").sum()), _lacking(evidence.shifts)
    basis = (
        f"{'; '.join([f'{large} of {len(assessed)} moved far', *lacking])}; rule: stability index {LARGE:g} or more, "
        f"beyond chance, in {SHIFTED_SHARE:.0%} of them; none that the model reads may be missing in more than "
        f"{MISSING_SHARE:.0%} of the patients"
    )
    if evidence.shifts["kind"].eq(GENE).any() and not assessed["kind"].eq(GENE).any():
        return Finding(question, NOT_ASSESSED, OPEN, f"no gene is known on a scale that the reference has; {basis}")
    if large >= SHIFTED_SHARE * max(len(assessed), 1):
        return Finding(question, "inputs shifted", BAD, basis)
    if lacking:
        return Finding(question, "some inputs lacking", OPEN, basis)
    return Finding(question, "some inputs shifted" if large else "inputs as in training", GOOD, basis)


def _lacking(shifts: pd.DataFrame) -> list[str]:
    """Say how many of the inputs that the model reads nobody has, or fewer than enough; nothing where none is so."""
    # A gene of weight 0 is not read; older bundles tell no weight, and covariates have none.
    read = shifts[shifts["weight"].ne(0)]
    nobody = read["n_known"].eq(0)
    counts = {
        "known in no patient": int(nobody.sum()),
        f"missing in more than {MISSING_SHARE:.0%}": int((read["missing"].gt(MISSING_SHARE) & ~nobody).sum()),
    }
    return [f"{count} of {len(read)} {words}" for words, count in counts.items() if count]


def _typicality(evidence: Evidence) -> Finding:
    question, found = "patients", evidence.typical
    if found is None:
        return Finding(question, NOT_ASSESSED, OPEN, "no distance from the reference cohort can be taken")
    share, n, expected = found.share_warned + found.share_refused, int(found.tenths.sum()), found.expected_warned
    limit = expected + 1.96 * np.sqrt(expected * (1 - expected) / max(n, 1))
    basis = (
        f"{share:.1%} of {n} far from the reference; rule: {expected:.0%} of its own are, above {limit:.1%} more than "
        "chance"
    )
    if share > limit:
        return Finding(question, "unlike the reference's", BAD, basis)
    return Finding(question, "like the reference's", GOOD, basis)


def _judged(
    evidence: Evidence,
    question: str,
    figure: Estimate | None,
    *,
    rule: str,
    above: tuple[float, str, str],
    below: tuple[float, str, str],
    between: str,
) -> Finding:
    """Judge a figure by whether its interval lies above one bound, below another, or neither."""
    refused = _refused(evidence, question, figure)
    if refused is not None or figure is None:
        return refused or Finding(question, NOT_ASSESSED, OPEN, rule)
    basis = f"{_written(figure)}; rule: {rule}"
    if figure.lower > above[0]:
        return Finding(question, above[1], above[2], basis)
    if figure.upper < below[0]:
        return Finding(question, below[1], below[2], basis)
    return Finding(question, between, OPEN, basis)


def _near_one(
    evidence: Evidence,
    question: str,
    figure: Estimate | None,
    *,
    bounds: tuple[float, float],
    rule: str,
    words: tuple[str, str, str],
) -> Finding:
    """Judge a figure that should be 1: shown near it, shown too low, shown too high, or none of them."""
    low, high, right = words
    near = f"{rule}, interval within {bounds[0]:g} and {bounds[1]:g}; if not, it must not lie to one side of 1"
    found = _judged(
        evidence,
        question,
        figure,
        rule=near,
        above=(1.0, high, BAD),
        below=(1.0, low, BAD),
        between="neither shown right nor wrong",
    )
    told = found.verdict not in {TOO_FEW, NOT_ASSESSED}
    if told and figure is not None and bounds[0] <= figure.lower and figure.upper <= bounds[1]:
        return replace(found, verdict=right, standing=GOOD)
    return found


def _refused(evidence: Evidence, question: str, figure: Estimate | None) -> Finding | None:
    """Return why a figure tells nothing; None where it does."""
    if evidence.n_events < FEWEST_EVENTS:
        return Finding(question, TOO_FEW, OPEN, f"{evidence.n_events} events, {FEWEST_EVENTS} are needed")
    if figure is None and evidence.absolute_reason is not None:
        return Finding(question, NOT_ASSESSED, OPEN, NO_RISK)
    if figure is None or not np.isfinite([figure.value, figure.lower, figure.upper]).all():
        return Finding(question, NOT_ASSESSED, OPEN, "the figure, or its interval, cannot be estimated here")
    return None


def _written(figure: Estimate) -> str:
    return f"{figure.value:.3f} ({figure.lower:.3f} to {figure.upper:.3f})"
