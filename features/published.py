"""What the paper printed, as data: Tables 1 to 4 of Rozenberg et al. 2023 (doi 10.3389/fimmu.2023.1099921)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pandas as pd

_PAPER = Path(__file__).parent / "paper"

# The paper's code for a cohort that pools it with another: its COAD is what a COADREAD cohort can be compared with.
_POOLED = {"COADREAD": "COAD"}
_POOLED_COHORT = {code: cohort for cohort, code in _POOLED.items()}

# Genes for the ligands of Table 1; a ligand that is no gene product, or no one partner, has none.
_LIGAND_GENES = {
    "IL1": "IL1A IL1B",
    "Hyaluronic acid": "HAS1 HAS2 HAS3",
    "CAMs": "",
    "CDH1, adherent junction protein": "",
}

WORSE = "high expression worse"
BETTER = "high expression better"
DISAGREE = "reports disagree"
_WORDS = {"high": WORSE, "low": BETTER}


@cache
def _table(name: str) -> pd.DataFrame:
    # "NA" stands in cells that the paper printed so: it is not a gap.
    return pd.read_csv(_PAPER / f"{name}.tsv", sep="\t", keep_default_na=False)


def published_cancer_type(cancer_type: str) -> str:
    """Name a cohort's cancer type as the paper does: COADREAD is its COAD, every other code is the same."""
    return _POOLED.get(cancer_type, cancer_type)


def published_hazard_ratios() -> pd.DataFrame:
    r"""Read Table 2, the univariate hazard ratios of the TCGA cohorts.

    .. math:: HR_{high\ vs\ low} = 1 / HR_{printed}

    Returns
    -------
    DataFrame
        ``gene``, ``cancer_type`` (the paper's code), ``cohort_cancer_type`` (the same, but COADREAD for COAD),
        ``p_value`` (0 where 0.0000 is printed), ``hazard_ratio_as_printed``, ``hazard_ratio_high_vs_low`` (above 1 =
        worse).

    Notes
    -----
    The table's caption says high expression, but its HRs run low-against-high: its text, its figures, its Table 3 and
    the cohorts themselves say the opposite of its numbers. Its p-values come from chosen cut-offs.
    """
    table = _table("table2_hazard_ratios")
    return pd.DataFrame(
        {
            "gene": table["gene"],
            "cancer_type": table["cancer_type"],
            "cohort_cancer_type": table["cancer_type"].replace(_POOLED_COHORT),
            "p_value": table["p_value"],
            "hazard_ratio_as_printed": table["hr_as_printed"],
            "hazard_ratio_high_vs_low": 1 / table["hr_as_printed"],
        }
    )


def interactions_table() -> pd.DataFrame:
    """Read Table 1: the interactions that promote clusters of circulating tumour cells.

    Returns
    -------
    DataFrame
        ``cancer``, ``target``, ``ligands``, ``interacting_cells``, ``source_tissue``, ``reference`` as printed, and
        ``ligand_genes``: the symbols of the ligand's genes between spaces, empty where it has none.
    """
    table = _table("table1_interactions").rename(columns={"cancer_type": "cancer"})
    return table.assign(ligand_genes=table["ligands"].replace(_LIGAND_GENES))


def literature_directions() -> pd.DataFrame:
    """Read Table 3: what other studies found, beside the paper's own finding in TCGA.

    Returns
    -------
    DataFrame
        One row for each printed row and TCGA cohort it concerns: ``row`` (1 to 26, as printed), ``gene``, ``cancer``
        (as printed), ``cancer_type`` (the paper's TCGA code), ``literature_hr`` and ``tcga_hr`` (``high`` = HR above 1
        for high expression, so worse), ``references``.
    """
    table = _table("table3_literature").rename_axis("row").reset_index()
    table["row"] += 1
    return table.merge(_table("cancer_names"), on="cancer", how="left", validate="many_to_many")[
        ["row", "gene", "cancer", "cancer_type", "literature_hr", "tcga_hr", "references"]
    ]


def literature_direction(gene: str, cancer_type: str) -> str | None:
    """Say what the studies of Table 3 found for a gene in a cohort's cancer type.

    Returns
    -------
    str or None
        ``WORSE``, ``BETTER``, ``DISAGREE``, or None if the table names no study.
    """
    found = _literature().get((gene, published_cancer_type(cancer_type)), frozenset())
    if len(found) > 1:
        return DISAGREE
    return _WORDS[next(iter(found))] if found else None


@cache
def _literature() -> Mapping[tuple[str, str], frozenset[str]]:
    """Return what the studies of Table 3 found, by gene and the paper's cancer type."""
    table = literature_directions()
    return {key: frozenset(rows) for key, rows in table.groupby(["gene", "cancer_type"])["literature_hr"]}


def drugs() -> pd.DataFrame:
    """Read Table 4: drugs against the panel's molecules, with their present and possible uses.

    Returns
    -------
    DataFrame
        ``cancer``, ``target`` (symbols between spaces), ``ligands``, ``drug``, ``current_use``, ``potential_use``,
        ``references`` as printed, the table's shifted cells set straight.
    """
    return _table("table4_drugs").rename(columns={"cancer_type": "cancer"})
