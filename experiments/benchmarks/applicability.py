"""What is caught of profiles that a model cannot score, and how many of a cohort's own patients are warned of."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from experiments.benchmarks.origin import clean_commit
from experiments.choices import Choices
from experiments.console import Progress
from experiments.runner import code_version, definition_for
from features.cohort import Cohort
from features.panel import load_panel
from features.scale_evidence import look_like
from features.scales import LOGARITHMS
from training.applicability import WARNED_ABOVE, Applicability, fit_applicability, held_back_parts
from training.resampling import generator
from training.typicality_kernel import N_PARTS

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]

#: A fifth of the patients is held back from a whole model of the others, for the rates of a cohort's own.
OUTER_FOLDS = 5
#: Shares of a profile's genes that are taken away at random.
MISSING = (0.0, 0.1, 0.3, 0.5)
#: The aim for each abuse.
CAUGHT_AT_LEAST = 0.95
OWN, SHUFFLED, OTHER = "own, held back", "shuffled gene labels", "another cancer type"
UNLOGGED, LOGGED = "abundances sent as their logarithm", "logarithms sent as z-scores"
#: Weights of the four measures that were compared, and of the extremes set beside their sum.
CANDIDATES: Mapping[str, Floats] = {
    "Mahalanobis distance": np.array([[0, 0], [0, 0], [0, 0], [1, 1]], dtype=np.float64),
    "copula against independence": np.array([[0, 0], [1, 0], [0, 0], [0, 1]], dtype=np.float64),
    "below the range": np.array([[0, 0], [0, 0], [1, 0], [0, 1]], dtype=np.float64),
    **{
        f"identity + {copula:g} × copula + {below:g} × below": np.array([[1, 0], [copula, 0], [below, 0], [0, 1.0]])
        for copula in (0.0, 0.25, 0.5)
        for below in (0.0, 2.0)
    },
}


@dataclass(frozen=True, eq=False)
class Sent:
    """Profiles as they are sent to a model: what is wrong with them, whose they are, and their values on its genes."""

    kind: str
    of: str
    expression: Floats


@dataclass(frozen=True, eq=False)
class Applicabilities:
    """What the benchmark measured.

    Parameters
    ----------
    about : mapping of str to str or int
    rates : DataFrame
        One row a model, kind of profile, cohort they are of, and share of genes missing: ``profiles``, their number,
        and the shares ``warned`` (or refused), ``refused`` by distance, ``scale`` (refused by its own evidence) and
        ``caught`` by any.
    candidates : DataFrame
        One row a model, kind, cohort and candidate of `CANDIDATES`: the share ``caught`` above the model's own limit.
    ceilings : mapping of (model, cohort) to float
        Of the pairs of cancer types that fall short of `CAUGHT_AT_LEAST`: what a classifier catches that is shown
        both cohorts, which no model is.
    """

    about: Mapping[str, str | int]
    rates: pd.DataFrame
    candidates: pd.DataFrame
    ceilings: Mapping[tuple[str, str], float]


def benchmark_applicability(
    cohorts: Sequence[Cohort], choices: Choices, *, progress: Progress | None = None
) -> Applicabilities:
    """Hold back each cohort's own patients, and abuse each cohort's model with what it cannot score.

    Parameters
    ----------
    cohorts : sequence of Cohort
        Each is a model's reference, and another cancer type to the others.
    choices : Choices
        Definition and seed, in place of the cohorts' own.
    progress : callable, optional
    """
    rates, candidates = [], []
    for done, cohort in enumerate(cohorts):
        if progress:
            progress("models", done, len(cohorts))
        with threadpool_limits(1):
            found, compared = _of_model(cohort, cohorts, choices)
        rates += found
        candidates += compared
        logger.info("%s: %d patients held back and abused", cohort, len(cohort.patients))
    if progress:
        progress("models", len(cohorts), len(cohorts))
    about = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "code_version": code_version(),
        "commit": clean_commit(),
    }
    table = pd.DataFrame(rates)
    return Applicabilities(about, table, pd.DataFrame(candidates), _ceilings(table, cohorts))


def _ceilings(rates: pd.DataFrame, cohorts: Sequence[Cohort]) -> dict[tuple[str, str], float]:
    of_type = {cohort.cancer_type: cohort.expression for cohort in cohorts}
    short = rates[(rates["kind"] == OTHER) & (rates["missing"] == 0) & (rates["caught"] < CAUGHT_AT_LEAST)]
    pairs = zip(short["model"], short["of"], strict=True)
    with threadpool_limits(1):
        return {(model, other): told_apart(of_type[model], of_type[other]) for model, other in pairs}


def told_apart(own: pd.DataFrame, other: pd.DataFrame) -> float:
    """Return the share of another cohort that boosted trees catch, shown both, where they warn of as many of its own.

    Parameters
    ----------
    own, other : DataFrames, shapes (n_patients, n_genes) and (n_others, n_genes)
        Their common genes of the widest panel are compared; the predictions are cross-validated.
    """
    genes = own.columns.intersection(other.columns).intersection(list(load_panel("ctc_review").symbols))
    X = np.vstack([own[genes].to_numpy(np.float64), other[genes].to_numpy(np.float64)])
    foreign = np.arange(len(X)) >= len(own)
    trees = HistGradientBoostingClassifier(max_iter=60, random_state=0)
    folds = StratifiedKFold(OUTER_FOLDS, shuffle=True, random_state=0)
    found = cross_val_predict(trees, X, foreign, cv=folds, method="predict_proba")[:, 1]
    return float((found[foreign] > np.quantile(found[~foreign], WARNED_ABOVE / 100)).mean())


def _of_model(
    cohort: Cohort, cohorts: Sequence[Cohort], choices: Choices
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    definition = definition_for(cohort.cancer_type, cohort.endpoint, path=choices.definition, seed=choices.seed)
    panel = load_panel(definition.features.panel)
    rng = generator(definition.seed, "benchmark applicability")
    whole = fit_applicability(cohort, panel, definition)
    folds = rng.permutation(np.arange(len(cohort.patients)) % OUTER_FOLDS)
    rows = [
        row
        for fold in range(OUTER_FOLDS)
        for row in _rates_held_back(
            cohort,
            fit_applicability(cohort.subset(np.flatnonzero(folds != fold)), panel, definition),
            np.flatnonzero(folds == fold),
            rng,
        )
    ]
    foreign = list(_foreign(cohort, cohorts, whole.genes))
    rows += [row for sent in foreign for row in _rates(cohort, whole, sent, rng)]
    return _averaged(rows), _candidates(cohort, whole, foreign, rng)


def _rates_held_back(
    cohort: Cohort, model: Applicability, held_back: NDArray[np.intp], rng: np.random.Generator
) -> Iterator[dict[str, object]]:
    own = cohort.expression[list(model.genes)].to_numpy(np.float64)[held_back]
    for sent in (Sent(OWN, cohort.cancer_type, own), *_made_of_own(cohort, own, rng)):
        yield from _rates(cohort, model, sent, rng)


def _made_of_own(cohort: Cohort, values: Floats, rng: np.random.Generator) -> Iterator[Sent]:
    """Yield what can be made wrong with a cohort's own profiles."""
    yield Sent(SHUFFLED, cohort.cancer_type, rng.permuted(values, axis=1))
    if cohort.scale in LOGARITHMS:
        yield Sent(UNLOGGED, cohort.cancer_type, np.maximum(np.exp2(values) - LOGARITHMS[cohort.scale][1], 0.0))


