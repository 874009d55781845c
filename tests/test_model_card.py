"""The model card: every item there, every figure the training's, nothing made up, nothing of a patient."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments.artifacts import write_training
from experiments.card_markdown import NOT_ASSESSED, escaped, html_page, interval, table
from experiments.contribution_figures import coefficients, members_of
from experiments.metric_words import BY_HORIZON, WHOLE, told
from experiments.model_card import model_card, model_card_html
from experiments.tripod_ai import AUTHORS, CHECKLIST
from features.ledger import Ledger
from features.panel import Panel
from training.estimate import Estimate
from training.evaluation import GAIN
from training.metrics import METRICS
from training.results import GateVerdict, RandomSignatures

#: Numbers of the published checklist (Collins et al. 2024, table 2), typed from it and not from our own list.
PUBLISHED = [
    *(
        "1",
        "2",
        "3a",
        "3b",
        "3c",
        "4",
        "5a",
        "5b",
        "6a",
        "6b",
        "6c",
        "7",
        "8a",
        "8b",
        "8c",
        "9a",
        "9b",
        "9c",
        "10",
        "11",
    ),
    *("12a", "12b", "12c", "12d", "12e", "12f", "12g", "13", "14", "15", "16", "17"),
    *("18a", "18b", "18c", "18d", "18e", "18f", "19", "20a", "20b", "20c", "21", "22", "23a", "23b", "24"),
    *("25", "26", "27a", "27b", "27c"),
]
#: What no training can know, whatever it is of.
FOR_THE_AUTHORS = ("6a", "8b", "8c", "17", "18a", "18b", "18d", "19")
ATTACK = "<script>alert(1)</script> **bold** | cell [link](javascript:alert(1)) `code` &lt;b&gt;"


def items(card: str) -> dict[str, str]:
    """Return the text of each item by its number."""
    parts = re.split(r"^### (\S+) · .*$", card, flags=re.MULTILINE)
    return {
        name: re.split(r"^#{1,2} ", text, flags=re.MULTILINE)[0].strip()
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def figures(text: str) -> dict[str, str]:
    """Return the last cell of each row of the tables by the first."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: row[-1] for row in rows}


@pytest.fixture
def card(small_training):
    return model_card(small_training)


@pytest.fixture
def reported(small_training):
    return small_training.evaluations["penalised_cox"]


def with_reported_metrics(result, metrics):
    evaluation = replace(result.evaluations["penalised_cox"], metrics=metrics)
    return replace(result, evaluations={**result.evaluations, "penalised_cox": evaluation})


def test_every_item_of_the_published_checklist_is_in_the_card_once_and_in_order(card):
    assert re.findall(r"^### (\S+) ·", card, flags=re.MULTILINE) == PUBLISHED
    assert [number for section in CHECKLIST.values() for number in section] == PUBLISHED


def test_no_item_is_empty(card):
    assert all(items(card).values())


def test_what_a_machine_cannot_know_is_left_to_the_authors(card):
    found = items(card)
    for number in FOR_THE_AUTHORS:
        assert found[number].startswith(f"**{AUTHORS}**")


def test_every_metric_of_the_card_is_the_trainings(small_training, card, reported):
    shown = figures(items(card)["23a"])
    horizons = small_training.model.horizons_months
    for name, words, estimate in told(reported.metrics, horizons):
        assert shown[words] == interval(estimate), name
    assert f"{reported.metrics['concordance_harrell'].value:.3f}" in shown[WHOLE["concordance_harrell"]]


def test_every_learner_and_baseline_stands_with_its_concordance(small_training, card):
    rows = [line for line in items(card)["23a"].splitlines() if line.startswith("| ")]
    for name, evaluation in small_training.evaluations.items():
        (row,) = [row for row in rows if row.startswith(f"| {name} |")]
        assert f"| {interval(evaluation.metrics['concordance_harrell'])} |" in row


def test_a_metric_that_is_missing_or_not_a_number_is_not_assessed(small_training):
    bare = with_reported_metrics(small_training, {"calibration_slope": Estimate(np.nan, np.nan, np.nan)})
    shown = figures(items(model_card(bare))["23a"])
    expected = [words for _, words, _ in told({}, small_training.model.horizons_months)]
    assert {shown[words] for words in expected} == {NOT_ASSESSED}


