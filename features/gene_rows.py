"""From the rows of an expression file to one row a gene: panel genes by their current symbol, all others as given."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.genes import GeneResolver, Resolution
from features.ledger import Ledger
from features.panel import load_panel
from features.spreadsheet_names import genes_of_date, restored

#: The widest of the shipped panels: whatever narrower one a model uses, its genes are found under their symbols.
WIDEST_PANEL = "ctc_review"
_ENTREZ = re.compile(r"[1-9]\d*")
_VERSIONED = re.compile(r"(ENSG\d{11})\.\d+")
#: GENCODE's Y copies of genes that X and Y share: as of 25, and before it.
_Y_COPY = r"ENSG\d{11}\.\d+_PAR_Y|ENSGR\d{10}(?:\.\d+)?"


def unique_genes(
    expression: pd.DataFrame, symbols: pd.Series, entrez: pd.Series | None = None
) -> tuple[pd.DataFrame, Ledger]:
    """Give every row its gene, and every gene one row.

    Parameters
    ----------
    expression : DataFrame of float64, shape (n_rows, n_samples)
    symbols : Series of str, shape (n_rows,)
        Symbols, Ensembl ids (with or without version), Entrez ids, or Xena's ``SYMBOL|ENTREZ``; empty where missing.
    entrez : Series of str or None, shape (n_rows,)
        Entrez ids beside the symbols; empty where missing.

    Returns
    -------
    expression : DataFrame, shape (n_genes, n_samples)
        Index: the panel's current symbol where the row is a panel gene, else the identifier as given; sorted.
    ledger : Ledger

    Notes
    -----
    A row is looked up by its symbol if that is a current symbol of the panel, else by its Entrez id if it has one: an
    alias that is another gene's in truth is thereby told apart. Of several rows of one gene, the one with the fewest
    missing values is kept, then the one that varies most; which comes first in the file does not matter. Ensembl ids
    lose their version, and the Y copies of genes that X and Y share are left out: X counts their reads.
    """
    given, entrez_ids = _split(symbols, entrez)
    blank = (given == "") & (entrez_ids == "")
    given, told = restored(given, entrez_ids)
    given, cut = _without_versions(given)
    y_copies = given.str.fullmatch(_Y_COPY)
    unnamed = (given == "") & (entrez_ids == "")
    values = expression.to_numpy(np.float64)
    rows = np.flatnonzero(~(unnamed | y_copies).to_numpy())
    genes, mapped = _genes(given.iloc[rows], entrez_ids.iloc[rows])
    chosen, repeated = _one_row_a_gene(values, genes, rows)
    table = pd.DataFrame(
        values[rows[chosen]], index=pd.Index(genes[chosen], dtype="str"), columns=expression.columns, copy=False
    )
    ledger = _rows_ledger(int(blank.sum()), given[y_copies])
    return table, Ledger(tuple(entry for each in (ledger, told, cut, mapped, repeated) for entry in each.entries))


@cache
def panel_resolver() -> GeneResolver:
    """Return what finds the genes of the widest panel."""
    return GeneResolver.for_panel(load_panel(WIDEST_PANEL))


def rows_to_read(only: Collection[str]) -> Callable[[str], bool]:
    """Return what says of a row's identifier whether it may be one of these genes.

    Parameters
    ----------
    only : collection of str
        Genes by the names that they have in a cohort.

    Returns
    -------
    callable
        True for every identifier, of any kind that `unique_genes` knows, that can become one of the genes: what is
        left out has no part in which row stands for them.
    """
    wanted = frozenset(only)
    resolver = panel_resolver()

    def is_wanted(identifier: str) -> bool:
        symbol, bar, number = identifier.strip().partition("|")
        names = {symbol, number, _VERSIONED.sub(r"\1", symbol), *(genes_of_date(symbol) or ())}
        named = resolver.may_name(identifier) | (resolver.may_name(symbol) if bar else frozenset())
        return not wanted.isdisjoint(names | named)

    return is_wanted


def _rows_ledger(n_blank: int, y_copies: pd.Series) -> Ledger:
    ledger = Ledger()
    if n_blank:
        ledger = ledger.with_note("dropped", "rows without any gene identifier", n_blank)
    what = "rows of the Y copies of genes that X and Y share (X counts their reads)"
    return ledger.with_entry("dropped", what, y_copies)


def _without_versions(given: pd.Series) -> tuple[pd.Series, Ledger]:
    versioned = given.str.fullmatch(_VERSIONED)
    if not versioned.any():
        return given, Ledger()
    cut = given.where(~versioned, given.str.replace(_VERSIONED, r"\1", regex=True))
    return cut, Ledger().with_note("mapped", "Ensembl ids, without their version", int(versioned.sum()))


def _split(symbols: pd.Series, entrez: pd.Series | None) -> tuple[pd.Series, pd.Series]:
    """Return symbols and Entrez ids, empty where missing; ``?|100130426`` has only the second."""
    given = symbols.astype("str").fillna("").str.strip()
    ids = pd.Series("", index=given.index, dtype="str") if entrez is None else entrez.astype("str").fillna("")
    ids = ids.str.strip().str.removesuffix(".0")
    barred = given.str.contains("|", regex=False)
    if barred.any():
        parts = given[barred].str.split("|", n=1)
        ids = ids.mask(barred & (ids == ""), parts.str[1].reindex(ids.index))
        given = given.mask(barred, parts.str[0].reindex(given.index))
    given = given.mask(given.isin(["?", "NA", "---"]), "")
    return given, ids.where(ids.str.fullmatch(_ENTREZ), "")


def _genes(given: pd.Series, entrez: pd.Series) -> tuple[NDArray[np.object_], Ledger]:
    panel = load_panel(WIDEST_PANEL)
    by_entrez = ~given.isin(panel.symbols) & (entrez != "")
    identifiers = given.mask(by_entrez, entrez)
    resolution = panel_resolver().resolve(identifiers)
    unnamed = (given == "") & ~identifiers.isin(resolution.symbols)
    genes = identifiers.map(resolution.symbols).astype("str")
    genes = genes.mask(genes.isna(), given.mask(given == "", entrez))
    ledger = _identifiers_ledger(given, genes, resolution)
    ledger = ledger.with_entry("kept", "genes without a symbol, under their Entrez id", genes[unnamed])
    return genes.to_numpy(object), ledger


def _identifiers_ledger(given: pd.Series, genes: pd.Series, resolution: Resolution) -> Ledger:
    renamed = (given != genes) & genes.isin(set(resolution.symbols.values()))
    pairs = [f"{old or '(blank)'} → {new}" for old, new in zip(given[renamed], genes[renamed], strict=True)]
    return (
        Ledger()
        .with_entry("mapped", "panel genes from another identifier to their current symbol", pairs)
        .with_entry("kept", "identifiers that name several panel genes, under the name given", resolution.ambiguous)
        .with_entry(
            "kept", "old names of panel genes that are there under their symbol, as given", resolution.passed_over
        )
    )


def _one_row_a_gene(
    values: NDArray[np.float64], genes: NDArray[np.object_], value_rows: NDArray[np.intp]
) -> tuple[NDArray[np.intp], Ledger]:
    """Return the positions among the genes of those to keep, ordered by gene; `value_rows`: each gene's row."""
    rows = pd.DataFrame({"gene": genes, "position": np.arange(len(genes))})
    twice = rows["gene"].duplicated(keep=False)
    single, several = rows[~twice], rows[twice]
    if several.empty:
        return single.sort_values("gene")["position"].to_numpy(np.intp), Ledger()
    candidates = values[value_rows[several["position"].to_numpy()]]
    several = several.assign(
        missing=np.isnan(candidates).sum(axis=1),
        spread=-pd.DataFrame(candidates).std(axis=1).fillna(0.0).to_numpy(),
        level=-pd.DataFrame(candidates).mean(axis=1).fillna(0.0).to_numpy(),
    )
    best = several.sort_values(["gene", "missing", "spread", "level"], kind="stable").drop_duplicates("gene")
    kept = pd.concat([single, best[["gene", "position"]]]).sort_values("gene")["position"].to_numpy(np.intp)
    dropped = several.loc[several.index.difference(best.index), "gene"]
    what = "further rows of a gene (kept: fewest missing values, then the most varying)"
    return kept, Ledger().with_entry("dropped", what, sorted(dropped))
