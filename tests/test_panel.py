"""The panel as data: nested, complete, its identifiers those of the real cohorts, and own files read strictly."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from features.errors import PanelError
from features.panel import PANELS, Panel, load_panel

GENE = """
[[gene]]
symbol = "{symbol}"
hgnc_id = "HGNC:{number}"
entrez_id = {number}
ensembl_id = "ENSG{number:011d}"
role = "marker"
source = "own"
"""
INTERACTION = '[[interaction]]\nname = "A:B"\nreceptor = "A"\nligands = ["B"]\nsource = "own"\n'


def own(tmp_path: Path, text: str) -> str:
    file = tmp_path / "own.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def two_genes() -> str:
    return 'name = "own"\n' + GENE.format(symbol="A", number=1) + GENE.format(symbol="B", number=2)


@pytest.fixture(scope="module")
def widest() -> Panel:
    return load_panel(PANELS[-1])


def test_each_panel_holds_those_before_it_in_one_order(widest: Panel):
    panels = [load_panel(name) for name in PANELS]
    assert [len(panel.genes) for panel in panels] == [14, 25, 88]
    for panel in panels:
        assert panel.symbols == widest.symbols[: len(panel.genes)]
        assert panel.name in PANELS


def test_core_and_interaction_are_the_molecules_of_table_1_and_figure_3():
    core = [
        "CD44",
        "CXCR4",
        "ICAM1",
        "CCR1",
        "IL1R1",
        "TGFBR2",
        "IL6ST",
        "IL6R",
        "CDH1",
        "IGFBP5",
        "NOTCH1",
        "EPCAM",
        "VCAM1",
        "NODAL",
    ]
    ligands = ["IL6", "IL1A", "IL1B", "CXCL12", "TGFB1", "JAG1", "ITGAM", "ITGA4", "ITGB1", "CCL2", "CFC1B"]
    assert list(load_panel("ctc_core").symbols) == core
    assert set(load_panel("ctc_interaction").symbols) == {*core, *ligands}


def test_clusters_are_those_of_figure_3(widest: Panel):
    clusters = {number: {gene.symbol for gene in widest.genes if gene.cluster == number} for number in (1, 2)}
    assert clusters[1] == {"CD44", "CXCR4", "ICAM1", "CCR1", "IL1R1"}
    assert clusters[2] == {"TGFBR2", "IL6ST", "IL6R", "CDH1", "IGFBP5"}


def test_epithelial_and_mesenchymal_markers_are_told_apart(widest: Panel):
    sides = {gene.symbol: gene.compartment for gene in widest.genes if gene.compartment}
    assert sides["CDH1"] == sides["EPCAM"] == sides["KRT8"] == "epithelial"
    assert sides["VIM"] == sides["CDH2"] == sides["ZEB1"] == "mesenchymal"


def test_a_panel_has_only_interactions_that_it_holds_whole(widest: Panel):
    assert len(widest.interactions) == 11
    assert load_panel("ctc_core").interactions == ()
    missing = {term.name for term in widest.interactions} - {
        term.name for term in load_panel("ctc_interaction").interactions
    }
    assert missing == {"CD44:hyaluronic_acid"}


def test_ligands_of_several_genes_and_those_of_none(widest: Panel):
    ligands = {term.name: term.ligands for term in widest.interactions}
    assert ligands["IL1R1:IL1"] == ("IL1A", "IL1B")
    assert ligands["CD44:hyaluronic_acid"] == ("HAS1", "HAS2", "HAS3")
    assert not {"EPCAM", "CDH1"} & {term.receptor for term in widest.interactions}


def test_partners_are_those_of_the_interactions_both_ways(widest: Panel):
    partners: dict[str, set[str]] = {gene.symbol: set() for gene in widest.genes}
    for term in widest.interactions:
        for ligand in term.ligands:
            partners[term.receptor].add(ligand)
            partners[ligand].add(term.receptor)
    assert {gene.symbol: set(gene.partners) for gene in widest.genes} == partners


@pytest.mark.parametrize(
    ("field", "pattern"),
    [("symbol", r"[A-Z0-9-]+"), ("hgnc_id", r"HGNC:\d+"), ("entrez_id", r"\d+"), ("ensembl_id", r"ENSG\d{11}")],
)
def test_every_gene_has_every_identifier_and_none_is_shared(widest: Panel, field: str, pattern: str):
    values = [str(getattr(gene, field)) for gene in widest.genes]
    assert all(re.fullmatch(pattern, value) for value in values)
    assert len(set(values)) == len(values)


def test_no_old_name_is_shared_or_a_current_symbol(widest: Panel):
    symbols = {symbol.upper() for symbol in widest.symbols}
    names = [name.upper() for gene in widest.genes for name in (*gene.previous_symbols, *gene.aliases)]
    assert len(set(names)) == len(names)
    assert not symbols & set(names)
    assert min(map(len, names)) >= 3


def test_every_gene_has_a_role_and_a_place_in_the_paper(widest: Panel):
    place = re.compile(r"(Table|Section) \d")
    assert all(gene.role and place.match(gene.source) for gene in widest.genes)
    # Only IGFBP5 is named without a reference.
    assert [gene.symbol for gene in widest.genes if not re.search(r"\(\d", gene.source)] == ["IGFBP5"]


def test_entrez_ids_are_those_of_the_real_cohorts(widest: Panel, real_cohorts: Path):
    files = sorted(real_cohorts.glob("*/data_mrna*.txt"))
    if not files:
        pytest.skip(f"no cBioPortal cohort in {real_cohorts}")
    entrez = {gene.symbol: str(gene.entrez_id) for gene in widest.genes}
    for file in files:
        with file.open(encoding="utf-8") as lines:
            theirs = dict(line.split("\t", 2)[:2] for line in lines)
        shared = entrez.keys() & theirs.keys()
        assert len(shared) >= 50, file
        assert {symbol: theirs[symbol] for symbol in shared} == {symbol: entrez[symbol] for symbol in shared}, file


def test_every_panel_gene_is_in_a_whole_transcriptome_under_its_symbol(widest: Panel, real_cohorts: Path):
    files = sorted(real_cohorts.glob("*/HiSeqV2.gz"))
    if not files:
        pytest.skip(f"no UCSC Xena cohort in {real_cohorts}")
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            theirs = {line.split("\t", 1)[0] for line in lines}
        assert not set(widest.symbols) - theirs


def test_a_users_own_file_is_read_whole(tmp_path: Path):
    panel = load_panel(own(tmp_path, two_genes() + INTERACTION))
    assert panel.name == "own"
    assert panel.symbols == ("A", "B")
    assert [gene.panel for gene in panel.genes] == ["own", "own"]
    assert panel.interactions[0].ligands == ("B",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "own"\n', "'gene' is missing"),
        ('name = "own"\ngene = []\n', "holds no gene"),
        ("name = 1\n" + GENE.format(symbol="A", number=1), "name = 1"),
        ("colour = 1\n" + two_genes(), "unknown key 'colour'"),
        (two_genes() + "colour = 1\n", r"\[\[gene\]\] 2 \(B\): unknown key 'colour'"),
        (two_genes().replace("entrez_id = 2", ""), r"\(B\): 'entrez_id' is missing"),
        (two_genes().replace("entrez_id = 2", "entrez_id = true"), "entrez_id = True is not a positive whole number"),
        (two_genes().replace("ENSG00000000002", "ENSG2"), "ensembl_id = 'ENSG2'"),
        (two_genes().replace('"B"', '"a"'), "symbol = 'a' is there already"),
        (two_genes().replace("HGNC:2", "HGNC:1"), "hgnc_id = 'HGNC:1' is there already"),
        (two_genes() + "cluster = 3\n", "cluster = 3 is unknown"),
        (two_genes() + 'compartment = "stroma"\n', "compartment = 'stroma'"),
        (two_genes() + 'panel = "other"\n', "panel = 'other' is unknown; the file's panels are own"),
        (two_genes() + 'partners = ["C"]\n', "'C' is no gene of this file"),
        (two_genes() + 'aliases = "C"\n', "aliases = 'C' is not a list of names"),
        (two_genes() + INTERACTION.replace('"A"', '"C"'), r"\[\[interaction\]\] 1 \(A:B\): 'C' is no gene"),
        (two_genes() + INTERACTION.replace('["B"]', "[]"), "ligands is empty"),
        (two_genes() + INTERACTION + INTERACTION, "name = 'A:B' is there already"),
        ("interaction = 1\n" + two_genes(), "interaction is not a list of tables"),
        ("name = ", "not a TOML file"),
    ],
)
def test_a_malformed_file_is_refused_by_place_and_value(tmp_path: Path, text: str, words: str):
    with pytest.raises(PanelError, match=r"own\.toml") as error:
        load_panel(own(tmp_path, text))
    assert re.search(words, str(error.value))


def test_an_unknown_name_lists_the_panels_there_are(tmp_path: Path):
    with pytest.raises(PanelError, match="ctc_core, ctc_interaction, ctc_review"):
        load_panel(str(tmp_path / "ctc_corr"))