def test_every_metric_that_a_training_should_have_is_told_with_its_horizon(small_training):
    months = small_training.model.horizons_months
    names = [name for name, _, _ in told({}, months)]
    assert set(WHOLE) < set(names)
    assert all(f"{stem}_{month:g}m" in names for stem in BY_HORIZON for month in months)


def test_every_metric_that_the_judge_takes_is_defined_and_told(card):
    defined, shown = items(card)["12e"], {*WHOLE, *BY_HORIZON}
    for name, metric in METRICS.items():
        assert f"| {name} | {escaped(metric.definition)} | {metric.direction} |" in defined
        assert name in shown
        assert metric.at_horizons == (name in BY_HORIZON)


def test_a_metric_that_the_card_has_no_words_for_is_told_by_its_name(small_training):
    more = with_reported_metrics(small_training, {"new_metric": Estimate(0.123, 0.1, 0.2)})
    assert figures(items(model_card(more))["23a"])["new_metric"] == "0.123 (0.100 to 0.200)"


def test_an_estimate_without_bounds_says_that_it_has_no_interval():
    assert interval(Estimate(0.5, np.nan, np.nan)) == "0.500 (no interval)"


def test_a_training_without_tables_or_null_says_so_and_makes_nothing_up(small_training):
    found = items(model_card(replace(small_training, tables={}, random_signatures=None)))
    assert f"Random gene sets: {NOT_ASSESSED}" in found["23a"]
    assert found["23a"].count(f"*{NOT_ASSESSED}*") == 2  # subgroups, proportional hazards
    assert f"Events per parameter: {NOT_ASSESSED}" in found["10"]


def test_subgroups_and_the_null_stand_with_their_figures(small_training):
    groups = pd.DataFrame(
        {"column": ["sex", "stage"], "group": ["male", "IV"], "n": [70, 9], "events": [20, 7],
         "concordance": [0.71, np.nan], "lower": [0.6, np.nan], "upper": [0.8, np.nan], "horizon_months": 36.0,
         "log_observed_expected": [0.1, np.nan], "log_observed_expected_lower": [-0.2, np.nan],
         "log_observed_expected_upper": [0.4, np.nan]}
    )  # fmt: skip
    null = RandomSignatures(1500, "curated genes", 14, np.linspace(0.6, 0.7, 50), 0.69, 90.0, 0.1176, clinical=0.66)
    found = items(model_card(replace(small_training, tables={"subgroups": groups}, random_signatures=null)))
    assert "| sex | male | 70 | 20 | 0.710 (0.600 to 0.800) | 0.100 (-0.200 to 0.400) |" in found["23a"]
    assert f"| stage | IV | 9 | 7 | {NOT_ASSESSED} | {NOT_ASSESSED} |" in found["23a"]
    assert "log observed/expected risk at 36 months" in found["23a"]
    assert "`tables/subgroups.csv`" in found["23a"]
    assert "(0.690) exceeds 90.0 % of 50 random sets of 14 genes (p 0.1176), drawn from curated genes." in found["23a"]
    assert "come from a ridge Cox on clinical covariates and the genes, tuned the same way for every" in found["23a"]
    assert "without any gene its concordance is 0.660." in found["23a"]


def test_a_null_that_could_not_be_assessed_gives_its_reason(small_training):
    none = RandomSignatures(3, "curated genes", 14, np.empty(0), 0.7, np.nan, np.nan, "too few other genes")
    found = items(model_card(replace(small_training, random_signatures=none)))
    assert f"{NOT_ASSESSED} (too few other genes)" in found["25"]


def test_the_coefficients_of_the_card_are_the_kept_models(small_training, card):
    shown = [line.strip("| ").split(" | ") for line in items(card)["22"].splitlines() if line.startswith("| ")]
    variant = small_training.model.variants["clinical"]
    expected = coefficients(members_of(variant), len(variant.features.covariates))
    first = shown[2 : 2 + np.count_nonzero(expected)]
    assert [float(row[2]) for row in first] == pytest.approx(
        sorted(expected[expected != 0], key=abs, reverse=True), abs=1e-4
    )
    names = [variant.features.covariates[j].name for j in np.argsort(-np.abs(expected), kind="stable")]
    assert [row[0] for row in first] == names[: len(first)]


