"""The panel against random sets of as many other genes: the same procedure, folds, tuning and clinical covariates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import joblib
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from features.clinical_covariates import ClinicalEncoder
from features.cohort import Cohort
from features.panel import Panel
from training.evaluation import Judge
from training.null_procedure import (
    GeneSet,
    NullData,
    NullSettings,
    eligible_genes,
    held_out_linear_predictors,
    symbols_of_panels,
)
from training.resampling import generator
from training.results import RandomSignatures
from training.tasks import Progress

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Split = tuple[int, int]

#: With fewer other genes than this many times a set's size, random sets are hardly more than one set.
MINIMUM_UNIVERSE = 2
#: Fewer genes than this were chosen by somebody, and chosen genes predict better than any.
TRANSCRIPTOME = 5000
#: Names of the panel's set and of the one without genes; random sets are ``1``, ``2``, …
PANEL, CLINICAL = "0", "clinical"
NO_GENES = np.array([], dtype=np.intp)


class Kept(Protocol):
    """Figures of an earlier run of the same null, by key; what has been put is there after an interruption."""

    def get(self, key: str) -> float | None:
        """Return the figure, None where there is none."""

    def put(self, key: str, value: float) -> None:
        """Keep a figure."""


@dataclass(frozen=True, eq=False)
class _Null:
    """All sets, each under the name by which its figures are kept, on the cohort's patients."""

    data: NullData
    sets: dict[str, GeneSet]
    settings: NullSettings
    seed: int

    def narrowed(self, names: list[str]) -> _Null:
        """Return these sets alone with the genes that they read: what a worker needs, and no more."""
        read = np.unique(np.concatenate([self.sets[name].genes for name in names]))
        sets = {name: GeneSet(np.searchsorted(read, self.sets[name].genes), NO_GENES) for name in names}
        return replace(self, sets=sets, data=replace(self.data, expression=self.data.expression[:, read]))


def random_signatures(
    cohort: Cohort,
    panel: Panel,
    judge: Judge,
    settings: NullSettings,
    *,
    n_sets: int,
    seed: int,
    workers: int,
    progress: Progress | None = None,
    kept: Kept | None = None,
) -> RandomSignatures:
    """Compare the panel's genes with random sets of the cohort's other genes.

    Parameters
    ----------
    cohort : Cohort
        With all its genes.
    panel : Panel
    judge : Judge
        Of the same cohort.
    settings : NullSettings
    n_sets : int
        Random sets; each is drawn without replacement.
    seed : int
        Of the sets and of the inner folds.
    workers : int
        Processes; the numbers do not depend on it.
    progress : callable, optional
        Called with a stage's name, the outer folds done and those in all.
    kept : Kept, optional
        Store for this cohort, definition and seed alone; one figure per set and outer fold, which are not computed
        again.

    References
    ----------
    Venet D, Dumont JE, Detours V (2011) doi 10.1371/journal.pcbi.1002240
    """
    eligible, of_panels = eligible_genes(cohort, settings.minimum_known_fraction), symbols_of_panels(panel)
    ours = [gene for gene in panel.symbols if gene in set(eligible)]
    others = [gene for gene in eligible if gene not in of_panels]
    reason = _not_assessable(len(ours), len(others), panel)
    if reason is not None:
        nan = float("nan")
        return RandomSignatures(len(others), universe(len(others)), len(ours), np.empty(0), nan, nan, nan, reason)
    drawn = [ours, *random_sets(others, len(ours), n_sets=n_sets, seed=seed)]
    sets = _positions(drawn, [*ours, *others])
    if _has_clinical(cohort, settings):
        sets[CLINICAL] = GeneSet(NO_GENES, NO_GENES)
    null = _Null(_data(cohort, judge, [*ours, *others]), sets, settings, seed)
    concordance = _concordances(null, workers=workers, stage=f"{cohort} random gene sets", progress=progress, kept=kept)
    model, of_random = concordance[PANEL], np.array([concordance[str(number)] for number in range(1, n_sets + 1)])
    return RandomSignatures(
        universe_size=len(others),
        universe=universe(len(others)),
        n_genes=len(ours),
        concordance=of_random,
        model=model,
        percentile=float(100 * np.sum(model > of_random) / n_sets),
        p_value=float((1 + np.sum(of_random >= model)) / (n_sets + 1)),
        clinical=concordance.get(CLINICAL, float("nan")),
    )


def random_sets(genes: list[str], size: int, *, n_sets: int, seed: int) -> list[list[str]]:
    """Draw sets of genes, each without replacement; a set does not change when more are drawn."""
    return [
        sorted(generator(seed, "random gene set", number).choice(genes, size, replace=False).tolist())
        for number in range(n_sets)
    ]


def universe(n_genes: int) -> str:
    """Say in words what the genes are from which random sets are drawn."""
    kind = "a curated list, not a transcriptome" if n_genes < TRANSCRIPTOME else "a transcriptome"
    return f"the cohort's {n_genes:,} other genes: {kind}"