def _foreign(cohort: Cohort, cohorts: Sequence[Cohort], genes: Sequence[str]) -> Iterator[Sent]:
    """Yield what other cohorts' patients are to this cohort's model."""
    for other in cohorts:
        values = other.expression.reindex(columns=list(genes)).to_numpy(np.float64)
        if other is not cohort and other.scale == cohort.scale:
            yield Sent(OTHER, other.cancer_type, values)
        if cohort.scale == "zscore" and other.scale in LOGARITHMS:
            yield Sent(LOGGED, other.cancer_type, values)


def _rates(cohort: Cohort, model: Applicability, sent: Sent, rng: np.random.Generator) -> Iterator[dict[str, object]]:
    for missing in MISSING:
        values = np.where(rng.random(sent.expression.shape) < missing, np.nan, sent.expression)
        looks = look_like(values, stated=cohort.scale, reference=model.ranges(cohort.scale))
        scale = np.array([each is not None for each in looks])
        judged = model.judge(values)
        yield {
            "model": cohort.cancer_type,
            "patients": len(cohort.patients),
            "kind": sent.kind,
            "of": sent.of,
            "missing": missing,
            "profiles": len(values),
            "warned": float((judged.warned | judged.refused).mean()),
            "refused": float(judged.refused.mean()),
            "scale": float(scale.mean()),
            "caught": float((judged.warned | judged.refused | scale).mean()),
        }


