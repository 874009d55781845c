"""The columns of a scan's page: the long table made one row a gene and cohort, packed small for a browser."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.scan_rows import KEY, MEDIAN, OPTIMAL, PER_SD, QUANTILE, rows_of_cut

_COLUMNS = Path(__file__).with_name("scan_columns.tsv")
#: Kinds of columns, which the page writes, sorts and filters each in its way.
TEXT, CHOICE, COUNT, NUMBER, RATIO, P, MONTHS = "text", "choice", "count", "number", "ratio", "p", "months"
TEXTS, WITH_INTERVAL = (TEXT, CHOICE), (RATIO, MONTHS)
#: Columns of the evidence that fit into a cell; the others are shown for the row that is chosen.
SHORT_EVIDENCE = ("literature_direction", "partners", "drugs")
#: Bits of a number's fraction that are kept: 5 decimal digits, and the rest, zeros, costs nothing when compressed.
FRACTION_BITS = 16


@dataclass(frozen=True)
class PageColumn:
    """One column of a page's table.

    Parameters
    ----------
    label : str
        Its heading.
    kind : str
        ``text``, ``choice`` (text that is chosen from a list), ``count``, ``number``, ``p``, ``ratio`` or ``months``
        (these two with their interval).
    parts : tuple of str
        The columns of the wide table that it shows: one, or value, lower and upper end.
    hint : str
        What it is, in a sentence.
    short : bool
        Whether it stands in the table; else it is shown for the row that is chosen.
    """

    label: str
    kind: str
    parts: tuple[str, ...]
    hint: str = ""
    short: bool = True


@cache
def _scan_columns() -> tuple[PageColumn, ...]:
    lines = _COLUMNS.read_text(encoding="utf-8").splitlines()[1:]
    return tuple(_page_column(*line.split("\t")) for line in lines)


def _page_column(name: str, label: str, kind: str, short: str, hint: str) -> PageColumn:
    parts = (name, f"{name}_lower", f"{name}_upper") if kind in WITH_INTERVAL else (name,)
    return PageColumn(label, kind, parts, hint, short == "yes")


def wide_table(table: pd.DataFrame, evidence: pd.DataFrame) -> tuple[pd.DataFrame, tuple[PageColumn, ...]]:
    """Make one row of each gene and cohort, the evidence beside it.

    Parameters
    ----------
    table : DataFrame
        The long table of a scan.
    evidence : DataFrame
        ``gene``, ``cancer_type`` where it depends on it, and columns of text.

    Returns
    -------
    wide : DataFrame
        Sorted by q per SD, then p.
    columns : tuple of PageColumn
        What it holds; those without any value are left out.
    """
    wide = table[KEY].drop_duplicates(ignore_index=True).set_index(KEY)
    for part in (_continuous(table), _split(table, MEDIAN), _split(table, QUANTILE), _split(table, OPTIMAL)):
        wide = wide.join(part.loc[:, part.columns.difference(wide.columns, sort=False)])
    wide = wide.reset_index().sort_values(["q_per_sd", "p_per_sd"], kind="stable", ignore_index=True)
    wide, evidence_columns = _with_evidence(wide, evidence)
    columns = [column for column in (*_scan_columns(), *evidence_columns) if _has_values(wide, column)]
    return wide, tuple(columns)


def _continuous(table: pd.DataFrame) -> pd.DataFrame:
    rows = rows_of_cut(table, PER_SD).set_index(KEY)
    kept = rows[["n", "events", "p_proportional_hazards", "p_nonlinearity", "direction"]]
    status = rows["status"].where(rows["estimator"] == "none", rows["estimator"] + ", " + rows["status"])
    return kept.assign(
        status=status.where(rows["remark"] == "", status + ", " + rows["remark"]),
        adjusted=rows["adjusted_hazard_ratio"],
        adjusted_lower=rows["adjusted_lower"],
        adjusted_upper=rows["adjusted_upper"],
        p_adjusted=rows["adjusted_p"],
        **_estimates(rows, PER_SD),
    )


def _split(table: pd.DataFrame, cut: str) -> pd.DataFrame:
    rows = rows_of_cut(table, cut).set_index(KEY)
    found = pd.DataFrame(_estimates(rows, cut), index=rows.index)
    if cut == OPTIMAL:
        return found.assign(p_optimal=rows["p_lausen_schumacher_1994"]).drop(columns="q_optimal")
    if cut != MEDIAN:
        return found
    months = {end: f"restricted_mean_difference_months{end}" for end in ("", "_lower", "_upper")}
    return found.assign(
        **{f"restricted_mean{end}": rows[column] for end, column in months.items()},
        p_restricted_mean=rows["p_restricted_mean"],
    )


def _estimates(rows: pd.DataFrame, cut: str) -> dict[str, pd.Series]:
    return {
        cut: rows["hazard_ratio"],
        f"{cut}_lower": rows["lower"],
        f"{cut}_upper": rows["upper"],
        f"p_{cut}": rows["p"],
        f"q_{cut}": rows["q"],
    }


def _with_evidence(wide: pd.DataFrame, evidence: pd.DataFrame) -> tuple[pd.DataFrame, list[PageColumn]]:
    keys = [key for key in ("cancer_type", "gene") if key in evidence.columns]
    names = [name for name in evidence.columns if name not in keys]
    joined = wide.merge(evidence.drop_duplicates(keys), on=keys, how="left") if names else wide
    columns = [
        PageColumn(name.replace("_", " "), TEXT, (name,), "From the review's tables.", short=name in SHORT_EVIDENCE)
        for name in names
    ]
    return joined, columns


def _has_values(wide: pd.DataFrame, column: PageColumn) -> bool:
    values = wide[column.parts[0]]
    if column.parts[0] == "endpoint":
        return len(values.unique()) > 1
    return bool((values.fillna("") != "").any()) if column.kind in TEXTS else bool(values.notna().any())


def packed(table: pd.DataFrame, columns: Sequence[PageColumn]) -> tuple[list[dict[str, object]], str]:
    """Pack a table for a page: what each column is, and all values in one text.

    Parameters
    ----------
    table : DataFrame
    columns : sequence of PageColumn

    Returns
    -------
    header : list of dict
        For each column its label, kind, hint, whether it is short and, of texts, the distinct ones in their order.
    values : str
        Base64 of gzip of one array after another, each part of each column, 4 bytes a row, lowest byte first: numbers
        as float32 (NaN where missing) with a short fraction, texts as the place of the text among the distinct ones.
    """
    header: list[dict[str, object]] = []
    arrays: list[NDArray[np.uint32]] = []
    for column in columns:
        entry: dict[str, object] = {
            "label": column.label, "kind": column.kind, "hint": column.hint, "short": column.short,
            "parts": len(column.parts),
        }  # fmt: skip
        if column.kind in TEXTS:
            codes, texts = pd.factorize(table[column.parts[0]].astype(object).fillna(""), sort=True)
            entry["texts"] = [str(text) for text in texts]
            arrays.append(codes.astype(np.uint32))
        else:
            arrays += [_short_fraction(table[part]) for part in column.parts]
        header.append(entry)
    raw = np.concatenate(arrays).astype("<u4").tobytes() if arrays else b""
    # No time of making in it: the same table gives the same page.
    return header, base64.b64encode(gzip.compress(raw, compresslevel=6, mtime=0)).decode("ascii")


def _short_fraction(values: pd.Series) -> NDArray[np.uint32]:
    """Return float32 numbers as their bits, rounded to a short fraction."""
    numbers = values.astype("float64").to_numpy(np.float64, na_value=np.nan).clip(-3e38, 3e38).astype(np.float32)
    dropped = 23 - FRACTION_BITS
    bits = numbers.view(np.uint32)
    rounded = (bits + np.uint32(1 << (dropped - 1))) & np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)
    return np.where(np.isfinite(numbers), rounded, np.float32(np.nan).view(np.uint32))