def concordant_pairs(
    linear_predictors: Floats, time: Floats, event: Bools, strata: NDArray[np.int64] | None = None
) -> tuple[Floats, int]:
    """Return Harrell's concordant pairs of each linear predictor, equal ones counted half, and the comparable pairs.

    Parameters
    ----------
    linear_predictors : array, shape (n_sets, n_patients)
        Higher is worse.
    time, event : arrays, shape (n_patients,)
        As in `training.concordance.harrell_pairs`.
    strata : array of int, shape (n_patients,), optional
        Numbers of the cohorts that were pooled; patients of two are not compared.
    """
    outlived = (time[:, None] < time[None, :]) | ((time[:, None] == time[None, :]) & ~event[None, :])
    if strata is not None:
        outlived &= strata[:, None] == strata[None, :]
    earlier, later = np.nonzero(event[:, None] & outlived)
    differences = (eta[earlier] - eta[later] for eta in linear_predictors)
    return np.array([np.sum(d > 0) + np.sum(d == 0) / 2 for d in differences], dtype=np.float64), len(earlier)


def _not_assessable(n_ours: int, n_others: int, panel: Panel) -> str | None:
    if n_ours == 0:
        return f"none of the {len(panel.genes)} genes of panel {panel.name} is known well enough and varies"
    if n_others < MINIMUM_UNIVERSE * n_ours:
        return (
            f"{n_others} other genes are too few for random sets of {n_ours}: at least {MINIMUM_UNIVERSE * n_ours} "
            "are needed"
        )
    return None


def _data(cohort: Cohort, judge: Judge, genes: list[str]) -> NullData:
    return NullData(
        cohort.expression[genes].to_numpy(np.float64),
        cohort.clinical,
        judge.time,
        judge.event,
        judge.folds,
        cohort.stratum_numbers,
    )


def _has_clinical(cohort: Cohort, settings: NullSettings) -> bool:
    encoder = ClinicalEncoder.fit(cohort.clinical, settings.clinical, minimum_known=settings.minimum_known_fraction)
    return bool(encoder.covariates)


def _positions(sets: list[list[str]], genes: list[str]) -> dict[str, GeneSet]:
    position = {gene: j for j, gene in enumerate(genes)}
    return {
        str(number): GeneSet(np.array([position[gene] for gene in names], dtype=np.intp), NO_GENES)
        for number, names in enumerate(sets)
    }


def _concordances(
    null: _Null, *, workers: int, stage: str, progress: Progress | None, kept: Kept | None
) -> dict[str, float]:
    """Return each set's concordance: pairs summed over the folds of a repeat, averaged over repeats."""
    splits = null.data.splits()
    concordant = {split: _read(kept, split, list(null.sets)) for split in splits}
    missing = {split: [name for name in null.sets if name not in concordant[split]] for split in splits}
    waiting = [split for split in splits if missing[split]]
    done = len(splits) - len(waiting)
    for split, figures in _computed(null, {split: missing[split] for split in waiting}, workers):
        concordant[split] |= figures
        if kept is not None:
            for name, figure in figures.items():
                kept.put(_key(split, name), figure)
        done += 1
        if progress is not None:
            progress(stage, done, len(splits))
    by_split = {split: np.array([figures[name] for name in null.sets]) for split, figures in concordant.items()}
    return dict(zip(null.sets, _averaged(null.data, by_split).tolist(), strict=True))


def _averaged(data: NullData, concordant: dict[Split, Floats]) -> Floats:
    by_repeat = []
    for repeat, labels in enumerate(data.folds):
        members = [data.held_out(repeat, fold) for fold in range(labels.max() + 1)]
        comparable = sum(_concordant(data, np.empty((0, len(m))), m)[1] for m in members)
        total = np.sum([concordant[repeat, fold] for fold in range(len(members))], axis=0)
        by_repeat.append(total / comparable)
    return np.asarray(np.mean(by_repeat, axis=0), dtype=np.float64)


def _computed(null: _Null, names: dict[Split, list[str]], workers: int) -> Iterator[tuple[Split, dict[str, float]]]:
    # Nothing of a patient's is left on the disk: without max_nbytes joblib would write large arrays there.
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", max_nbytes=None)
    yield from parallel(joblib.delayed(_perform)(null.narrowed(sets), split) for split, sets in names.items())


def _perform(null: _Null, split: Split) -> tuple[Split, dict[str, float]]:
    repeat, fold = split
    # One thread: tasks run beside each other, and a sum's order must not depend on how many do.
    with threadpool_limits(1):
        predictors = held_out_linear_predictors(
            null.data, list(null.sets.values()), null.settings, repeat=repeat, fold=fold, seed=null.seed
        )
    members = null.data.held_out(repeat, fold)
    pairs, _ = _concordant(null.data, predictors, members)
    return split, dict(zip(null.sets, pairs.tolist(), strict=True))


def _concordant(data: NullData, linear_predictors: Floats, members: NDArray[np.intp]) -> tuple[Floats, int]:
    strata = None if data.strata is None else data.strata[members]
    return concordant_pairs(linear_predictors, data.time[members], data.event[members], strata)


def _key(split: Split, name: str) -> str:
    return f"random_signatures/{split[0]}/{split[1]}/{name}"


def _read(kept: Kept | None, split: Split, names: list[str]) -> dict[str, float]:
    """Return what an earlier run kept of one outer fold, by set."""
    figures = {name: None if kept is None else kept.get(_key(split, name)) for name in names}
    return {name: figure for name, figure in figures.items() if figure is not None}
