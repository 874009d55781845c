"""Identifiers of every vocabulary find their gene, and nothing finds a wrong one."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.genes import GeneResolver
from features.panel import Gene, Panel, load_panel

PANEL = load_panel("ctc_review")
RESOLVER = GeneResolver.for_panel(PANEL)


def gene(symbol: str, number: int, *, previous: tuple[str, ...] = (), aliases: tuple[str, ...] = ()) -> Gene:
    return Gene(
        symbol=symbol,
        hgnc_id=f"HGNC:{number}",
        entrez_id=number,
        ensembl_id=f"ENSG{number:011d}",
        previous_symbols=previous,
        aliases=aliases,
        panel="own",
        role="marker",
        cluster=None,
        compartment=None,
        partners=(),
        source="own",
    )


def resolver(*genes: Gene) -> GeneResolver:
    return GeneResolver.for_panel(Panel("own", genes, ()))


@pytest.mark.parametrize(
    ("identifier", "symbol"),
    [
        ("CD44", "CD44"),
        ("ENSG00000026508", "CD44"),
        ("ENSG00000026508.12", "CD44"),
        ("960", "CD44"),
        ("960.0", "CD44"),
        ("CD44|960", "CD44"),
        ("?|960", "CD44"),
        ("HGNC:1681", "CD44"),
        ("Cd44", "CD44"),
        (" CD44 ", "CD44"),
        ("TACSTD1", "EPCAM"),
        ("CD31", "PECAM1"),
        ("her2", "ERBB2"),
    ],
)
def test_every_kind_of_identifier_finds_its_gene(identifier: str, symbol: str):
    resolution = RESOLVER.resolve([identifier])
    assert resolution.symbols == {identifier: symbol}
    assert resolution.renamed == ({} if identifier == symbol else {identifier: symbol})


@pytest.mark.parametrize(
    "identifier",
    ["", "?", "TP53", "ENSG00000141510.17", "9606000", "0", "-960", "CD44v6", "HGF", "CFC1", "IL1", "LFA-1", "SRC1"],
)
def test_other_genes_and_shared_names_find_nothing(identifier: str):
    resolution = RESOLVER.resolve([identifier])
    assert not resolution.symbols
    assert not resolution.ambiguous


def test_a_number_is_reported_as_its_text():
    assert RESOLVER.resolve([960]).symbols == {"960": "CD44"}


def test_in_symbol_and_number_the_number_decides():
    # 5663 is PSEN1; Xena writes the number where its symbol is not unique.
    assert RESOLVER.resolve(["CD44|5663"]).symbols == {"CD44|5663": "PSEN1"}
    assert RESOLVER.resolve(["CD44|1"]).symbols == {}


def test_an_alias_yields_to_the_genes_own_symbol_and_is_reported():
    resolution = RESOLVER.resolve(["TNFSF2", "TNF"])
    assert resolution.symbols == {"TNF": "TNF"}
    assert resolution.passed_over == {"TNFSF2": "TNF"}
    assert not resolution.duplicated


def test_an_alias_yields_to_a_previous_symbol_and_both_to_an_ensembl_id():
    held = resolver(gene("A1", 1, previous=("OLD",), aliases=("NICK",)))
    assert held.resolve(["NICK", "OLD"]).symbols == {"OLD": "A1"}
    resolution = held.resolve(["NICK", "OLD", "ENSG00000000001"])
    assert resolution.symbols == {"ENSG00000000001": "A1"}
    assert resolution.passed_over == {"NICK": "A1", "OLD": "A1"}


def test_a_current_symbol_wins_over_anothers_alias():
    held = resolver(gene("A1", 1, aliases=("B2", "C3")), gene("B2", 2), gene("C3", 3, previous=("A1",)))
    assert held.resolve(["B2", "C3", "A1"]).symbols == {"B2": "B2", "C3": "C3", "A1": "A1"}


def test_a_name_as_written_wins_over_the_same_in_another_case():
    held = resolver(gene("A1", 1, aliases=("Nick",)), gene("B2", 2, aliases=("NICK",)))
    assert held.resolve(["Nick", "NICK"]).symbols == {"Nick": "A1", "NICK": "B2"}
    assert held.resolve(["nick"]).ambiguous == {"nick": ("A1", "B2")}


def test_a_name_of_several_panel_genes_is_ambiguous_and_maps_to_none():
    held = resolver(gene("A1", 1, previous=("OLD",)), gene("B2", 2, previous=("OLD",)))
    resolution = held.resolve(["OLD", "B2"])
    assert resolution.ambiguous == {"OLD": ("A1", "B2")}
    assert resolution.symbols == {"B2": "B2"}


def test_identifiers_of_one_gene_are_all_mapped_and_reported_with_repeats():
    resolution = RESOLVER.resolve(["960", "CD44", "ENSG00000026508.1", "CD44", "VIM"])
    assert set(resolution.symbols) == {"960", "CD44", "ENSG00000026508.1", "VIM"}
    assert resolution.duplicated == {"CD44": ("960", "CD44", "ENSG00000026508.1", "CD44")}


def vocabulary(held: Gene) -> list[str]:
    return [
        held.symbol,
        held.symbol.lower(),
        held.hgnc_id,
        str(held.entrez_id),
        f"?|{held.entrez_id}",
        held.ensembl_id,
        *held.previous_symbols,
        *held.aliases,
    ]


@given(st.data(), st.integers(0, 40))
def test_any_one_word_for_each_gene_of_any_subset_is_enough_in_any_order(data: st.DataObject, version: int):
    genes = data.draw(st.lists(st.sampled_from(PANEL.genes), unique=True))
    words = {data.draw(st.sampled_from([*vocabulary(held), f"{held.ensembl_id}.{version}"])): held for held in genes}
    others = data.draw(st.lists(st.text(st.characters(categories=["Lo"]), min_size=1)))
    resolution = RESOLVER.resolve(data.draw(st.permutations([*words, *others])))
    assert resolution.symbols == {word: held.symbol for word, held in words.items()}
    assert resolution.renamed == {word: held.symbol for word, held in words.items() if word != held.symbol}
    assert not resolution.ambiguous
    assert not resolution.duplicated
    assert not resolution.passed_over


@given(st.data())
def test_what_an_identifier_means_does_not_depend_on_the_order_of_the_file(data: st.DataObject):
    words = sorted({word for held in PANEL.genes[:12] for word in vocabulary(held)})
    identifiers = data.draw(st.lists(st.sampled_from(words)))
    shuffled = data.draw(st.permutations(identifiers))
    first, second = RESOLVER.resolve(identifiers), RESOLVER.resolve(shuffled)
    assert first.symbols == second.symbols
    assert first.passed_over == second.passed_over
    assert {symbol: sorted(names) for symbol, names in first.duplicated.items()} == {
        symbol: sorted(names) for symbol, names in second.duplicated.items()
    }


def test_a_real_transcriptome_resolves_gene_by_gene_with_nothing_in_doubt(real_cohorts: Path):
    files = sorted(real_cohorts.glob("*/HiSeqV2.gz"))
    if not files:
        pytest.skip(f"no UCSC Xena cohort in {real_cohorts}")
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            identifiers = [line.split("\t", 1)[0] for line in lines][1:]
        resolution = RESOLVER.resolve(identifiers)
        assert resolution.symbols == {symbol: symbol for symbol in PANEL.symbols}
        assert (resolution.ambiguous, resolution.duplicated, resolution.passed_over) == ({}, {}, {})