def test_the_counts_of_the_characteristics_are_the_cohorts(small_training, card):
    rows = items(card)["20b"]
    clinical, event = small_training.cohort.clinical, small_training.cohort.event
    for group, members in clinical.groupby("stage").groups.items():
        of_group = clinical.index.isin(members)
        assert f"| stage | {group} | {of_group.sum()} | {event[of_group].sum()} |" in rows


def test_the_folds_of_the_card_add_up_to_the_cohort(small_training, card):
    rows = [line.strip("| ").split(" | ") for line in items(card)["21"].splitlines() if line.startswith("| ")][2:]
    assert len(rows) == sum(int(labels.max()) + 1 for labels in small_training.folds)
    assert sum(int(row[-1]) for row in rows) == small_training.cohort.n_events * len(small_training.folds)


@pytest.mark.parametrize(
    ("verdicts", "passed", "word"),
    [
        (("passed", "passed"), True, "passed"),
        (("failed", "could not be assessed"), False, "failed"),
        (("passed", "could not be assessed"), False, "could not be assessed"),
    ],
)
def test_the_gate_stands_clause_by_clause(small_training, verdicts, passed, word):
    clauses = tuple((f"clause_{i}", verdict, f"figure {i}") for i, verdict in enumerate(verdicts))
    card = model_card(replace(small_training, gate=GateVerdict(passed, clauses)))
    assert f"Verdict: **{word}**" in card
    assert all(f"| clause {i} | {verdict} | figure {i} |" in card for i, verdict in enumerate(verdicts))


def test_the_digest_of_the_bundle_is_named_where_it_is_known(small_training):
    assert "`" + "ab" * 32 + "`" in items(model_card(small_training, bundle_digest="ab" * 32))["22"]
    assert "tag `bundle_digest`" in items(model_card(small_training))["22"]


def test_digests_versions_and_seeds_stand_in_the_card(small_training, card):
    found = items(card)
    assert small_training.model.cohort.digest in found["18e"]
    assert small_training.model.provenance["definition_digest"] in found["18c"]
    assert f"seed {small_training.definition.seed}" in found["18c"]
    assert f"`{small_training.model.provenance['code_version']}`" in found["18f"]


def test_no_patient_is_named(small_training):
    first, second = map(str, small_training.cohort.patients[:2])
    ledger = small_training.cohort.ledger.with_entry("dropped", "patients without OS status or time", [first, second])
    card = model_card(replace(small_training, cohort=replace(small_training.cohort, ledger=ledger)))
    assert "dropped 2: patients without OS status or time" in items(card)["20a"]
    assert not any(str(patient) in card for patient in small_training.cohort.patients)


def test_no_path_of_the_users_panel_is_told(small_training):
    features = small_training.definition.features.model_copy(update={"panel": "/home/somebody/secret/panel.toml"})
    definition = small_training.definition.model_copy(update={"features": features})
    panel = Panel("own", small_training.model.panel.genes, small_training.model.panel.interactions)
    own = replace(small_training, definition=definition, model=replace(small_training.model, panel=panel))
    card = model_card(own)
    assert "somebody" not in card
    assert f"**{AUTHORS}**: how its genes were chosen" in items(card)["9a"]


def test_simulated_patients_are_called_so_first_and_real_ones_are_not(small_training, card):
    real = replace(small_training, cohort=replace(small_training.cohort, cancer_type="KIRC"))
    assert "SIMULATED" in card.split("## Gate")[0]
    assert "SIMULATED patients" not in model_card(real)


def test_an_inherited_z_score_and_an_unsound_endpoint_are_warned_of(small_training):
    cohort = replace(
        small_training.cohort, cancer_type="BRCA", endpoint="DSS", scale="zscore", zscore_reference="brca:all samples"
    )
    card = model_card(replace(small_training, cohort=cohort))
    top = card.split("## Gate")[0]
    assert "z-scores (reference: brca:all samples)" in top
    assert "was inherited" in top
    assert "DSS of TCGA's BRCA" in top
    assert "net: as if nobody died of anything else" in items(card)["8a"]


def test_each_warning_is_told_once_at_the_top(small_training):
    warnings = pd.DataFrame({"warning": ["few events.", "few events.", "short follow-up."]})
    top = model_card(replace(small_training, tables={"diagnostic_warnings": warnings})).split("## Gate")[0]
    assert top.count("Few events.") == 1
    assert "Short follow-up." in top


