"""Advice on endpoints: the table's counts as the paper sums them up, and what has no advice."""

from __future__ import annotations

import pytest

from features.cancer_types import tcga_codes
from features.cohort import ENDPOINTS
from features.endpoint_advice import (
    CAUTION,
    NOT_RECOMMENDED,
    RECOMMENDED,
    UNAVAILABLE,
    VERDICTS,
    endpoint_advice,
)

CANCER_TYPES = sorted({*tcga_codes().values()} - {"COADREAD"} | {"COAD", "READ"})


def verdicts(endpoint: str) -> dict[str, str]:
    return {k: endpoint_advice(k, endpoint).verdict for k in CANCER_TYPES}


def test_every_cancer_type_of_tcga_has_a_verdict_on_every_endpoint():
    assert len(CANCER_TYPES) == 33
    assert {verdict for endpoint in ENDPOINTS for verdict in verdicts(endpoint).values()} == set(VERDICTS)


@pytest.mark.parametrize(("endpoint", "n"), [("OS", 23), ("PFI", 29)])
def test_as_many_cancer_types_are_sound_as_the_paper_counts(endpoint, n):
    assert sum(v == RECOMMENDED for v in verdicts(endpoint).values()) == n


def test_the_cancer_types_whose_four_endpoints_are_all_sound_are_the_papers():
    sound = [k for k in CANCER_TYPES if all(verdicts(e)[k] == RECOMMENDED for e in ENDPOINTS)]
    assert sound == [
        "BLCA",
        "CESC",
        "COAD",
        "ESCA",
        "HNSC",
        "KIRP",
        "LUAD",
        "LUSC",
        "OV",
        "PAAD",
        "SARC",
        "STAD",
        "UCEC",
    ]


def test_the_cancer_types_with_one_usable_endpoint_or_none_are_the_papers():
    usable = {k: sum(verdicts(e)[k] in {RECOMMENDED, CAUTION} for e in ENDPOINTS) for k in CANCER_TYPES}
    assert [k for k, n in usable.items() if n == 1] == ["DLBC", "LAML", "THYM"]
    assert [k for k, n in usable.items() if n == 0] == ["PCPG"]


def test_disease_free_interval_is_unavailable_where_it_cannot_be_derived():
    assert [k for k, v in verdicts("DFI").items() if v == UNAVAILABLE] == ["LAML", "SKCM", "THYM", "UVM"]


def test_a_warning_says_why_and_what_would_be_better():
    advice = endpoint_advice("BRCA", "OS")
    assert advice.verdict == CAUTION
    assert advice.is_warning
    assert "longer follow-up; recommended: DFI, PFI (Liu et al. 2018" in advice.sentence
    assert "no endpoint is recommended" in endpoint_advice("PCPG", "PFI").sentence


def test_every_warning_has_a_reason():
    warned = [endpoint_advice(k, e) for k in CANCER_TYPES for e in ENDPOINTS if endpoint_advice(k, e).is_warning]
    assert all(": ;" not in advice.sentence for advice in warned)
    assert not endpoint_advice("KIRC", "OS").is_warning


@pytest.mark.parametrize(
    ("endpoint", "verdict"), [("OS", CAUTION), ("DSS", CAUTION), ("DFI", NOT_RECOMMENDED), ("PFI", RECOMMENDED)]
)
def test_colon_and_rectum_together_are_as_sound_as_the_worse(endpoint, verdict):
    advice = endpoint_advice("COADREAD", endpoint)
    assert advice.verdict == verdict
    assert verdict == RECOMMENDED or "TCGA's READ, a part of COADREAD" in advice.sentence


@pytest.mark.parametrize(
    ("cancer_type", "endpoint"), [("SIMULATED-KIRC", "OS"), ("CLL", "OS"), ("KIRC", "reason"), ("KIRC", "EFS")]
)
def test_what_was_not_studied_has_no_advice(cancer_type, endpoint):
    assert endpoint_advice(cancer_type, endpoint) is None