def _averaged(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Join the rows of the folds of one cohort, each weighed by its profiles."""
    table, shares = pd.DataFrame(rows), ["warned", "refused", "scale", "caught"]
    table[shares] = table[shares].mul(table["profiles"], axis=0)
    keys = ["model", "patients", "kind", "of", "missing"]
    joined = table.groupby(keys, sort=False, as_index=False)[["profiles", *shares]].sum()
    joined[shares] = joined[shares].div(joined["profiles"], axis=0)
    return [{str(name): value for name, value in row.items()} for row in joined.to_dict("records")]


def _candidates(
    cohort: Cohort, model: Applicability, foreign: Sequence[Sent], rng: np.random.Generator
) -> list[dict[str, object]]:
    """Return what each candidate catches above its own limit: the percentile at which the product warns."""
    values = cohort.expression[list(model.genes)].to_numpy(np.float64)
    # The last level is that of all genes; its draws are alike.
    own = held_back_parts(values, rng)[0][-1, 0]
    return [
        {"model": cohort.cancer_type, "kind": sent.kind, "of": sent.of, "candidate": name, "caught": share}
        for sent in (*_made_of_own(cohort, values, rng), *foreign)
        for name, share in _caught_by_candidates(own, model.typicality.parts(sent.expression), model.warned_above)
    ]


def _caught_by_candidates(own: Floats, parts: Floats, warned_above: float) -> Iterator[tuple[str, float]]:
    for name, weights in CANDIDATES.items():
        distances = _distances(np.vstack([own, parts]).reshape(-1, N_PARTS) @ weights, len(own))
        limit = np.quantile(distances[: len(own)], warned_above / 100, method="weibull")
        yield name, float((distances[len(own) :] > limit).mean())


def _distances(measures: Floats, n_own: int) -> Floats:
    """Set the two sums against their quantiles among the first `n_own` rows, as the product does."""
    centre, first, second = (np.quantile(measures[:n_own], at, axis=0) for at in (0.5, 0.95, 0.99))
    # Most patients lie below the range of no gene: then the first above that is far.
    scale = np.maximum(np.array([first[0], second[1]]) - centre, np.finfo(np.float64).eps)
    return np.asarray(((measures - centre) / scale).max(axis=1))


def chosen_elsewhere(candidates: pd.DataFrame, model: str) -> str:
    """Return the candidate that catches most in all pairs in which a cohort takes no part: nested choice.

    Parameters
    ----------
    candidates : DataFrame
        As in `Applicabilities`.
    model : str
        The cohort that the choice is then judged on.
    """
    elsewhere = candidates[(candidates["model"] != model) & (candidates["of"] != model)]
    if elsewhere.empty:
        return str(candidates["candidate"].iloc[-1])
    by_kind = elsewhere.groupby(["candidate", "kind"], sort=False)["caught"].mean()
    return str(by_kind.groupby("candidate", sort=False).mean().idxmax())
