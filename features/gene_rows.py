"""From the rows of an expression file to one row a gene: panel genes by their current symbol, all others as given."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.genes import GeneResolver, Resolution
from features.ledger import Ledger
from features.panel import load_panel

#: The widest of the shipped panels: whatever narrower one a model uses, its genes are found under their symbols.
WIDEST_PANEL = "ctc_review"
_ENTREZ = re.compile(r"[1-9]\d*")


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
    missing values is kept, then the one that varies most; which comes first in the file does not matter.
    """
    given, entrez_ids = _split(symbols, entrez)
    named = ((given != "") | (entrez_ids != "")).to_numpy()
    ledger = Ledger().with_note("dropped", "rows without any gene identifier", int((~named).sum()))
    if named.all():
        ledger = Ledger()
    values, given, entrez_ids = expression.to_numpy(np.float64)[named], given[named], entrez_ids[named]
    genes, mapped = _genes(given, entrez_ids)
    kept, repeated = _one_row_a_gene(values, genes)
    table = pd.DataFrame(values[kept], index=pd.Index(genes[kept], dtype="str"), columns=expression.columns)
    return table, Ledger((*ledger.entries, *mapped.entries, *repeated.entries))


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
    resolution = GeneResolver.for_panel(panel).resolve(identifiers)
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


def _one_row_a_gene(values: NDArray[np.float64], genes: NDArray[np.object_]) -> tuple[NDArray[np.intp], Ledger]:
    """Return the positions of the rows to keep, ordered by gene."""
    rows = pd.DataFrame({"gene": genes, "position": np.arange(len(genes))})
    twice = rows["gene"].duplicated(keep=False)
    single, several = rows[~twice], rows[twice]
    if several.empty:
        return single.sort_values("gene")["position"].to_numpy(np.intp), Ledger()
    candidates = values[several["position"].to_numpy()]
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
