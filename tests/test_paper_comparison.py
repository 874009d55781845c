"""Table 2 beside cohorts: every row is there, its direction set right, and the words count what the table holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scan_tables import row, table_of

from experiments.paper_comparison import compare_with_table_2, comparison_markdown, summary
from experiments.scan_rows import ScanTableError
from features.panel import load_panel
from features.published import published_hazard_ratios
from features.readers import read_cohort
from training.scan.scan import ScanSettings, scan_cohort


def cuts(gene: str, cancer_type: str, ratios: tuple[float, float, float], **other: object) -> list:
    """Rows per SD, at the median and at the optimal cut, whose naive ratio is the square of the shrunken one."""
    per_sd, median, shrunken = ratios
    return [
        row(gene, cancer_type, per_sd, p=0.01, q=0.03, **other),
        row(gene, cancer_type, median, cut="median", p=0.2, q=0.4, **other),
        row(gene, cancer_type, shrunken**2, cut="optimal", shrunken_hazard_ratio=shrunken, shrunken_lower=shrunken / 2,
            shrunken_upper=shrunken * 2, p_lausen_schumacher_1994=0.04, cut_point=1.5, **other),
    ]  # fmt: skip


@pytest.fixture
def compared() -> pd.DataFrame:
    # Table 2 prints CD44 in KIRC as 0.44, so worse; CDH1 in COAD as 1.89, so better.
    rows = [*cuts("CD44", "KIRC", (1.4, 1.6, 1.9)), *cuts("CDH1", "COADREAD", (0.8, 1.1, 0.9))]
    return compare_with_table_2(table_of(*rows))


def line(compared: pd.DataFrame, gene: str, cancer_type: str) -> pd.Series:
    return compared[(compared["gene"] == gene) & (compared["cancer_type"] == cancer_type)].iloc[0]


def test_every_row_of_table_2_is_there_once_and_in_its_order(compared):
    published = published_hazard_ratios()
    assert compared[["gene", "cancer_type"]].equals(published[["gene", "cancer_type"]])
    assert (compared["hazard_ratio_as_printed"] * compared["hazard_ratio_published"]).to_numpy() == pytest.approx(1.0)


def test_a_row_stands_beside_what_the_scan_found_at_every_cut(compared):
    found = line(compared, "CD44", "KIRC")
    assert found["hazard_ratio_as_printed"] == 0.44
    assert found["hazard_ratio_per_sd"] == 1.4
    assert found["hazard_ratio_median"] == 1.6
    assert found["shrunken_hazard_ratio_optimal"] == 1.9
    assert found["naive_hazard_ratio_optimal_biased"] == pytest.approx(1.9**2)
    assert (found["lower_optimal"], found["upper_optimal"]) == (0.95, 3.8)
    assert found["p_lausen_schumacher_1994_optimal"] == 0.04
    assert (found["n"], found["events"]) == (100, 40)


def test_agreement_is_in_direction_with_the_inverse_of_what_is_printed(compared):
    agrees = ["agrees_per_sd", "agrees_median", "agrees_optimal"]
    assert list(line(compared, "CD44", "KIRC")[agrees]) == ["yes", "yes", "yes"]
    assert list(line(compared, "CDH1", "COAD")[agrees]) == ["yes", "no", "yes"]
    assert compared.loc[compared["not_tested"] != "", agrees].isna().all(axis=None)


def test_the_papers_colon_cancers_stand_beside_the_pooled_cohort(compared):
    assert line(compared, "CDH1", "COAD")["cohort"] == "COADREAD"


def test_a_ratio_of_exactly_one_has_no_direction_and_neither_agrees_nor_not():
    compared = compare_with_table_2(table_of(*cuts("CD44", "KIRC", (1.4, 1.6, 1.0))))
    assert line(compared, "CD44", "KIRC")["agrees_optimal"] == "none"
    assert "0 agree, 0 against, 1 shrunken to exactly 1" in " ".join(summary(compared))


def test_the_naive_ratio_comes_last_and_is_marked(compared):
    optimal = [name for name in compared.columns if name.endswith(("_optimal", "_biased")) and "agrees" not in name]
    assert optimal[-1] == "naive_hazard_ratio_optimal_biased"
    assert optimal.index("shrunken_hazard_ratio_optimal") == 1


def test_too_few_events_are_not_counted_as_significant():
    few = [dict(each, events=4, p=0.001) for each in cuts("CD44", "KIRC", (1.4, 1.6, 1.9))]
    words = " ".join(summary(compare_with_table_2(table_of(*few))))
    assert "p < 0.05 per standard deviation for 0 of 0" in words
    assert "Rows with fewer than 5 events are not counted: 1." in words


def test_a_row_that_could_not_be_tested_says_why():
    rows = [
        row("CD44", "KIRC", np.nan, status="constant", estimator="none"),
        row("CCR1", "LGG", 1.2),
        row("CXCR4", "BRCA", 1.2, endpoint="PFI"),
    ]
    compared = compare_with_table_2(table_of(*rows))
    assert line(compared, "CD44", "KIRC")["not_tested"] == "not estimable: constant"
    assert line(compared, "CD44", "LGG")["not_tested"] == "the cohort lacks the gene, or it was not scanned"
    assert line(compared, "CD44", "THCA")["not_tested"] == "no cohort of THCA"
    assert "scanned for PFI" in line(compared, "CXCR4", "BRCA")["not_tested"]
    assert line(compared, "CCR1", "LGG")["not_tested"] == ""


def test_a_separated_gene_is_judged_by_firths_ratio():
    separated = row("CD44", "KIRC", np.nan, status="separated", estimator="firth", firth_hazard_ratio=9.0)
    found = line(compare_with_table_2(table_of(separated)), "CD44", "KIRC")
    assert found["hazard_ratio_per_sd"] == 9.0
    assert found["agrees_per_sd"] == "yes"
    assert found["not_tested"] == ""


def test_the_words_count_what_the_table_holds(compared):
    words = " ".join(summary(compared))
    n_rows = len(compared)
    assert f"2 of the {n_rows} rows of Table 2 could be tested" in words
    assert "1 of 2 agree with the inverse of the printed hazard ratio, 1 with the ratio as printed" in words
    assert (
        "Per standard deviation, 2 of 2 agree with the inverse. At the optimal cut-off, shrunken: 2 agree, 0 against"
        in words
    )
    assert "CDH1 in COAD; the smallest p among them is 0.2" in words
    assert "at the median split for 0 of 2" in words
    assert "corrected for the search, for 2 of 2" in words
    reasons = compared.loc[compared["not_tested"] != "", "not_tested"].value_counts()
    for reason, count in reasons.items():
        assert f"{count} not: {reason}" in words


def test_the_words_change_with_the_table():
    agreeing = compare_with_table_2(table_of(*cuts("CD44", "KIRC", (1.4, 1.6, 1.9))))
    against = compare_with_table_2(table_of(*cuts("CD44", "KIRC", (0.7, 0.6, 0.5))))
    assert "1 of 1 agree with the inverse of the printed hazard ratio, 0 with" in " ".join(summary(agreeing))
    assert "0 of 1 agree with the inverse of the printed hazard ratio, 1 with" in " ".join(summary(against))
    assert "Against it" not in " ".join(summary(agreeing))


def test_nothing_tested_is_said_and_no_more():
    only = compare_with_table_2(table_of(row("CD44", "ACC", 1.2)))
    lines = summary(only)
    assert len(lines) == 1
    assert lines[0].startswith("0 of the")


def test_a_scan_without_optimal_cuts_is_compared_at_the_others():
    table = table_of(row("CD44", "KIRC", 1.4), row("CD44", "KIRC", 1.6, cut="median"))
    words = " ".join(summary(compare_with_table_2(table)))
    assert "At the optimal cut-off, shrunken: none tested." in words
    assert "nan" not in words


def test_simulated_patients_prove_nothing_of_the_paper():
    compared = compare_with_table_2(table_of(*cuts("CD44", "SIMULATED-KIRC", (1.4, 1.6, 1.9))))
    assert line(compared, "CD44", "KIRC")["cohort"] == "SIMULATED-KIRC"
    assert summary(compared)[0].startswith("SIMULATED")


def test_simulated_and_real_cohorts_are_never_mixed():
    with pytest.raises(ScanTableError, match="never compared"):
        compare_with_table_2(table_of(row("CD44", "SIMULATED-KIRC", 1.2), row("CD44", "LGG", 1.2)))


def test_the_markdown_has_a_line_for_every_row_and_no_naive_ratio(compared):
    text = comparison_markdown(compared)
    rows = [cells for cells in text.splitlines() if cells.startswith("| ")]
    assert len(rows) == 2 + len(compared)
    found = next(cells for cells in rows if cells.startswith("| CD44 | KIRC"))
    assert "| 0.44 | 2.27 | 1.40 (0.95 to 2.07) | 0.01 |" in found
    assert "1.90 (0.95 to 3.80) | 0.04 | yes / yes / yes |" in found
    assert "3.61" not in text


def test_table_2_beside_the_real_cohorts(real_cohorts: Path, record_property):
    names = [name for name in published_hazard_ratios()["cohort_cancer_type"].unique() if name != "THCA"]
    genes = load_panel("ctc_core").symbols
    settings = ScanSettings(cuts=("per_sd", "median"), curves=False)
    scans = [scan_cohort(read_cohort(real_cohorts / name, endpoint="OS"), genes, settings) for name in names]
    compared = compare_with_table_2(pd.concat(scans, ignore_index=True))
    for words in summary(compared):
        record_property("figure", words)
    tested = compared[compared["not_tested"] == ""]
    assert len(tested) == 57
    assert (tested["agrees_median"] == "yes").sum() == 53
    against = tested[tested["agrees_median"] == "no"]
    assert (against["p_median"] > 0.01).all()
