"""The verdict on a locked model in one sentence: the gravest of its findings, and nothing that was not shown."""

from __future__ import annotations

from collections.abc import Sequence

from training.validation_verdict import BAD, GOOD, OPEN, OTHER_REFERENCE, TOO_FEW, Finding

_APART = "The model tells these patients apart"


def summary(found: Sequence[Finding], *, offers_help: bool = False) -> str:
    """Return the verdict in one sentence; what was not shown is not taken for granted.

    Parameters
    ----------
    found : sequence of Finding
        As `training.validation_verdict.findings` returns them.
    offers_help : bool
        Whether a recalibration is offered that brings observed over expected risk nearer to 1.
    """
    told = {each.question: each for each in found}
    calibrated = [each for each in found if each.question.startswith("calibrat")]
    wrong = list(dict.fromkeys(each.verdict for each in calibrated if each.standing == BAD))
    right = all(each.standing == GOOD for each in calibrated) and told["accuracy"].standing == GOOD
    answerable, order = told["answerable"], told["discrimination"].standing
    reason = answerable.basis.partition("; rule:")[0]
    offers = ": see the offers" if offers_help else ""
    gravest_first = (
        (answerable.verdict == OTHER_REFERENCE,
         f"Nothing is said of the model here: another of its references has these patients' scale ({reason})."),
        (answerable.standing == BAD, f"The model is not for these patients: {answerable.verdict} ({reason})."),
        (told["enough events"].verdict == TOO_FEW,
         "Too few events to tell: this cohort neither confirms the model nor speaks against it."),
        (order == BAD, "The model ranks these patients worse than chance: it must not be used on them."),
        (order == OPEN, "The model is not shown to tell these patients apart: it has not earned its use on them."),
        (bool(wrong), f"{_APART}, but its risks do not fit them ({', '.join(wrong)}){offers}."),
        (right, "The model holds: it tells these patients apart, its risks are right, and better than the average's."),
    )  # fmt: skip
    neither = f"{_APART}; that its risks are right for them is neither shown nor refuted."
    return next((sentence for holds, sentence in gravest_first if holds), neither)
