"""Whether a comparison of two definitions may stand for one of the models that were made by them."""

from __future__ import annotations

import math

from features.persons import own_identifiers
from training.model import PrognosticModel, Variant
from training.paired_comparison import CONCORDANCE
from training.results import TrainingResult
from training.training_patients import absent_from

#: Share of the champion's patients that the challenger must have learned from too.
SHARE_HELD = 0.9
#: By how much two recorded figures may differ that are of one computation.
_ROUNDING = 1e-9


def share_held(champion: PrognosticModel, result: TrainingResult) -> float:
    """Return the share of the champion's training patients whose identifiers are in the challenger's cohort."""
    return _share(champion, own_identifiers(result.cohort))


def doubt_of(champion: PrognosticModel, result: TrainingResult, *, margin: float) -> str:
    """Say why the definitions' comparison cannot stand for the models', where the champion cannot be judged as it is.

    Parameters
    ----------
    champion : PrognosticModel
    result : TrainingResult
        The challenger's.
    margin : float
        Harrell's concordance that the challenger may fall behind the figure recorded with the champion.

    Returns
    -------
    str
        Empty where it can.

    Notes
    -----
    It can if the challenger learned from the very data that the champion was made from. Else the cohort must

    * hold at least 90 % of the champion's patients. TCGA's barcodes tell persons; other identifiers (``P001``) may be
      another hospital's, so that only the digest of the champion's data proves whose they are;
    * be no poorer than the champion's was, as both definitions, refitted on it, would lose the same: every gene and
      clinical column of the champion's is used, and the challenger's concordance out of fold is no lower than the
      champion's recorded one by more than the margin. These two are not paired: each is of its own folds and data.
    """
    before, after = _digests(champion), _digests(result.model)
    if before == after and _leans_on(champion) == _leans_on(result.model):
        return ""
    return _unproven(champion, result, by_data=before <= after) or _poorer(champion, result.model, margin)


def _unproven(champion: PrognosticModel, result: TrainingResult, *, by_data: bool) -> str:
    share = share_held(champion, result)
    if share < SHARE_HELD:
        return f"only {share:.0%} of the champion's patients are here, and its model may be better"
    barcodes = [each for each in own_identifiers(result.cohort) if each.strip().upper().startswith("TCGA-")]
    if by_data or _share(champion, barcodes) >= SHARE_HELD:
        return ""
    return (
        "the champion's patients cannot be told by their identifiers alone, as they are not TCGA's and the data are "
        "not those that it was made from; pool its very files with the new ones, or let a person decide"
    )


def _poorer(champion: PrognosticModel, challenger: PrognosticModel, margin: float) -> str:
    """Say what the challenger's data lack that the champion's had."""
    for old in _views(champion):
        for new in _counterparts(old, challenger):
            before, after = _reported(old), _reported(new)
            lacking = sorted(_inputs(before) - _inputs(after))
            if lacking:
                return (
                    f"{len(lacking)} of the {len(_inputs(before))} genes and clinical columns that the champion has "
                    f"are not used (first: {lacking[0]}), and what they are worth shows in no refit on this cohort"
                )
            recorded, now = before.metrics[CONCORDANCE].value, after.metrics[CONCORDANCE].value
            if not (math.isfinite(recorded) and now >= recorded - margin - _ROUNDING):
                return (
                    f"its concordance is {now:.3f}, and {recorded:.3f} was recorded with the champion (not paired: "
                    f"other folds or data); at most {margin:g} less is needed"
                )
    return ""


def _share(champion: PrognosticModel, identifiers: list[str]) -> float:
    present = int((~absent_from(champion, identifiers)).sum()) if identifiers else 0
    return min(1.0, present / max(1, len(champion.patient_hashes)))


def _views(model: PrognosticModel) -> tuple[PrognosticModel, ...]:
    """Return the model on each of its references."""
    return (model, *model.references.values())


def _counterparts(old: PrognosticModel, challenger: PrognosticModel) -> list[PrognosticModel]:
    """Return the challenger on the data that the champion's view is of; on all of its references if they are others."""
    views = _views(challenger)
    return [view for view in views if _data_digest(view) == _data_digest(old)] or list(views)


def _digests(model: PrognosticModel) -> set[str]:
    return {_data_digest(view) for view in _views(model)}


def _data_digest(view: PrognosticModel) -> str:
    """Return the digest of a reference's data, as they were before they were pooled with others."""
    return view.provenance.get(f"cohort {view.reference}", "").rpartition(" ")[2] or view.cohort.digest


def _leans_on(model: PrognosticModel) -> str:
    """Return the digest of the other cancer types' data that the model leans on; empty where it does not."""
    return model.provenance.get("pooled_digest", "")


def _reported(model: PrognosticModel) -> Variant:
    return model.variants.get("clinical") or model.variants["genes_only"]


def _inputs(variant: Variant) -> set[str]:
    """Return the genes that a variant's covariates are made of, and the clinical columns that it uses."""
    return {*variant.features.genes, *variant.clinical}
