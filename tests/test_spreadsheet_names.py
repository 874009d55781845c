"""Symbols that a spreadsheet has made dates or numbers of: told back where one gene is meant, else dropped and said."""

from __future__ import annotations

import pandas as pd
import pytest

from features.gene_rows import unique_genes
from features.spreadsheet_names import genes_of_date, restored


@pytest.mark.parametrize(
    ("date", "genes"),
    [
        *[("2-Sep", ("SEPTIN2",)), ("2-SEP", ("SEPTIN2",)), ("Sep-02", ("SEPTIN2",)), ("02-Sep", ("SEPTIN2",))],
        *[("2-Sept", ("SEPTIN2",)), ("2-Sep-19", ("SEPTIN2",)), ("2019-09-02", ("SEPTIN2",))],
        *[("2019-09-02 00:00:00", ("SEPTIN2",)), ("02. Sep", ("SEPTIN2",)), ("3. Mrz", ("MARCHF3",))],
        *[("1-Dec", ("DELEC1",)), ("1. Dez", ("DELEC1",)), ("15-Sep", ("SELENOF",)), ("8-Mar", ("MARCHF8",))],
        *[("1-Mar", ("MARCHF1", "MTARC1")), ("1-MAR", ("MARCHF1", "MTARC1")), ("Mar-01", ("MARCHF1", "MTARC1"))],
        *[("30-Sep", ()), ("4-Oct", ())],
    ],
)
def test_a_date_names_the_genes_that_become_it(date: str, genes: tuple[str, ...]):
    assert genes_of_date(date) == genes


@pytest.mark.parametrize("name", ["SEPT2", "MARCH1", "DEC1", "MARS2", "DECR1", "CD44", "HLA-A", "MT-CO1", "1-8U", ""])
def test_a_symbol_is_no_date(name: str):
    assert genes_of_date(name) is None


def rows(symbols: list[str], entrez: list[str] | None = None) -> tuple[pd.DataFrame, list[str]]:
    values = pd.DataFrame([[float(number), 2.0 * number] for number in range(1, len(symbols) + 1)], columns=["a", "b"])
    beside = None if entrez is None else pd.Series(entrez, dtype="str")
    table, ledger = unique_genes(values, pd.Series(symbols, dtype="str"), beside)
    return table, [str(entry) for entry in ledger.entries]


def test_what_one_gene_became_is_told_back_and_what_several_became_is_dropped():
    table, ledger = rows(["CD44", "2-Sep", "1-Mar", "1-Mar", "3-Mar", "2.31E+19"])
    assert table["a"].to_dict() == {"CD44": 1.0, "MARCHF3": 5.0, "SEPTIN2": 2.0}
    assert ledger == [
        "mapped 2: dates that a spreadsheet has made of symbols, to the one such gene (2-Sep → SEPTIN2, 3-Mar → "
        "MARCHF3)",
        "dropped 3: rows whose symbol a spreadsheet has turned into a date or a number; of which gene they are is lost "
        "(1-Mar, 1-Mar, 2.31E+19)",
    ]


def test_beside_an_entrez_id_nothing_is_lost():
    table, ledger = rows(["CD44", "1-Mar", "2.31E+19"], ["960", "55016", "123"])
    assert list(table.index) == ["123", "55016", "CD44"]
    assert any("by their Entrez id (1-Mar, 2.31E+19)" in line for line in ledger)


def test_a_gene_that_is_there_under_its_own_name_is_not_told_back_from_a_date():
    table, _ = rows(["SEPTIN2", "2-Sep"])
    assert table["a"].to_dict() == {"SEPTIN2": 1.0}


def test_old_symbols_that_came_through_stay_as_the_file_has_them():
    symbols = pd.Series(["SEPT2", "MARCH1", "DEC1"], dtype="str")
    told, ledger = restored(symbols, pd.Series(["", "", ""], dtype="str"))
    assert told.tolist() == symbols.tolist()
    assert not ledger.entries


def test_blank_and_repeated_symbols_are_counted_and_the_fullest_row_stands_for_its_gene():
    values = pd.DataFrame({"a": [1.0, 2.0, float("nan"), 4.0], "b": [1.0, 5.0, 9.0, 4.5]})
    table, ledger = unique_genes(values, pd.Series(["", "TP53", "TP53", "TP53"], dtype="str"))
    assert table.loc["TP53"].tolist() == [2.0, 5.0]
    assert [str(entry) for entry in ledger.entries] == [
        "dropped 1: rows without any gene identifier",
        "dropped 2: further rows of a gene (kept: fewest missing values, then the most varying) (TP53, TP53)",
    ]


def test_ensembl_ids_lose_their_version_and_the_y_copies_their_rows():
    symbols = ["ENSG00000002586.20", "ENSG00000002586.20_PAR_Y", "ENSGR0000002586.15", "ENSG00000002586.19", "ENSG1"]
    table, ledger = rows(symbols)
    assert table["a"].to_dict() == {"ENSG00000002586": 4.0, "ENSG1": 5.0}
    assert ledger[0] == (
        "dropped 2: rows of the Y copies of genes that X and Y share (X counts their reads) "
        "(ENSG00000002586.20_PAR_Y, ENSGR0000002586.15)"
    )
    assert "mapped 2: Ensembl ids, without their version" in ledger
    assert any(line.startswith("dropped 1: further rows of a gene") for line in ledger)
