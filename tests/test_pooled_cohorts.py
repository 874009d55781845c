"""Cohorts put together: nobody twice, nothing dropped unsaid, and each one found again as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.cohort import Cohort
from features.errors import CohortError
from features.ledger import Ledger
from features.persons import own_identifiers
from features.pooled_cohorts import pooled, stratum


def cohort_of(patients, *, source="plain table A", genes=("CD44", "CXCR4"), time=None, **changed):
    n = len(patients)
    values = np.arange(n * len(genes), dtype=float).reshape(n, len(genes))
    clinical = {"age": np.linspace(50, 70, n), "sex": ["female"] * n}
    return Cohort(
        **{
            "cancer_type": "KIRC",
            "endpoint": "OS",
            "scale": "log2_tpm_1",
            "zscore_reference": None,
            "expression": pd.DataFrame(values, index=patients, columns=list(genes)),
            "clinical": pd.DataFrame(clinical, index=patients),
            "time": np.arange(1.0, n + 1) if time is None else np.asarray(time, float),
            "event": np.ones(n, dtype=bool),
            "source": source,
        }
        | changed
    )


A = cohort_of(["a1", "a2", "a3"])
B = cohort_of(["b1", "b2"], source="plain table B", genes=("CXCR4", "CD44", "KRT8"))


def entries(cohort, words):
    return [entry for entry in cohort.ledger.entries if words in entry.what]


def test_every_patient_keeps_values_outcome_and_cohort():
    both = pooled([A, B])
    assert list(both.patients) == ["a1", "a2", "a3", "b1", "b2"]
    assert both.strata.tolist() == ["A"] * 3 + ["B"] * 2
    np.testing.assert_array_equal(both.time, [1, 2, 3, 1, 2])
    for cohort in (A, B):
        pd.testing.assert_frame_equal(
            both.expression.loc[cohort.patients], cohort.expression[["CD44", "CXCR4"]], check_index_type=False
        )
    assert both.source == "A: plain table A; B: plain table B"


def test_genes_that_not_all_have_are_dropped_and_said():
    both = pooled([A, B])
    assert list(both.expression) == ["CD44", "CXCR4"]
    [entry] = entries(both, "not all pooled cohorts have")
    assert (entry.action, entry.what.split(":")[0], entry.examples) == ("dropped", "B", ("KRT8",))


def test_a_patient_of_two_cohorts_is_kept_in_the_first():
    # The same barcode, one of a patient and one of a sample: TCGA's patient all the same.
    first = cohort_of(["TCGA-AA-0001", "TCGA-AA-0002"])
    second = cohort_of(["TCGA-AA-0002-01", "TCGA-AA-0003-01"], source="B", time=[500.0, 600.0])
    both = pooled([first, second])
    assert list(both.patients) == ["TCGA-AA-0001", "TCGA-AA-0002", "TCGA-AA-0003-01"]
    [entry] = entries(both, "in a cohort before it too")
    assert entry.examples == ("TCGA-AA-0002-01",)


def test_an_identifier_that_stands_for_two_persons_is_kept_twice_under_two_names():
    second = cohort_of(["a1", "b2"], source="B", time=[500.0, 600.0])
    both = pooled([A, second])
    assert list(both.patients) == ["a1", "a2", "a3", "B/a1", "b2"]
    assert own_identifiers(both) == ["a1", "a2", "a3", "a1", "b2"]
    assert entries(both, "taken for other patients")[0].count == 1


def numbered(n, **changed):
    return cohort_of([f"P{number:03d}" for number in range(n)], **changed)


def clinical_of(n, seed):
    rng = np.random.default_rng(seed)
    values = {"age": rng.uniform(30, 90, n), "sex": rng.choice(["female", "male"], n)}
    return pd.DataFrame(values, index=[f"P{number:03d}" for number in range(n)])


def test_a_later_export_of_the_same_patients_is_refused():
    old = numbered(40, clinical=clinical_of(40, 1), event=np.arange(40) % 2 == 0)
    # Who was dead stays as he was; the others were followed on.
    new = numbered(50, source="B", clinical=clinical_of(50, 2), time=np.where(old_dead(50), np.arange(1.0, 51), 99.0))
    new.clinical.iloc[:40] = old.clinical
    with pytest.raises(CohortError, match=r"B shares 40 of 40 identifiers with A, 20 of them with another follow-up"):
        pooled([old, new])
    with pytest.raises(CohortError, match=r"counted twice\. Leave the older export out"):
        pooled([new, B, old], ["new", "else", "old"])


def old_dead(n):
    return np.arange(n) % 2 == 0


def test_running_numbers_of_other_people_are_pooled():
    one, other = (numbered(40, clinical=clinical_of(40, seed), source=f"hospital {seed}") for seed in (1, 2))
    both = pooled([one, replace(other, time=other.time + 7)], ["one", "two"])
    assert len(both.time) == 80
    assert list(both.patients[40:42]) == ["two/P000", "two/P001"]


def test_the_same_export_twice_counts_everyone_once():
    one = numbered(40, clinical=clinical_of(40, 1))
    longer = cohort_of([*one.patients, "b1"], source="B", clinical=pd.concat([one.clinical, B.clinical[:1]]))
    both = pooled([one, longer])
    assert list(both.patients) == [*one.patients, "b1"]
    assert entries(both, "in a cohort before it too")[0].count == 40


@pytest.mark.parametrize(("n_shared", "refused"), [(4, False), (8, False), (9, True)])
def test_namesakes_of_whom_nothing_tells_are_refused_unless_few(n_shared, refused):
    one, names = numbered(40), [f"{'P' if number < n_shared else 'Q'}{number:03d}" for number in range(50)]
    other = cohort_of(names, source="B", time=np.arange(101.0, 151))
    one, other = (replace(each, clinical=each.clinical[["sex"]]) for each in (one, other))
    if refused:
        with pytest.raises(CohortError, match=r"9 of 40 identifiers.*no clinical column tells"):
            pooled([one, other])
    else:
        assert len(pooled([one, other]).time) == 90


def test_a_cohort_is_found_again_on_its_own_scale():
    other = replace(B, scale="zscore", zscore_reference="study:z")
    found = stratum(pooled([A, other]), "B")
    assert (found.scale, found.zscore_reference, found.source) == ("zscore", "study:z", "plain table B")
    assert (found.strata, found.parts) == (None, ())
    np.testing.assert_array_equal(found.expression["CD44"], B.expression["CD44"])


def test_the_scale_is_the_largest_cohorts():
    assert pooled([replace(B, scale="zscore", zscore_reference="study:z"), A]).scale == A.scale


def test_a_subset_keeps_each_patients_cohort():
    assert pooled([A, B]).subset(np.array([4, 0])).strata.tolist() == ["B", "A"]


def test_the_digest_counts_who_is_of_which_cohort_and_that_of_one_cohort_alone_stays():
    both = pooled([A, B])
    assert both.digest() != pooled([A, B], ["A", "C"]).digest()
    assert both.digest() != replace(both, strata=None, parts=()).digest()
    # Of this cohort, as it was before cohorts could be pooled.
    assert A.digest() == "8f2b1ebae319cc350d87bee85f10cc0729b47e18b9b48ec23088d209e98bb59f"


def test_clinical_columns_of_different_kinds_are_dropped_and_missing_ones_kept():
    first = replace(A, clinical=A.clinical.assign(grade=["G1", "G2", "G3"], receptor=[0.0, 1.0, 1.0]))
    second = replace(B, clinical=B.clinical.assign(receptor=["yes", "no"]))
    both = pooled([first, second])
    assert list(both.clinical) == ["age", "sex", "grade"]
    assert both.clinical["grade"].tolist()[:3] == ["G1", "G2", "G3"]
    assert both.clinical["grade"].isna().tolist() == [False] * 3 + [True] * 2
    assert both.clinical["age"].dtype == np.float64
    assert entries(both, "numbers in one cohort")[0].examples == ("receptor",)
    assert entries(both, "not all pooled cohorts know")[0].examples == ("grade",)


def test_names_come_from_the_sources_and_are_made_unique():
    third = cohort_of(["c1"], source="plain table a", time=[9.0])
    assert [part.name for part in pooled([A, B, third]).parts] == ["A", "B", "a-2"]


def test_the_ledger_says_of_which_cohort_each_entry_is():
    noted = replace(B, ledger=Ledger().with_note("dropped", "normal samples", 7))
    assert entries(pooled([A, noted]), "B: normal samples")[0].count == 7


@pytest.mark.parametrize(
    ("cohorts", "names", "words"),
    [
        ([A], None, "two cohorts or more"),
        ([A, replace(B, cancer_type="SIMULATED-KIRC")], None, "never stand beside real ones"),
        ([A, replace(B, endpoint="DSS")], None, "endpoints must be equal"),
        ([A, pooled([A, B])], None, "is pooled already"),
        ([A, cohort_of(["b1"], source="B", genes=("KRT8",))], None, "no gene is in all of A, B"),
        ([A, replace(B, event=np.zeros(2, dtype=bool))], None, "B has no event"),
        ([A, replace(A, source="again")], None, "again has no event among the 0 patients"),
        ([A, B], ["one"], "2 cohorts are to be pooled, but 1 names"),
        ([A, B], ["one", "../two"], "cannot name a cohort"),
        ([A, B], ["one", "ONE"], "must differ"),
    ],
)
def test_what_cannot_be_pooled_is_refused(cohorts, names, words):
    with pytest.raises(CohortError, match=words):
        pooled(cohorts, names)


def test_strata_and_parts_go_together():
    both = pooled([A, B])
    for broken in ({"parts": ()}, {"strata": None}, {"strata": both.strata[:2]}):
        with pytest.raises(CohortError, match="needs the name of one"):
            replace(both, **broken)
    with pytest.raises(CohortError, match="none of the pooled cohorts"):
        replace(both, strata=np.repeat("C", 5))


def test_a_cohort_that_was_not_pooled_is_not_found():
    with pytest.raises(CohortError, match="no cohort called 'C' was pooled; those that were: A, B"):
        stratum(pooled([A, B]), "C")
    with pytest.raises(CohortError, match="one cohort alone"):
        stratum(A, "A")