def test_markup_in_a_cohorts_source_is_shown_and_not_obeyed(small_training):
    hostile = replace(
        small_training,
        cohort=replace(small_training.cohort, source=ATTACK, ledger=Ledger().with_note("kept", ATTACK, 1)),
    )
    page, card = model_card_html(hostile), model_card(hostile)
    assert "<script" not in page
    assert "<script" not in card
    assert "<strong>bold</strong>" not in page
    assert "href" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; **bold** | cell" in page


def test_text_from_data_comes_back_letter_by_letter_out_of_a_table():
    page = html_page(table(("name",), [(ATTACK,)]), title="<t>")
    assert (
        "<td>&lt;script&gt;alert(1)&lt;/script&gt; **bold** | cell [link](javascript:alert(1)) `code` &amp;lt;b" in page
    )
    assert "<title>&lt;t&gt;</title>" in page


def test_an_underscore_within_a_word_is_not_emphasis_and_one_at_its_edge_is_escaped():
    assert escaped("ctc_core _x_") == r"ctc_core \_x\_"
    assert "<em>" not in html_page(escaped("a_b_c _x_ *y*"), title="")


def test_the_page_stands_alone_and_holds_the_tables(small_training):
    page = model_card_html(small_training)
    assert page.startswith("<!doctype html>")
    assert "http" not in page
    assert page.count("<table>") == model_card(small_training).count("| --- |\n")
    assert all(f"<h3>{number} · " in page for number in PUBLISHED)


def test_the_remark_profile_gives_every_analysis_its_patients_and_events(small_training, card):
    profile = card.split("# REMARK profile")[1]
    rows = [line.strip("| ").split(" | ") for line in profile.split("**(b)")[1].splitlines() if line.startswith("| ")][
        2:
    ]
    assert len(rows) >= 4 + len(small_training.evaluations)
    assert all(re.fullmatch(r"\d+( to \d+)?", cell) for row in rows for cell in row[1:3])
    counts = [str(len(small_training.cohort.patients)), str(small_training.cohort.n_events)]
    assert sum(row[1:3] == counts for row in rows) >= len(small_training.evaluations)
    assert "(reported)" in profile


def test_a_training_without_clinical_covariates_has_a_card(small_training):
    genes_only = {"genes_only": small_training.model.variants["genes_only"]}
    features = small_training.definition.features.model_copy(update={"clinical": ()})
    keep = ("kaplan_meier", "penalised_cox_genes_only")
    metrics = {k: v for k, v in small_training.evaluations[keep[1]].metrics.items() if k != GAIN}
    evaluation = replace(small_training.evaluations[keep[1]], metrics=metrics)
    result = replace(
        small_training,
        cohort=replace(small_training.cohort, clinical=small_training.cohort.clinical[[]]),
        definition=small_training.definition.model_copy(update={"features": features}),
        evaluations={keep[0]: small_training.evaluations[keep[0]], keep[1]: evaluation},
        model=replace(small_training.model, variants=genes_only),
    )
    found = items(model_card(result))
    assert f"Beyond clinical covariates: {NOT_ASSESSED}." in found["25"]
    assert found["20b"] == f"*{NOT_ASSESSED}*"


def test_card_tables_and_random_signatures_are_written_beside_the_pictures(small_training, reported, tmp_path):
    null = RandomSignatures(1500, "curated genes", 14, np.array([0.6, 0.7]), 0.69, np.nan, np.nan, clinical=0.66)
    groups = pd.DataFrame({"column": ["sex"], "group": ["male"], "n": [70], "events": [20],
                           "concordance": [0.7], "lower": [0.6], "upper": [0.8]})  # fmt: skip
    result = replace(small_training, tables={"subgroups": groups}, random_signatures=null)
    write_training(result, reported, tmp_path, bundle_digest="ab" * 32)
    assert (tmp_path / "model_card.md").read_text(encoding="utf-8") == model_card(result, bundle_digest="ab" * 32)
    assert (tmp_path / "model_card.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "tables" / "subgroups.csv"), groups)
    written = pd.read_csv(tmp_path / "tables" / "random_signatures.csv")
    assert written["concordance_harrell"].tolist() == [0.6, 0.7]
    null_json = json.loads((tmp_path / "tables" / "random_signatures.json").read_text(encoding="utf-8"))
    assert (null_json["percentile"], null_json["model"], null_json["clinical"]) == (None, 0.69, 0.66)
    assert (tmp_path / "figures" / "random_signatures.png").stat().st_size > 5000
