"""Which of several columns names the genes of an expression file: the one that resolves most genes of the panel."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from features.cohort_settings import SETTINGS_FILE
from features.errors import CohortError
from features.gene_rows import panel_resolver
from features.ledger import Ledger

#: What files write, in lower case, where a row has no gene.
_NO_GENE = frozenset(("na", "n/a", "nan", "null", "none", "-666", "-", "--", "---"))
_NAMED_MAX = 3


def gene_column(columns: Mapping[str, pd.Series], declared: str | None, source: str) -> tuple[str, pd.Series, Ledger]:
    """Choose the column of gene identifiers.

    Parameters
    ----------
    columns : mapping of str to Series of str, shape (n_rows,)
        By name, the rows' own ids first; empty where missing.
    declared : str or None
        The column that the user names.
    source : str
        For the error.

    Returns
    -------
    name : str
    identifiers : Series of str
        Empty where the row has no gene.
    ledger : Ledger
        How many of the panel's genes it names, and how many the others.

    Raises
    ------
    CohortError
        If there is no column of the declared name.

    Notes
    -----
    Counted are the panel's genes that a column's identifiers name, of whatever kind they are. Of several columns
    that name as many, the first is taken: the rows' own ids are unique, which symbols beside them need not be.
    """
    if declared is not None and declared not in columns:
        raise CohortError(f"{source}: has no column {declared!r} of genes; it has {', '.join(columns)}.")
    cleaned = {name: _cleaned(words) for name, words in columns.items()}
    found = {name: len(set(panel_resolver().resolve(words).symbols.values())) for name, words in cleaned.items()}
    name = declared or max(found, key=lambda column: found[column])
    if len(columns) == 1:
        return name, cleaned[name], Ledger()
    others = sorted((column for column in found if column != name), key=lambda column: -found[column])
    beside = "; ".join(f"{column}: {found[column]}" for column in others[:_NAMED_MAX])
    how = f"as {SETTINGS_FILE} says" if declared else "no other names more"
    what = f"genes are named by column {name} ({how}: {found[name]} genes of the panel; {beside})"
    return name, cleaned[name], Ledger().with_note("mapped", what, int((cleaned[name] != "").sum()))


def _cleaned(words: pd.Series) -> pd.Series:
    bare = words.astype("str").fillna("").str.strip()
    return bare.mask(bare.str.lower().isin(list(_NO_GENE)), "")
