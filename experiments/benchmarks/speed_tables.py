"""The benchmark of speed as tables that people read, and as rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from experiments.benchmarks.anatomy import Anatomy
from experiments.benchmarks.origin import code_in_words
from experiments.benchmarks.pruning import Pruned
from experiments.benchmarks.rivals import AGREEMENT, N_PENALTIES, Rival
from experiments.benchmarks.speed import Speed
from experiments.benchmarks.tables import COLUMNS, write_pair
from training.estimate import Estimate
from training.procedure import AUTO

TARGET_SECONDS, TARGET_PROCESSORS = 180, 2
NAN = float("nan")

type Row = tuple[str, str, str, str, Estimate]


def write_speed(speed: Speed, folder: Path) -> None:
    """Write the benchmark as ``speed.csv`` and as tables in ``speed.md``, each in one piece."""
    write_pair("speed", rows_of(speed), markdown(speed), folder)


def rows_of(speed: Speed) -> pd.DataFrame:
    """Return one row a figure: ``section``, ``cohort``, ``name``, ``figure``, ``value``, ``lower``, ``upper``.

    Seconds are of the wall clock in section ``training``, of all processes together in section ``pruning``; ``lower``
    and ``upper`` are NaN where a figure has no interval.
    """
    rows = [
        *_anatomy_rows(str(speed.about["cohort"]), speed.anatomy),
        *(row for each in speed.pruned for row in _pruned_rows(each)),
        *_rival_rows("fits", speed.fits),
        *_rival_rows("concordances", speed.concordances),
    ]
    columns = ["section", "cohort", "name", "figure"]
    table = pd.DataFrame([(*keys, e.value, e.lower, e.upper) for *keys, e in rows])
    return table.set_axis([*columns, "value", "lower", "upper"], axis="columns").assign(**_stated(speed))


def _stated(speed: Speed) -> dict[str, str | int]:
    return {name: value for name, value in speed.about.items() if name != "cohort"}


def _plain(value: float) -> Estimate:
    return Estimate(value, NAN, NAN)


def _anatomy_rows(cohort: str, anatomy: Anatomy) -> Iterator[Row]:
    for group, parts in (("evaluation", anatomy.evaluation), ("beyond", anatomy.beyond)):
        for name, seconds in parts.items():
            yield "training", cohort, name, f"{group}_seconds", _plain(seconds)
    for learner, counts in anatomy.counts.items():
        for figure, number in asdict(counts).items():
            yield "training", cohort, learner, figure, _plain(number)
    for learner, concordance in anatomy.concordance.items():
        yield "training", cohort, learner, "concordance_harrell", concordance


def _pruned_rows(pruned: Pruned) -> Iterator[Row]:
    at = "pruning", pruned.cohort, pruned.learner
    for name, reached in (("unpruned", pruned.unpruned), ("pruned", pruned.pruned)):
        yield *at, f"{name}_concordance_harrell", reached.concordance
        yield *at, f"{name}_seconds", _plain(reached.seconds)
        for figure, number in asdict(reached.counts).items():
            yield *at, f"{name}_{figure}", _plain(number)
    yield *at, "concordance_lost", pruned.lost


def _rival_rows(what: str, rivals: Sequence[Rival]) -> Iterator[Row]:
    for rival in rivals:
        yield "rivals", "", rival.name, f"{what}_per_second", _plain(rival.per_second)
        yield "rivals", "", rival.name, f"{what}_ours_is_times_as_fast", _plain(rival.times_ours)
        yield "rivals", "", rival.name, f"{what}_largest_difference", _plain(rival.difference)


def markdown(speed: Speed) -> str:
    """Return the benchmark as Markdown: what was run, one training in its parts, stopping trials early, rivals."""
    sections = [
        "# Where the time goes",
        _about(speed.about),
        "## One training",
        _target(speed),
        _parts(speed.anatomy),
        _counts(speed.anatomy),
        "## Trials stopped early",
        _pruning(speed.pruned),
        "## Beside other packages",
        _rivals(speed),
    ]
    return "\n\n".join(sections) + "\n"


def _about(about: Mapping[str, str | int]) -> str:
    return (
        f"Made {str(about['created'])[:10]} with {code_in_words(about)} by `prognosis benchmark speed`, in "
        f"{about['workers']} processes on {about['processors']} processors (load average {about['load']} when it "
        f"began), seed {about['seed']}. Seconds depend on the machine and on what else it does; counts and "
        "concordances do not."
    )


def _target(speed: Speed) -> str:
    about, taken = speed.about, sum(speed.anatomy.evaluation.values())
    return (
        f"{about['cohort']}: {about['patients']} simulated patients, {about['events']} events; penalised Cox and "
        f"boosted trees with clinical covariates; {about['outer_folds']} outer folds × {about['outer_repeats']}, "
        f"{about['inner_folds']} inner folds; {_trials(speed)}. The evaluation took "
        f"**{taken:.0f} s**; the target, for 500 patients, 5×3 folds and 50 trials of either learner, is "
        f"{TARGET_SECONDS} s on {TARGET_PROCESSORS} processors. Seconds are the wall clock's: in the folds, which run "
        "side by side, a part's are its own time in all processes, by a stopwatch in each, over their number; the rest "
        "is waiting."
    )


def _trials(speed: Speed) -> str:
    """Say how many trials a study of each learner had, as counted, and how many its definition gives it."""
    studies = int(speed.about["outer_folds"]) * int(speed.about["outer_repeats"])
    had = [f"{counts.trials // studies} of {COLUMNS[each]}" for each, counts in speed.anatomy.counts.items()]
    own = [f"{speed.about[f'trials.{each}']} of {COLUMNS[each]}" for each in speed.anatomy.counts]
    return f"trials a study: {' and '.join(had)} (the definition itself has {' and '.join(own)})"


def _parts(anatomy: Anatomy) -> str:
    evaluation, beyond = sum(anatomy.evaluation.values()), sum(anatomy.beyond.values())
    rows = [
        *anatomy.evaluation.items(),
        ("**the evaluation**", evaluation),
        *anatomy.beyond.items(),
        ("**with the rest of a training**", evaluation + beyond),
    ]
    cells = [[name, f"{seconds:.1f}", f"{seconds / (evaluation + beyond):.1%}"] for name, seconds in rows]
    return _table(["", "seconds", "share"], cells)


def _counts(anatomy: Anatomy) -> str:
    heads = ["", "trials", "stopped early", "fits on inner folds planned", "done", "Harrell's concordance"]
    cells = []
    for learner, concordance in anatomy.concordance.items():
        counts = anatomy.counts.get(learner)
        numbers = [counts.trials, counts.stopped, counts.fits_planned, counts.fits_done] if counts else [""] * 4
        cells.append([COLUMNS[learner], *map(str, numbers), _interval(concordance)])
    return _table(heads, cells)


def _pruning(pruned: Sequence[Pruned]) -> str:
    if not pruned:
        return "No cohort was given: `prognosis benchmark speed DIR DIR` estimates the concordance that it loses."
    heads = ["", "", "C, every trial to its end", "C, trials stopped early", "lost", "trials stopped",
             "fits done of planned", "seconds to the end", "stopped early"]  # fmt: skip
    said = (
        "The same folds, seeds and trials, as many of either learner as above: each study once with every trial run to "
        "its end and once with those stopped that fall behind. C is Harrell's, out of fold; what is lost is paired. "
        "Intervals are 95 %, from a bootstrap of patients, conditional on the fits. Seconds are of all processes "
        f"together: of a learner's fits in its studies, and in the line of {AUTO} of everything."
    )
    return f"{said}\n\n{_table(heads, map(_pruned_cells, pruned))}"


def _pruned_cells(pruned: Pruned) -> list[str]:
    unpruned, stopped = pruned.unpruned, pruned.pruned
    return [
        pruned.cohort,
        COLUMNS[pruned.learner],
        _interval(unpruned.concordance),
        _interval(stopped.concordance),
        _interval(pruned.lost, digits=4),
        f"{stopped.counts.stopped} of {stopped.counts.trials}",
        f"{stopped.counts.fits_done} of {stopped.counts.fits_planned}",
        f"{unpruned.seconds:.0f}",
        f"{stopped.seconds:.0f}",
    ]


def _rivals(speed: Speed) -> str:
    heads = ["", "ridge Cox fits per second", "ours is", "largest difference of a coefficient"]
    scores = ["", "concordances per second", "ours is", "largest difference"]
    said = (
        f"The inner folds of one outer fold's training patients of {speed.about['cohort']}, {N_PENALTIES} penalties "
        "each; one thread, packages taking turns, each as it comes: scikit-survival and lifelines estimate a baseline "
        f"hazard with every fit, lifelines a covariance too. Before timing, scikit-survival's coefficients were "
        f"checked to be ours to {AGREEMENT:g}; lifelines takes days with several deaths by Efron's method, the others "
        "by Breslow's. Harrell's concordance is that of the patients held out of the same inner folds."
    )
    return "\n\n".join([said, _table(heads, map(_raced, speed.fits)), _table(scores, map(_raced, speed.concordances))])


def _raced(rival: Rival) -> list[str]:
    return [rival.name, f"{rival.per_second:,.0f}", f"{rival.times_ours:.2g} × as fast", f"{rival.difference:.1g}"]


def _interval(estimate: Estimate, *, digits: int = 3) -> str:
    value, lower, upper = (f"{each:.{digits}f}" for each in (estimate.value, estimate.lower, estimate.upper))
    return f"{value} ({lower} to {upper})"


def _table(heads: list[str], cells: Iterable[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *cells]
    return "\n".join(f"| {' | '.join(each)} |" for each in lines)
