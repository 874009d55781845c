"""The benchmark of speed: what it counts and states; never how quick anything is."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from conftest import REPOSITORY

from experiments.benchmarks import rivals, stopwatch, timed_folds
from experiments.benchmarks.pruning import Pruned, lost_by_pruning
from experiments.cli import main
from experiments.simulated_study import write_simulated_cohorts
from experiments.simulation import simulate_cohort
from features.panel import load_panel
from training.checkpoints import Checkpoints
from training.definition import Definition, load_definition
from training.evaluation import judge_of
from training.tasks import Task, run

TRIALS = 8
LEARNERS = ["penalised_cox", "boosted", "auto"]


@pytest.fixture(scope="module")
def definition() -> Definition:
    """Two outer folds, two inner ones, and more trials than are run before any is stopped."""
    default = load_definition(REPOSITORY / "experiments" / "definitions" / "default.toml")
    smaller = {"outer_folds": 2, "outer_repeats": 1, "inner_folds": 3, "bootstrap": 100}
    return default.model_copy(
        update={
            "trials": TRIALS,
            "features": default.features.model_copy(update={"panel": "ctc_core"}),
            "resampling": default.resampling.model_copy(update=smaller),
        }
    )


@pytest.fixture(scope="module")
def lost(definition: Definition, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path | None], list[Pruned]]:
    """Measure what stopping trials costs, in a folder of its own or in one where some of it is done."""
    cohort, panel = simulate_cohort("KIRC", seed=3, n_patients=110), load_panel("ctc_core")

    def measured(folder: Path | None = None) -> list[Pruned]:
        kept = Checkpoints(folder or tmp_path_factory.mktemp("kept"))
        return lost_by_pruning(cohort, panel, definition, workers=1, kept=kept)

    return measured


@pytest.fixture(scope="module")
def found(lost: Callable[..., list[Pruned]]) -> list[Pruned]:
    return lost()


@pytest.fixture(scope="module")
def folds(definition: Definition) -> list[rivals.InnerFold]:
    cohort = simulate_cohort("KIRC", seed=3, n_patients=110)
    return rivals.inner_folds(cohort, load_panel("ctc_core"), definition, np.arange(80))[:2]


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory, small_definition: Path) -> tuple[Result, Path]:
    """One run of the command, in one process."""
    folder = tmp_path_factory.mktemp("speed")
    (study,) = write_simulated_cohorts(folder, cancer_types=["GBM"])
    options = {"--definition": small_definition, "--trials": 6, "--patients": 100, "--workers": 1, "--to": folder}
    arguments = [study, *itertools.chain.from_iterable(options.items())]
    return CliRunner().invoke(main, ["benchmark", "speed", *map(str, arguments)]), folder


def test_the_command_prints_what_it_writes(benchmark: tuple[Result, Path]):
    result, folder = benchmark
    assert result.exit_code == 0, result.output
    assert result.stdout == (folder / "speed.md").read_text(encoding="utf-8")
    assert "the target, for 500 patients, 5×3 folds and 50 trials of either learner, is 180 s" in result.stdout
    assert "SIMULATED-KIRC/OS: 100 simulated patients" in result.stdout


def test_both_learners_run_the_trials_that_are_stated_though_the_definition_has_fewer(benchmark: tuple[Result, Path]):
    result, folder = benchmark
    stated = "6 of penalised Cox and 6 of boosted (the definition itself has 30 of penalised Cox and 2 of boosted)"
    assert f"trials a study: {stated}." in result.stdout
    rows = pd.read_csv(folder / "speed.csv").set_index(["section", "name", "figure"])["value"]
    # Two outer folds, three times: as many studies of each learner.
    assert [rows["training", learner, "trials"] for learner in LEARNERS[:2]] == [36, 36]
    assert [rows["pruning", learner, "unpruned_trials"] for learner in LEARNERS] == [36, 36, 72]


def test_every_figure_stands_in_a_row_of_its_own(benchmark: tuple[Result, Path]):
    rows = pd.read_csv(
        benchmark[1] / "speed.csv", dtype={"cohort": "str"}, keep_default_na=False, na_values={"value": ""}
    )
    assert list(rows.columns[:7]) == ["section", "cohort", "name", "figure", "value", "lower", "upper"]
    assert not rows.duplicated(["section", "cohort", "name", "figure"]).any()
    assert rows["value"].notna().all()
    parts = rows[rows["figure"] == "evaluation_seconds"]["name"]
    assert {
        "features",
        "tuning fits, penalised_cox",
        "tuning fits, boosted",
        stopwatch.OPTUNA,
        stopwatch.REFITS,
    } <= set(parts)
    assert set(rows[rows["section"] == "pruning"]["cohort"]) == {"SIMULATED-GBM/OS"}
    assert set(rows[rows["section"] == "rivals"]["name"]) == {
        rivals.OURS,
        rivals.OUR_PATH,
        "scikit-survival",
        "lifelines",
    }


def test_no_time_is_counted_twice(benchmark: tuple[Result, Path]):
    # In one process what is left of the wall clock is no part's: it would be negative if parts overlapped.
    rows = pd.read_csv(benchmark[1] / "speed.csv")
    seconds = rows[rows["figure"] == "evaluation_seconds"].set_index("name")["value"]
    assert (seconds >= 0).all()
    assert seconds["processes started and waited for"] < seconds.sum()


def test_trials_run_to_their_end_take_every_fit_that_is_planned(found: list[Pruned]):
    assert [each.learner for each in found] == LEARNERS
    for each, studies in zip(found, (1, 1, 2), strict=True):
        planned = 2 * TRIALS * studies
        assert (each.unpruned.counts.trials, each.unpruned.counts.stopped) == (planned, 0)
        assert each.unpruned.counts.fits_done == each.unpruned.counts.fits_planned == 3 * planned
        pruned = each.pruned.counts
        # A trial is stopped after two of the three inner folds.
        assert (pruned.trials, pruned.fits_planned) == (planned, 3 * planned)
        assert pruned.fits_done == 3 * planned - pruned.stopped
    assert found[-1].pruned.counts.stopped > 0


def test_what_is_lost_is_the_difference_of_both(found: list[Pruned]):
    for each in found:
        difference = each.unpruned.concordance.value - each.pruned.concordance.value
        assert each.lost.value == pytest.approx(difference, abs=1e-12)
        assert each.lost.lower <= each.lost.upper


def test_equal_seeds_give_equal_concordances(found: list[Pruned], lost: Callable[..., list[Pruned]]):
    again = lost()
    assert [(e.unpruned.concordance, e.pruned.concordance, e.lost) for e in found] == [
        (e.unpruned.concordance, e.pruned.concordance, e.lost) for e in again
    ]


def test_an_interrupted_measurement_goes_on_where_it_was(lost: Callable[..., list[Pruned]], tmp_path: Path):
    whole = lost(tmp_path)
    # Finished folds are read with the seconds that they took; to the bit, so none was run again.
    assert lost(tmp_path) == whole
    # A fold that was killed on its way is timed anew from its first trial.
    pruned = tmp_path / "prune_True"
    (pruned / "taken" / "0_1_clinical.jsonl").unlink()
    (study,) = (pruned / "0_1_clinical").rglob("boosted_clinical.jsonl")
    kept = study.read_text(encoding="utf-8")
    study.write_text("".join(kept.splitlines(keepends=True)[:3]), encoding="utf-8")
    again = lost(tmp_path)
    assert study.read_text(encoding="utf-8") == kept
    assert [(e.lost, e.pruned.counts, e.unpruned) for e in again] == [
        (e.lost, e.pruned.counts, e.unpruned) for e in whole
    ]


def test_the_stopwatch_changes_no_prediction(definition: Definition, tmp_path: Path):
    cohort, panel, task = (
        simulate_cohort("KIRC", seed=3, n_patients=110),
        load_panel("ctc_core"),
        Task(0, 1, "clinical"),
    )
    work = timed_folds.work_on(cohort, panel, definition, judge_of(cohort, definition), Checkpoints(tmp_path))
    (timed,) = timed_folds.timed_tasks([task], work, workers=1, stage="fold")
    plain = run([task], replace(work, checkpoints=Checkpoints()), workers=1, progress=None)[task]
    assert list(timed.outcome) == list(plain) == LEARNERS
    for learner in LEARNERS:
        np.testing.assert_array_equal(timed.outcome[learner].survival, plain[learner].survival)
    assert set(timed.seconds) == set(timed_folds.PARTS)


def test_parts_have_their_own_time_by_hand(monkeypatch: pytest.MonkeyPatch):
    # Outer from 0 to 10 s, inner from 2 to 5 s and again from 6 to 7 s within it.
    clock = iter([0.0, 2.0, 5.0, 6.0, 7.0, 10.0])
    monkeypatch.setattr(stopwatch, "perf_counter", lambda: next(clock))
    watch = stopwatch.Stopwatch()
    with watch.part("outer"):
        for _ in range(2):
            with watch.part("inner"):
                pass
    assert dict(watch.seconds) == {"outer": 6.0, "inner": 4.0}


def test_the_stopwatch_leaves_the_training_as_it_was():
    before = {(owner, name): getattr(owner, name) for owner, name in stopwatch.TIMED}
    with stopwatch.timed_parts():
        assert all(getattr(owner, name) is not call for (owner, name), call in before.items())
    assert all(getattr(owner, name) is call for (owner, name), call in before.items())


def test_rivals_agree_where_no_two_days_are_equal(folds: list[rivals.InnerFold]):
    rng = np.random.default_rng(0)
    untied = [replace(fold, time=fold.time + rng.uniform(0, 0.1, len(fold.time))) for fold in folds]
    differences = {each.name: each.difference for each in rivals.fits_per_second(untied)}
    assert differences[rivals.SKSURV] < rivals.AGREEMENT
    # They stop earlier.
    assert differences[rivals.LIFELINES] < 1e-4
    assert differences[rivals.OUR_PATH] < 1e-4


def test_all_score_the_held_out_patients_alike(folds: list[rivals.InnerFold]):
    assert {each.name for each in rivals.concordances_per_second(folds)} == {"ours", "scikit-survival", "lifelines"}
    assert all(each.difference < 1e-12 for each in rivals.concordances_per_second(folds))


def test_rivals_that_disagree_are_not_raced(folds: list[rivals.InnerFold], monkeypatch: pytest.MonkeyPatch):
    # Another penalty than ours, for scikit-survival alone.
    other = replace(folds[0], penalty=1.01 * folds[0].penalty)
    monkeypatch.setattr(rivals, "_sksurv", lambda _fold, rival=rivals._sksurv: rival(other))
    with pytest.raises(ArithmeticError, match="ours and scikit-survival's differ by"):
        rivals.fits_per_second(folds[:1])
