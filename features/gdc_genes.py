"""The rows of a STAR-counts file: which are genes, and by which identifier each is best told from all others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.gene_rows import WIDEST_PANEL, panel_resolver, rows_to_read
from features.ledger import Ledger
from features.panel import load_panel

#: The rows of reads that STAR could give to no gene: N_unmapped, N_multimapping, N_noFeature, N_ambiguous.
_TOTALS = "N_"
_Y_COPY = "_PAR_Y"
_VERSION = r"\.\d+$"


@dataclass(frozen=True)
class GeneRows:
    """The rows that are read.

    Parameters
    ----------
    rows : array of int, shape (n_genes,)
        Their positions in the file.
    symbols : Series of str, shape (n_genes,)
        As `features.gene_rows.unique_genes` takes them.
    ledger : Ledger
    """

    rows: NDArray[np.intp]
    symbols: pd.Series
    ledger: Ledger


def gene_rows(identifiers: pd.Series, names: pd.Series, only: Collection[str] | None = None) -> GeneRows:
    """Choose and name the rows of a STAR-counts file.

    Parameters
    ----------
    identifiers, names : Series of str, shape (n_rows,)
        ``gene_id`` and ``gene_name``.
    only : collection of str or None
        The genes that are asked for; None for all.

    Returns
    -------
    GeneRows

    Notes
    -----
    A row goes by its symbol, unless several Ensembl ids share that, or the panel gives the symbol to another id or the
    id to another symbol: the id is surer there. The Y copies of genes of the pseudoautosomal regions are left out:
    their reads are counted on X.
    """
    is_total = identifiers.str.startswith(_TOTALS)
    on_x = identifiers.str.removesuffix(_Y_COPY)
    is_copy = (identifiers != on_x) & on_x.isin(identifiers)
    ledger = (
        Ledger()
        .with_entry("dropped", "rows of the expression files that count reads without a gene", identifiers[is_total])
        .with_entry("dropped", "rows of the Y copy of genes that are counted on X", identifiers[is_copy])
    )
    kept = ~(is_total | is_copy)
    symbols, named = _symbols(identifiers[kept], names[kept])
    symbols, left_out = _asked_for(symbols, only)
    joined = Ledger((*ledger.entries, *named.entries, *left_out.entries))
    return GeneRows(symbols.index.to_numpy(np.intp), symbols.reset_index(drop=True), joined)


def _asked_for(symbols: pd.Series, only: Collection[str] | None) -> tuple[pd.Series, Ledger]:
    if only is None:
        return symbols, Ledger()
    asked = symbols.map(rows_to_read(only)).astype(bool)
    n_others = int((~asked).sum())
    ledger = Ledger().with_note("dropped", "rows of genes that were not asked for", n_others) if n_others else Ledger()
    return symbols[asked], ledger


def _symbols(identifiers: pd.Series, names: pd.Series) -> tuple[pd.Series, Ledger]:
    panel = load_panel(WIDEST_PANEL)
    by_id = identifiers.map(panel_resolver().resolve(identifiers).symbols).astype("str")
    shared = names.duplicated(keep=False) & (names != "")
    # A panel gene whose own id is not there can be found by its name alone, shared or not.
    shared &= ~names.isin(set(panel.symbols) - set(by_id.dropna()))
    another_s = by_id.isna() & names.isin(set(by_id.dropna()))
    surer = shared | another_s | (names == "") | (by_id.notna() & (by_id != names))
    what = "genes whose symbol several Ensembl ids share, under their id"
    ledger = Ledger().with_entry("kept", what, names[shared])
    return names.mask(surer, identifiers.str.replace(_VERSION, "", regex=True)), ledger
