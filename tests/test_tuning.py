"""The search for parameters: what its trials are, and what it promises of the best."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.definition import Choices, LearnerDefinition, Range
from training.tuning import MINIMUM_TRIALS_FOR_IMPORTANCES, tune

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


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_the_default_is_the_first_trial_and_its_score_is_kept(seed):
    tuning = tune(peaked, SPACE, trials=5, seed=seed)
    first = tuning.trials.iloc[0]
    assert {name: first[name] for name in SPACE.search} == {"penalty": 0.5, "depth": 2, "objective": "cox"}
    assert tuning.default_score == first["score"] == peaked(SPACE.default)


@pytest.mark.parametrize("seed", range(5))
def test_the_tuned_score_is_the_best_trials_and_never_below_the_defaults(seed):
    noise = np.random.default_rng(seed)
    tuning = tune(lambda _: float(noise.normal()), SPACE, trials=6, seed=seed)
    assert tuning.score == tuning.trials["score"].max() >= tuning.default_score
    best = tuning.trials.loc[tuning.trials["score"].idxmax()]
    assert all(tuning.parameters[name] == best[name] for name in SPACE.search)


def test_a_default_that_nothing_beats_is_kept():
    at_default = lambda parameters: float(parameters == SPACE.default)  # noqa: E731
    assert tune(at_default, SPACE, trials=8, seed=4).parameters == SPACE.default


def test_equal_seeds_give_equal_trials_and_others_do_not():
    first, second, other = (tune(peaked, SPACE, trials=12, seed=seed).trials for seed in (3, 3, 4))
    assert first.equals(second)
    assert not first.equals(other)


def test_every_trial_lies_in_the_space_and_whole_number_ranges_give_whole_numbers():
    seen = []
    tune(lambda parameters: (seen.append(parameters), 0.0)[1], SPACE, trials=25, seed=6)
    assert len(seen) == 25
    for parameters in seen:
        assert set(parameters) == set(SPACE.default)
        assert parameters["fixed"] == 7
        assert type(parameters["depth"]) is int
        assert all(parameters[name] in dimension for name, dimension in SPACE.search.items())


def test_every_dimension_is_visited_from_end_to_end():
    trials = tune(lambda _: 0.0, SPACE, trials=60, seed=2).trials
    assert set(trials["objective"]) == {"cox", "aft"}
    assert set(trials["depth"]) == {1, 2, 3, 4, 5, 6}
    assert trials["penalty"].min() < 0.05
    assert trials["penalty"].max() > 1.0


def test_importances_name_the_parameter_that_matters():
    importances = tune(peaked, SPACE, trials=60, seed=5).importances
    assert set(importances) == set(SPACE.search)
    assert max(importances, key=importances.__getitem__) == "penalty"
    assert importances["penalty"] > 0.8


def test_too_few_trials_give_no_importances():
    assert tune(peaked, SPACE, trials=MINIMUM_TRIALS_FOR_IMPORTANCES - 1, seed=5).importances == {}


def test_a_score_that_never_varies_gives_no_importances():
    assert tune(lambda _: 0.5, SPACE, trials=20, seed=5).importances == {}


def test_a_learner_without_a_space_is_scored_once():
    tuning = tune(peaked, LearnerDefinition(default={"penalty": 0.2}), trials=9, seed=1)
    assert len(tuning.trials) == 1
    assert tuning.parameters == {"penalty": 0.2}
    assert tuning.score == tuning.default_score == peaked({"penalty": 0.2})


def test_a_score_that_is_not_a_number_counts_as_the_worst():
    only_shallow = lambda parameters: -100.0 if parameters["depth"] == 2 else math.nan  # noqa: E731
    tuning = tune(only_shallow, SPACE, trials=20, seed=1)
    assert tuning.parameters["depth"] == 2
    assert tuning.score == -100.0
    assert (tuning.trials.loc[tuning.trials["depth"] != 2, "score"] == -math.inf).all()
    assert all(math.isfinite(share) for share in tuning.importances.values())


def test_where_no_trial_can_be_scored_the_default_stands():
    tuning = tune(lambda _: math.nan, SPACE, trials=10, seed=1)
    assert tuning.parameters == SPACE.default
    assert tuning.score == tuning.default_score == -math.inf
    assert tuning.importances == {}
