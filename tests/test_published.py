"""The paper's tables as data: complete, and read in the direction in which they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features import published
from features.panel import load_panel
from features.published import (
    BETTER,
    DISAGREE,
    WORSE,
    drugs,
    interactions_table,
    literature_direction,
    literature_directions,
    published_cancer_type,
    published_hazard_ratios,
)


def test_table_2_is_complete_and_inverted_beside_what_is_printed():
    table = published_hazard_ratios()
    assert len(table) == 62
    assert not table.duplicated(["gene", "cancer_type"]).any()
    assert set(table["cancer_type"]) == {"KIRC", "LGG", "LUSC", "GBM", "KIRP", "THCA", "COAD", "BRCA", "LUAD"}
    row = table.set_index(["gene", "cancer_type"]).loc[("CD44", "KIRC")]
    assert row["hazard_ratio_as_printed"] == 0.44
    assert row["hazard_ratio_high_vs_low"] == pytest.approx(2.2727, abs=1e-4)
    # In EPCAM/THCA a letter is printed before the number; its printed log2(HR), 1.80, confirms 3.47.
    assert table.set_index(["gene", "cancer_type"]).loc[("EPCAM", "THCA"), "hazard_ratio_as_printed"] == 3.47


def test_each_hazard_ratio_of_table_2_is_that_of_its_printed_logarithm():
    printed = pd.read_csv(Path(published.__file__).parent / "paper" / "table2_hazard_ratios.tsv", sep="\t")
    # Both columns are rounded to two decimals: an HR of 0.32 allows a log2 between -1.67 and -1.62.
    read = published_hazard_ratios()["hazard_ratio_as_printed"]
    np.testing.assert_allclose(np.log2(read), printed["log2_hr_as_printed"], atol=0.03)


def test_inverted_table_2_agrees_with_table_3_in_every_row_that_both_have():
    both = literature_directions().merge(published_hazard_ratios(), on=["gene", "cancer_type"], validate="many_to_one")
    worse = both["hazard_ratio_high_vs_low"] > 1
    assert both["row"].nunique() == 25
    np.testing.assert_array_equal(worse, both["tcga_hr"] == "high")
    assert 0 < worse.sum() < len(worse)  # both directions occur, so a constant could not pass


def test_a_pooled_colorectal_cohort_meets_the_rows_of_coad():
    table = published_hazard_ratios()
    assert published_cancer_type("COADREAD") == "COAD"
    assert published_cancer_type("KIRC") == "KIRC"
    assert table.loc[table["cohort_cancer_type"] == "COADREAD", "gene"].tolist() == ["CDH1"]
    assert literature_direction("CDH1", "COADREAD") == BETTER


def test_table_3_stands_as_printed_with_every_cancer_coded():
    table = literature_directions()
    assert sorted(table["row"].unique()) == list(range(1, 27))
    assert table["cancer_type"].notna().all()
    assert set(table["literature_hr"]) == set(table["tcga_hr"]) == {"high", "low"}
    assert literature_direction("CD44", "KIRP") == WORSE  # renal cell carcinoma is both KIRC and KIRP
    assert literature_direction("ICAM1", "BRCA") == DISAGREE
    assert literature_direction("ICAM1", "GBM") is None


def test_table_1_gives_the_panels_interactions():
    table = interactions_table()
    printed = {
        (row.target, frozenset(row.ligand_genes.split())) for row in table.itertuples(index=False) if row.ligand_genes
    }
    panel = load_panel("ctc_review")
    assert printed == {(term.receptor, frozenset(term.ligands)) for term in panel.interactions}
    assert len(table) == 13
    assert len(panel.interactions) == 11


def test_table_4_targets_are_genes_of_the_panel():
    table = drugs()
    assert len(table) == 11
    assert set(" ".join(table["target"]).split()) <= set(load_panel("ctc_core").symbols)
    assert "tocilizumab" in table.loc[0, "drug"]


def test_what_a_caller_changes_in_a_table_stays_with_the_caller():
    for read in (published_hazard_ratios, interactions_table, literature_directions, drugs):
        table = read()
        table.iloc[:, 0] = table.iloc[0, 0]
        assert not read().equals(table)
