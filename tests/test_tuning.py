"""The search for parameters: what its trials are, which are stopped, and that an interrupted one ends the same."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from training.checkpoints import Checkpoints
from training.definition import Choices, LearnerDefinition, Range
from training.tuning import FOLDS_BEFORE_PRUNING, MINIMUM_TRIALS_FOR_IMPORTANCES, TRIALS_BEFORE_PRUNING, tune

N_FOLDS, N_PATIENTS = 4, 10
SPACE = LearnerDefinition(
    default={"penalty": 0.5, "depth": 2, "objective": "cox", "fixed": 7},
    search={
        "penalty": Range(low=0.01, high=3.0, log=True),
        "depth": Range(low=1, high=6),
        "objective": Choices(choices=("cox", "aft")),
    },
)


def peaked(parameters):
    """A score with its top at penalty 0.1, whatever the others are."""
    return -((math.log(parameters["penalty"]) - math.log(0.1)) ** 2)


class Folds:
    """Inner folds that are worth an equal part of a score each, and count how often they are asked."""

    def __init__(self, score):
        self.score = score
        self.fits = 0
        self.asked = []

    def __call__(self, parameters):
        self.asked.append(parameters)
        total, predictions = self.score(parameters), np.full(N_PATIENTS, np.nan)
        for fold in range(N_FOLDS):
            self.fits += 1
            predictions[fold::N_FOLDS] = parameters.get("penalty", 0.0) / 3 + fold
            yield total * (fold + 1) / N_FOLDS, predictions.copy()


def tuned(score, space=SPACE, *, trials, seed, **others):
    return tune(Folds(score), space, trials=trials, n_folds=N_FOLDS, seed=seed, **others)


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_the_default_is_the_first_trial_and_its_score_is_kept(seed):
    tuning = tuned(peaked, trials=5, seed=seed)
    first = tuning.trials.iloc[0]
    assert {name: first[name] for name in SPACE.search} == {"penalty": 0.5, "depth": 2, "objective": "cox"}
    assert tuning.default_score == first["score"] == peaked(SPACE.default)
    assert tuning.completed[0].parameters == SPACE.default


@pytest.mark.parametrize("seed", range(5))
def test_the_tuned_score_is_the_best_finished_trials_and_never_below_the_defaults(seed):
    noise = np.random.default_rng(seed)
    tuning = tuned(lambda _: -float(noise.exponential()), trials=12, seed=seed)
    finished = tuning.trials[tuning.trials["state"] == "done"]
    assert tuning.score == finished["score"].max() >= tuning.default_score
    best = finished.loc[finished["score"].idxmax()]
    assert all(tuning.parameters[name] == best[name] for name in SPACE.search)


def test_a_default_that_nothing_beats_is_kept():
    assert tuned(lambda p: float(p == SPACE.default), trials=8, seed=4).parameters == SPACE.default


def test_equal_seeds_give_equal_trials_and_others_do_not():
    first, second, other = (tuned(peaked, trials=12, seed=seed).trials for seed in (3, 3, 4))
    assert first.equals(second)
    assert not first.equals(other)


def test_every_trial_lies_in_the_space_and_whole_number_ranges_give_whole_numbers():
    folds = Folds(lambda _: 0.0)
    tune(folds, SPACE, trials=25, n_folds=N_FOLDS, seed=6)
    assert len(folds.asked) == 25
    for parameters in folds.asked:
        assert set(parameters) == set(SPACE.default)
        assert parameters["fixed"] == 7
        assert type(parameters["depth"]) is int
        assert all(parameters[name] in dimension for name, dimension in SPACE.search.items())


def test_every_dimension_is_visited_from_end_to_end():
    trials = tuned(lambda _: 0.0, trials=60, seed=2).trials
    assert set(trials["objective"]) == {"cox", "aft"}
    assert set(trials["depth"]) == {1, 2, 3, 4, 5, 6}
    assert trials["penalty"].min() < 0.05
    assert trials["penalty"].max() > 1.0


def test_the_search_finds_the_top_of_the_score():
    # From 0.5; a third of the range, on its logarithmic scale, lies within this of the top.
    tuning = tuned(peaked, trials=40, seed=3)
    assert abs(math.log(tuning.parameters["penalty"] / 0.1)) < 0.25
    later = tuning.trials["penalty"].iloc[20:]
    assert (abs(np.log(later / 0.1)) < 1).mean() > 0.5


def test_importances_name_the_parameter_that_matters():
    importances = tuned(peaked, trials=60, seed=5, prune=False).importances
    assert set(importances) == set(SPACE.search)
    assert max(importances, key=importances.__getitem__) == "penalty"
    assert importances["penalty"] > 0.8


def test_too_few_trials_give_no_importances():
    assert tuned(peaked, trials=MINIMUM_TRIALS_FOR_IMPORTANCES - 1, seed=5).importances == {}


def test_a_score_that_never_varies_gives_no_importances():
    assert tuned(lambda _: 0.5, trials=20, seed=5).importances == {}


def test_a_learner_without_a_space_is_scored_once():
    tuning = tuned(peaked, LearnerDefinition(default={"penalty": 0.2}), trials=9, seed=1)
    assert len(tuning.trials) == len(tuning.completed) == 1
    assert tuning.parameters == {"penalty": 0.2}
    assert tuning.score == tuning.default_score == peaked({"penalty": 0.2})
    assert tuning.fits_planned == tuning.fits_done == N_FOLDS


@pytest.mark.parametrize(("at_most", "trials", "expected"), [(3, 9, 3), (20, 9, 9), (None, 9, 9), (1, 9, 1)])
def test_a_learner_has_no_more_trials_than_its_own_limit(at_most, trials, expected):
    limited = SPACE.model_copy(update={"trials_at_most": at_most})
    tuning = tuned(peaked, limited, trials=trials, seed=1)
    assert len(tuning.trials) == expected
    assert tuning.fits_planned == expected * N_FOLDS


def test_a_score_that_is_not_a_number_counts_as_the_worst():
    tuning = tuned(lambda p: -100.0 if p["depth"] == 2 else math.nan, trials=20, seed=1, prune=False)
    assert tuning.parameters["depth"] == 2
    assert tuning.score == -100.0
    assert (tuning.trials.loc[tuning.trials["depth"] != 2, "score"] == -math.inf).all()
    assert all(math.isfinite(share) for share in tuning.importances.values())


def test_where_no_trial_can_be_scored_the_default_stands():
    tuning = tuned(lambda _: math.nan, trials=10, seed=1)
    assert tuning.parameters == SPACE.default
    assert tuning.score == tuning.default_score == -math.inf
    assert tuning.importances == {}


def test_every_finished_trial_keeps_its_predictions_of_every_patient():
    for trial in tuned(peaked, trials=8, seed=2).completed:
        np.testing.assert_array_equal(
            trial.out_of_fold, trial.parameters["penalty"] / 3 + np.arange(N_PATIENTS) % N_FOLDS
        )


def test_trials_that_fall_behind_the_median_are_stopped_and_no_others():
    tuning = tuned(peaked, trials=30, seed=8)
    seen = [[score * (k + 1) / N_FOLDS for k in range(N_FOLDS)] for score in map(peaked, _parameters(tuning))]
    ran = []
    for scores in seen:
        steps = range(FOLDS_BEFORE_PRUNING, N_FOLDS + 1)
        behind = [n for n in steps if scores[n - 1] < np.median([s[n - 1] for s in ran if len(s) >= n] or [-math.inf])]
        n_folds = min([N_FOLDS, *behind]) if len(ran) >= TRIALS_BEFORE_PRUNING else N_FOLDS
        ran.append(scores[:n_folds])
    states = ["done" if len(scores) == N_FOLDS else "stopped" for scores in ran]
    assert list(tuning.trials["state"]) == states
    assert {"done", "stopped"} == set(states)
    np.testing.assert_allclose(tuning.trials["score"], [scores[-1] for scores in ran], rtol=1e-12)
    assert tuning.fits_done == sum(len(scores) for scores in ran) < tuning.fits_planned == 30 * N_FOLDS


def _parameters(tuning):
    return tuning.trials[list(SPACE.search)].to_dict("records")


def test_the_fits_done_are_those_that_were_made():
    folds = Folds(peaked)
    assert tune(folds, SPACE, trials=20, n_folds=N_FOLDS, seed=8).fits_done == folds.fits


def test_a_trial_that_was_stopped_has_no_predictions_and_takes_no_part():
    tuning = tuned(peaked, trials=30, seed=8)
    stopped = set(tuning.trials.loc[tuning.trials["state"] == "stopped", "number"])
    assert stopped
    assert {trial.number for trial in tuning.completed} == set(range(30)) - stopped
    assert all(np.isfinite(trial.out_of_fold).all() for trial in tuning.completed)


@pytest.mark.parametrize("seed", range(3))
def test_pruning_never_stops_the_default_though_it_is_the_worst(seed):
    worst = lambda parameters: -1000.0 if parameters == SPACE.default else peaked(parameters)  # noqa: E731
    tuning = tuned(worst, trials=25, seed=seed)
    assert (tuning.completed[0].number, tuning.completed[0].parameters) == (0, SPACE.default)
    assert tuning.default_score == -1000.0


def test_without_pruning_every_trial_runs_through():
    tuning = tuned(peaked, trials=30, seed=8, prune=False)
    assert set(tuning.trials["state"]) == {"done"}
    assert tuning.fits_done == tuning.fits_planned == 30 * N_FOLDS


def same(first, second):
    assert first.trials.equals(second.trials)
    assert first.parameters == second.parameters
    assert (first.score, first.default_score, first.importances) == (
        second.score,
        second.default_score,
        second.importances,
    )
    assert (first.fits_planned, first.fits_done) == (second.fits_planned, second.fits_done)
    assert [t.parameters for t in first.completed] == [t.parameters for t in second.completed]
    assert [t.out_of_fold.tobytes() for t in first.completed] == [t.out_of_fold.tobytes() for t in second.completed]


def bumpy(parameters):
    """A score that hangs on every parameter, no two trials' alike, and cannot always be had."""
    if parameters["depth"] == 6:
        return math.nan
    return peaked(parameters) - parameters["depth"] / 3 - (parameters["objective"] == "aft")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A study that ran through, and the file in which its trials were kept."""
    kept = Checkpoints(tmp_path_factory.mktemp("kept"))
    tuning = tuned(bumpy, trials=16, seed=11, checkpoints=kept, name="boosted")
    assert Counter(tuning.trials["state"])["stopped"] > 2
    return tuning, (kept.folder / "boosted.jsonl").read_bytes()


def test_keeping_trials_changes_none(uninterrupted):
    same(tuned(bumpy, trials=16, seed=11), uninterrupted[0])


@pytest.mark.parametrize("n_kept", range(17))
def test_a_study_that_goes_on_after_any_trial_ends_as_if_it_had_never_stopped(uninterrupted, n_kept, tmp_path):
    tuning, content = uninterrupted
    kept, folds = Checkpoints(tmp_path), Folds(bumpy)
    (tmp_path / "boosted.jsonl").write_bytes(b"".join(content.splitlines(keepends=True)[:n_kept]))
    resumed = tune(folds, SPACE, trials=16, n_folds=N_FOLDS, seed=11, checkpoints=kept, name="boosted")
    same(resumed, tuning)
    assert (tmp_path / "boosted.jsonl").read_bytes() == content
    # What was done is not done again.
    assert len(folds.asked) == 16 - n_kept


@pytest.mark.parametrize("part", [0.01, 0.3, 0.55, 0.8, 0.999])
def test_a_study_that_was_killed_in_the_middle_of_a_line_ends_as_if_it_had_never_stopped(uninterrupted, part, tmp_path):
    tuning, content = uninterrupted
    (tmp_path / "boosted.jsonl").write_bytes(content[: int(part * len(content))])
    same(tuned(bumpy, trials=16, seed=11, checkpoints=Checkpoints(tmp_path), name="boosted"), tuning)
    assert (tmp_path / "boosted.jsonl").read_bytes() == content


def test_a_study_that_was_killed_in_the_middle_of_a_trial_ends_as_if_it_had_never_stopped(uninterrupted, tmp_path):
    tuning, content = uninterrupted

    class Killed(Folds):
        def __call__(self, parameters):
            if len(self.asked) == 6:
                raise KeyboardInterrupt
            return super().__call__(parameters)

    arguments = {"trials": 16, "n_folds": N_FOLDS, "seed": 11, "name": "boosted", "checkpoints": Checkpoints(tmp_path)}
    with pytest.raises(KeyboardInterrupt):
        tune(Killed(bumpy), SPACE, **arguments)
    same(tune(Folds(bumpy), SPACE, **arguments), tuning)
    assert (tmp_path / "boosted.jsonl").read_bytes() == content


@pytest.mark.parametrize(
    ("lines", "n_good"),
    [
        ([0, 1, 2, 2, 3, 3, 4], 5),  # two processes at one study
        ([0, 1, 1, 0, 2], 3),
        ([0, 1, 3, 4, 2, 5], 2),  # the other's trial 2 is missing: what hangs on it is done again
        ([1, 2, 3], 0),
        ([*range(16), 3], 16),
    ],
)
def test_of_trials_that_two_processes_kept_only_those_in_unbroken_order_count(uninterrupted, lines, n_good, tmp_path):
    tuning, content = uninterrupted
    whole = content.splitlines(keepends=True)
    (tmp_path / "boosted.jsonl").write_bytes(b"".join(whole[number] for number in lines))
    folds = Folds(bumpy)
    resumed = tune(folds, SPACE, trials=16, n_folds=N_FOLDS, seed=11, checkpoints=Checkpoints(tmp_path), name="boosted")
    same(resumed, tuning)
    assert (tmp_path / "boosted.jsonl").read_bytes() == content
    assert len(folds.asked) == 16 - n_good


def test_studies_of_one_folder_are_kept_apart(tmp_path):
    kept = Checkpoints(tmp_path)
    first = tuned(peaked, trials=6, seed=1, checkpoints=kept, name="penalised_cox_clinical")
    second = tuned(bumpy, trials=6, seed=2, checkpoints=kept, name="boosted_clinical")
    same(tuned(peaked, trials=6, seed=1), first)
    same(tuned(bumpy, trials=6, seed=2), second)
