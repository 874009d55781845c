"""The paired difference of champion and challenger: against R, and against a bootstrap written out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.brier import censoring_distribution
from training.concordance import concordance, harrell_pairs
from training.evaluation import Judge
from training.metrics import estimated
from training.paired_comparison import BRIER, CONCORDANCE, SLOPE, Predictions, compared, of_patients
from training.pooled_judge import PooledJudge

ORACLES = Path(__file__).parent / "oracles"
NUMBERS = json.loads((ORACLES / "challenge.json").read_text())
PATIENTS = pd.read_csv(ORACLES / "challenge.csv")
DAYS = np.linspace(40.0, 1600.0, 40)


def columns(*names: str) -> np.ndarray:
    return PATIENTS[list(names)].to_numpy(np.float64).T


def judge(counts: np.ndarray | None = None) -> Judge:
    time, event = columns("time")[0], columns("event")[0] > 0
    return Judge(
        time=time,
        event=event,
        folds=columns("fold_1", "fold_2").astype(np.int64) - 1,
        counts=columns("s.1", "s.2", "s.3", "s.4") if counts is None else counts,
        horizon_days=1600.0,
        horizons_months=(12.0, 36.0),
        grid_days=DAYS,
        censoring=censoring_distribution(time, event),
    )


def pooled_judge() -> PooledJudge:
    of_all, strata = judge(), (PATIENTS["cohort"] == "B").to_numpy(np.int64)
    alone = {name: of_all.among(strata == number) for number, name in enumerate("AB")}
    alone = {name: replace(own, censoring=censoring_distribution(own.time, own.event)) for name, own in alone.items()}
    return PooledJudge(**vars(of_all), strata=strata, alone=alone)


def survival_of(linear_predictor: np.ndarray) -> np.ndarray:
    return np.exp(-np.exp(linear_predictor)[..., None] * DAYS / 1200)


@pytest.fixture
def champion() -> Predictions:
    locked = columns("champion", "champion")
    return Predictions(locked, survival_of(locked))


@pytest.fixture
def challenger() -> Predictions:
    out_of_fold = columns("challenger_1", "challenger_2")
    return Predictions(out_of_fold, survival_of(out_of_fold))


@pytest.mark.parametrize(("which", "key"), [(judge, "within_folds"), (pooled_judge, "within_folds_and_cohorts")])
def test_concordance_and_its_difference_equal_rs_in_every_sample(champion, challenger, which, key):
    expected, found = NUMBERS[key], which()
    old, new = (found.concordance(each.linear_predictor) for each in (champion, challenger))
    np.testing.assert_allclose(old, expected["champion"], rtol=1e-12)
    np.testing.assert_allclose(new, expected["challenger"], rtol=1e-12)
    difference = compared(found, champion, challenger)[CONCORDANCE].difference
    of_samples = np.array(expected["difference"][1:])
    np.testing.assert_allclose(difference.value, expected["difference"][0], rtol=1e-10)
    np.testing.assert_allclose(
        [difference.lower, difference.upper], np.quantile(of_samples, [0.025, 0.975]), rtol=1e-10
    )


def test_the_interval_is_that_of_patients_drawn_with_both_predictions_and_all_their_repeats(champion, challenger):
    rng = np.random.default_rng(7)
    n = len(PATIENTS)
    drawn = [rng.integers(0, n, n) for _ in range(40)]
    counts = np.array([np.bincount(sample, minlength=n) for sample in drawn], dtype=np.float64)
    found = compared(judge(counts), champion, challenger)[CONCORDANCE]

    def written_out(linear_predictor: np.ndarray, rows: np.ndarray) -> float:
        by_repeat = []
        for predictor, folds in zip(linear_predictor, judge().folds, strict=True):
            of_folds = [rows[folds[rows] == fold] for fold in range(3)]
            pairs = [harrell_pairs(predictor[m], judge().time[m], judge().event[m]) for m in of_folds]
            by_repeat.append(sum(p.concordant.sum() for p in pairs) / sum(p.comparable.sum() for p in pairs))
        return float(np.mean(by_repeat))

    differences = [
        written_out(challenger.linear_predictor, rows) - written_out(champion.linear_predictor, rows) for rows in drawn
    ]
    np.testing.assert_allclose(
        [found.difference.lower, found.difference.upper], np.quantile(differences, [0.025, 0.975]), rtol=1e-10
    )
    # Paired: what both have in common is not in it.
    widths = [found.champion.upper - found.champion.lower, found.challenger.upper - found.challenger.lower]
    assert found.difference.upper - found.difference.lower < np.hypot(*widths)


def test_a_challenger_that_is_the_champion_differs_by_nothing_at_all(champion):
    for found in compared(judge(), champion, champion).values():
        assert found.champion == found.challenger
        assert (found.difference.value, found.difference.lower, found.difference.upper) == (0.0, 0.0, 0.0)


def test_slope_and_brier_score_are_the_judges_own(champion, challenger):
    found, of_all = compared(judge(), champion, challenger), judge()
    assert list(found) == [CONCORDANCE, BRIER, SLOPE]
    assert found[SLOPE].champion == of_all.metrics(champion.linear_predictor, champion.survival)[SLOPE]
    assert found[BRIER].challenger == of_all.metrics(challenger.linear_predictor, challenger.survival)[BRIER]
    np.testing.assert_allclose(
        found[BRIER].difference.value, found[BRIER].challenger.value - found[BRIER].champion.value
    )


def test_slope_and_brier_score_of_pooled_cohorts_are_the_pooled_judges_own(champion, challenger):
    found, pooled = compared(pooled_judge(), champion, challenger), pooled_judge()
    for metric in (CONCORDANCE, BRIER, SLOPE):
        own = pooled.metrics(challenger.linear_predictor, challenger.survival)[metric]
        np.testing.assert_allclose(found[metric].challenger.value, own.value, rtol=1e-12)


def test_the_brier_score_stops_where_one_of_both_stops_answering(champion, challenger):
    until = 800.0
    found = compared(judge(), replace(champion, until_days=until), challenger)[BRIER]
    days = until >= DAYS
    shorter = replace(judge(), grid_days=DAYS[days])
    assert found.challenger == estimated(shorter.integrated_brier(challenger.survival[..., days]))
    assert found.challenger != compared(judge(), champion, challenger)[BRIER].challenger


@pytest.mark.parametrize("change", [{"survival": None}, {"until_days": 50.0}])
def test_without_survival_on_common_days_no_brier_score_is_compared(champion, challenger, change):
    assert list(compared(judge(), replace(champion, **change), challenger)) == [CONCORDANCE, SLOPE]


def test_some_patients_are_compared_as_if_the_others_were_not_there(champion, challenger):
    members = np.arange(len(PATIENTS)) % 3 > 0
    found = compared(judge().among(members), of_patients(champion, members), of_patients(challenger, members))
    pairs = [
        harrell_pairs(predictor[members & (folds == fold)], judge().time[m], judge().event[m])
        for predictor, folds in zip(champion.linear_predictor, judge().folds, strict=True)
        for fold in range(3)
        for m in [members & (folds == fold)]
    ]
    by_repeat = [
        sum(p.concordant.sum() for p in three) / sum(p.comparable.sum() for p in three)
        for three in (pairs[:3], pairs[3:])
    ]
    np.testing.assert_allclose(found[CONCORDANCE].champion.value, np.mean(by_repeat), rtol=1e-12)
    assert all(0 <= concordance(p) <= 1 for p in pairs)
