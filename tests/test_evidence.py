"""What the review knows of a gene: every row of its tables reaches its genes, and every number a citation."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from features import published
from features.citations import citations, numbers_cited, trials_named
from features.evidence import evidence, evidence_table, named_genes, with_evidence
from features.panel import load_panel
from features.published import (
    BETTER,
    DISAGREE,
    WORSE,
    drugs,
    interactions_table,
    literature_direction,
    literature_directions,
)

PAPER = Path(published.__file__).parent / "paper"
CANCER_TYPES = ("KIRC", "KIRP", "LGG", "GBM", "BRCA", "LUAD", "LUSC", "THCA", "COADREAD", "UVM")


def shipped(name: str) -> pd.DataFrame:
    return pd.read_csv(PAPER / f"{name}.tsv", sep="\t", keep_default_na=False)


def test_ranges_and_lists_of_references_are_written_out():
    assert numbers_cited("(129, 130, 133-135) NCT04729959 NCT04940299") == (129, 130, 133, 134, 135)
    assert numbers_cited("(16)") == (16,)
    assert numbers_cited("of [119, 120]; two thirds (66 %) of 948 cases") == (119, 120)
    assert numbers_cited("NCT04121442 NCT00072111") == ()


def test_every_reference_number_of_the_tables_resolves_and_none_is_idle():
    cells = [
        *interactions_table()["reference"],
        *literature_directions()["references"],
        *drugs()["references"],
        *shipped("text_drugs")["references"],
        *shipped("table3_remarks")["remark"],
    ]
    used = {number for cell in cells for number in numbers_cited(cell)}
    assert {citation.number for citation in citations(used)} == used
    assert used == set(shipped("references")["number"])


def test_a_citation_is_one_that_can_be_looked_up():
    for citation in citations(shipped("references")["number"]):
        assert re.fullmatch(r"[^\W\d][\w'’ -]+", citation.first_author), citation
        assert 2000 <= citation.year <= 2023
        assert citation.journal
        assert citation.doi is None or re.fullmatch(r"10\.\d{4,5}/\S+[\w)]", citation.doi), citation
    assert str(citations([84])[0]) == "[84] Sekino 2021, Anticancer Res, doi:10.21873/anticancer.15301"
    assert [citation.number for citation in citations(shipped("references")["number"]) if citation.doi is None] == [
        88,
        109,
    ]


def test_a_reference_that_is_not_there_is_not_passed_over():
    with pytest.raises(KeyError):
        citations([1])


def test_a_trial_has_what_the_text_says_of_it():
    known, unknown = trials_named("(148) NCT04729959 and NCT05103917")
    assert (known.studied_in, "suspended" in (known.remark or "")) == ("glioma, glioblastoma", True)
    assert str(unknown) == "NCT05103917"
    named = " ".join([*drugs()["references"], *shipped("text_drugs")["references"]])
    assert set(shipped("trials")["trial"]) <= set(re.findall(r"NCT\d+", named))


@pytest.mark.parametrize("cancer_type", [None, *CANCER_TYPES])
def test_every_row_of_table_3_is_found_once_with_its_gene(cancer_type):
    genes = named_genes()
    rows = [(finding.row, gene) for gene in genes for finding in evidence(gene, cancer_type).findings]
    printed = literature_directions().drop_duplicates("row")
    assert sorted(rows) == sorted(zip(printed["row"], printed["gene"], strict=True))


@pytest.mark.parametrize("cancer_type", CANCER_TYPES)
def test_findings_in_the_cancer_type_come_first_and_make_its_direction(cancer_type):
    for gene in named_genes():
        found = evidence(gene, cancer_type)
        here = [finding.in_cancer_type for finding in found.findings]
        assert here == sorted(here, reverse=True)
        assert found.literature_direction == literature_direction(gene, cancer_type)
        words = {{"high": WORSE, "low": BETTER}[f.literature_hr] for f in found.findings if f.in_cancer_type}
        expected = None if not words else DISAGREE if len(words) == 2 else words.pop()
        assert found.literature_direction == expected


def test_a_row_has_its_cells_and_the_remark_that_belongs_to_it():
    better, worse = (f for f in evidence("ICAM1", "BRCA").findings if f.in_cancer_type)
    assert (better.literature_hr, better.tcga_hr, better.references, better.remark) == ("low", "low", (91,), None)
    assert (worse.literature_hr, worse.tcga_hr, worse.references) == ("high", "low", (92,))
    assert "no survival" in (worse.remark or "")
    renal = evidence("CD44").findings[0]
    assert (renal.cancer, renal.cancer_types, renal.in_cancer_type) == ("Renal cell carcinoma", ("KIRC", "KIRP"), None)
    assert {117} < {citation.number for citation in evidence("CD44").citations}


def test_every_remark_belongs_to_a_row():
    remarks = [finding.remark for gene in named_genes() for finding in evidence(gene).findings if finding.remark]
    assert sorted(remarks) == sorted(shipped("table3_remarks")["remark"])


def test_codes_of_a_pooled_a_simulated_and_an_oncotree_cancer_type_are_the_papers():
    for written, papers in {"COADREAD": "COAD", "SIMULATED-KIRC": "KIRC", "CCRCC": "KIRC", "XYZ": "XYZ"}.items():
        assert evidence("CDH1", written).cancer_type == papers
        assert evidence("CDH1", written) == evidence("CDH1", papers)


def test_an_interaction_is_seen_from_both_its_sides():
    (as_target,) = evidence("ICAM1", "LUSC").interactions
    (as_ligand,) = evidence("ITGAM", "BRCA").interactions
    assert (as_target.role, as_target.partner, as_target.partner_genes) == ("target", "ITGAM", ("ITGAM",))
    assert (as_ligand.role, as_ligand.partner, as_ligand.partner_genes) == ("ligand", "ICAM1", ("ICAM1",))
    assert as_target.interacting_cells == as_ligand.interacting_cells == "PMNs and neutrophils"
    assert (as_target.in_cancer_type, as_ligand.in_cancer_type) == (True, False)
    assert [i.partner for i in evidence("IL6").interactions] == ["IL6ST", "IL6R"]


def test_a_ligand_of_several_genes_is_found_from_each_of_them_and_one_of_none_is_named():
    for gene in ("HAS1", "HAS2", "HAS3"):
        assert [i.partner for i in evidence(gene).interactions] == ["CD44"]
    assert [i.partner_genes for i in evidence("IL1R1").interactions] == [("IL1A", "IL1B")]
    (cams,) = evidence("EPCAM", "LIHC").interactions
    assert (cams.partner, cams.partner_genes, cams.interacting_cells) == ("CAMs", (), None)
    assert cams.in_cancer_type is True


def test_every_row_of_tables_1_and_4_is_found_from_its_targets():
    targets = {t for row in interactions_table()["target"] for t in row.split()}
    assert sum(i.role == "target" for gene in targets for i in evidence(gene).interactions) == 13
    found = {(d.drug, d.source) for gene in targets for d in evidence(gene).drugs if d.role == "target"}
    assert {drug for drug, source in found if source == "Table 4"} == set(drugs()["drug"])
    assert {drug for drug, source in found if source == "section 6"} == {"coxsackievirus A21"}


def test_a_drug_has_its_uses_its_references_and_its_trials():
    (drug,) = evidence("IL6R", "LGG").drugs
    assert (drug.drug, drug.target, drug.in_cancer_type) == ("Siltuximab, tocilizumab", ("IL6ST", "IL6R"), True)
    assert drug.current_use == "Castleman disease, rheumatoid arthritis"
    assert drug.references == (129, 130, 133, 134, 135)
    assert [trial.identifier for trial in drug.trials] == ["NCT04729959", "NCT04940299", "NCT03135171"]
    assert [d.role for d in evidence("IL6").drugs] == ["ligand"]
    assert [d.current_use for d in evidence("CD44").drugs] == [None]  # NA is printed
    assert evidence("IL6R", "KIRC").drugs[0].in_cancer_type is False


def test_a_gene_that_no_table_names_has_no_evidence():
    assert not evidence("TP53", "KIRC")
    assert evidence("CD44", "KIRC")
    assert named_genes() <= set(load_panel("ctc_review").symbols)


def test_it_goes_through_json_unchanged_with_its_references_resolved():
    for gene in named_genes():
        told = json.loads(json.dumps(evidence(gene, "BRCA").as_dict(), allow_nan=False))
        cited = {n for part in ("findings", "interactions", "drugs") for row in told[part] for n in row["references"]}
        assert cited <= {citation["number"] for citation in told["citations"]}
        assert (told["gene"], told["cancer_type"]) == (gene, "BRCA")


def test_the_table_has_one_row_a_gene_in_the_order_asked_for_and_only_text():
    genes = ["TP53", "VCAM1", "CD44", "IL6", "CD44"]
    table = evidence_table(iter(genes), "KIRC")
    assert list(table["gene"]) == genes
    assert table.map(lambda cell: isinstance(cell, str) and "\n" not in cell).all(axis=None)
    named = table.set_index("gene")
    assert (named.loc["TP53"] == "").all()
    assert named.loc["VCAM1", "literature_direction"] == BETTER
    assert named.loc["VCAM1", "literature"].startswith("Kidney renal clear cell carcinoma: high expression better")
    assert named.loc["VCAM1", "literature_elsewhere"] == ""
    assert "NCT04729959 (glioma" in named.loc["IL6", "trials"]
    assert "doi:10.1038/s41586-019-0915-y" in named.loc["IL6", "references"]
    assert evidence_table([], "KIRC").shape == (0, table.shape[1])


def test_every_number_in_brackets_of_a_text_is_among_its_references():
    for row in evidence_table(sorted(named_genes()), "LUSC").to_dict("records"):
        told = " ".join(row[column] for column in ("literature", "literature_elsewhere", "interactions", "drugs"))
        assert set(numbers_cited(" ".join(re.findall(r"\[[\d, ]+\]", told)))) == {
            int(number) for number in re.findall(r"\[(\d+)\]", row["references"])
        }


def test_beside_a_table_nothing_of_it_changes_and_its_own_columns_stay():
    table = pd.DataFrame(
        {"gene": ["CD44", "TP53", "CD44"], "p": [0.1, 0.2, 0.3], "literature_direction": ["a", "b", "c"]}
    )
    beside = with_evidence(table, "KIRC")
    pd.testing.assert_frame_equal(beside[list(table.columns)], table)
    assert list(beside["partners"]) == ["Hyaluronic acid", "", "Hyaluronic acid"]
    assert not beside.columns.duplicated().any()
