"""A stopwatch around the parts of a training: whose own time is running, without a line in the training's code."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from features.transform import FeatureState
from training import procedure, tasks
from training.blend import Blend, FittedLearner
from training.checkpoints import Checkpoints
from training.learners import LearnerSetting
from training.procedure import FittedProcedure
from training.splits import Splits

FEATURES = "features"
SCORING = "inner folds predicted and scored"
OPTUNA = "Optuna, and all else that a study does"
REFITS = "refits and recalibration"
KEEPING = "finished trials and folds kept"
REST = "patients selected, held-out ones predicted"


def tuning_fits(learner: str) -> str:
    """Return the part that a learner's fits on inner folds are."""
    return f"tuning fits, {learner}"


class Stopwatch:
    """The own time of each part: that in its calls, less that in the calls of other parts from within them.

    Attributes
    ----------
    seconds : dict of str to float
        By part.
    procedures : dict of str to FittedProcedure
        Those that the last task has fitted, by learner, with their studies.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.procedures: dict[str, FittedProcedure] = {}
        self._running: list[str] = []
        self._since = 0.0

    @property
    def tuning(self) -> bool:
        """Whether a study is under way."""
        return OPTUNA in self._running

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time within as the part's, until another part begins."""
        self._count()
        self._running.append(name)
        try:
            yield
        finally:
            self._count()
            self._running.pop()

    def _count(self) -> None:
        now = perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now


FIT_PROCEDURES = "fit_procedures"

#: From the stopwatch and the call's first argument to the part that the call belongs to.
type PartOf = Callable[[Stopwatch, Any], str]


def _always(name: str) -> PartOf:
    return lambda _watch, _first: name


def _while_tuning(watch: Stopwatch, first: object) -> str:  # noqa: ARG001
    return SCORING if watch.tuning else REFITS


def _fit(watch: Stopwatch, first: LearnerSetting) -> str:
    return tuning_fits(first.learner) if watch.tuning else REFITS


#: Where each is looked up when it is called, and the part that it belongs to.
TIMED: Mapping[tuple[Any, str], PartOf] = {
    (tasks, FIT_PROCEDURES): _always(REFITS),
    (procedure, "inner_splits"): _always(FEATURES),
    (procedure, "features_of"): _always(FEATURES),
    (FeatureState, "transform"): _always(FEATURES),
    (procedure, "tune"): _always(OPTUNA),
    (LearnerSetting, "fit"): _fit,
    (FittedLearner, "linear_predictor"): _while_tuning,
    (Blend, "linear_predictor"): _while_tuning,
    (Splits, "score"): _while_tuning,
    (Checkpoints, "append"): _always(KEEPING),
    (Checkpoints, "keep"): _always(KEEPING),
    (Checkpoints, "lines"): _always(KEEPING),
    (Checkpoints, "arrays"): _always(KEEPING),
}


@contextmanager
def timed_parts() -> Iterator[Stopwatch]:
    """Time the parts of every training task that this process runs meanwhile.

    Notes
    -----
    A call costs about a microsecond more, and a task makes some thousands: a profiler of every call would slow the
    short ones down more than the long ones, and move the shares.
    """
    watch = Stopwatch()
    originals = {(owner, name): getattr(owner, name) for owner, name in TIMED}
    try:
        for (owner, name), part_of in TIMED.items():
            setattr(owner, name, _timed(originals[owner, name], watch, part_of))
        with watch.part(REST):
            yield watch
    finally:
        for (owner, name), original in originals.items():
            setattr(owner, name, original)


def _timed(call: Callable[..., Any], watch: Stopwatch, part_of: PartOf) -> Callable[..., Any]:
    @functools.wraps(call)
    def timed(*args: Any, **kwargs: Any) -> Any:
        with watch.part(part_of(watch, args[0] if args else None)):
            returned = call(*args, **kwargs)
        if call.__name__ == FIT_PROCEDURES:
            watch.procedures = returned
        return returned

    return timed
