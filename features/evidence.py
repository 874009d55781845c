"""What the review knows of a gene: studies of its expression, its partners and their cells, drugs and trials."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from features.cancer_types import tcga_codes
from features.citations import numbers_cited, trials_named
from features.cohort import SIMULATED_PREFIX
from features.evidence_records import LIGAND, SECTION_6, TABLE_4, TARGET, Drug, Evidence, Finding, Interaction
from features.published import (
    drugs,
    interactions_table,
    literature_direction,
    literature_directions,
    published_cancer_type,
)

_PAPER = Path(__file__).parent / "paper"
_CODE = re.compile(r"\b[A-Z]{2,}\b")


@lru_cache(maxsize=4096)
def evidence(gene: str, cancer_type: str | None = None) -> Evidence:
    """Gather what the review's tables say of a gene.

    Parameters
    ----------
    gene : str
        HGNC symbol; a target of Table 1 or 4, a gene of a ligand there, or a gene of Table 3.
    cancer_type : str, optional
        Marks and puts first what concerns it; a code of TCGA or OncoTree. A simulated cohort's stands for the real one.
    """
    code = None if cancer_type is None else _paper_code(cancer_type)
    findings = sorted(_findings(gene, code), key=lambda finding: not finding.in_cancer_type)
    direction = literature_direction(gene, code) if code and findings else None
    return Evidence(gene, code, direction, tuple(findings), _interactions(gene, code), _drugs(gene, code))


def named_genes() -> frozenset[str]:
    """Return the symbols that Tables 1, 3 and 4 name, the genes of their ligands among them."""
    return frozenset().union(*map(_rows_of, _TABLES))


def evidence_table(genes: Iterable[str], cancer_type: str | None = None) -> pd.DataFrame:
    """Write the evidence as plain text, one row a gene, for a CSV file or a page.

    Parameters
    ----------
    genes : iterable of str
    cancer_type : str, optional
        As in `evidence`.

    Returns
    -------
    DataFrame
        In the order of `genes`: ``gene``; ``literature_direction`` of the studies in the cancer type; ``literature``
        and ``literature_elsewhere``, the rows of Table 3 in the cancer type and in others (all in the first if no
        cancer type is given); ``partners``, ``interacting_cells`` and ``interactions`` of Table 1; ``drugs`` and
        ``trials`` of Table 4; ``references``, the citations behind the numbers in brackets. Empty text where the
        tables say nothing.
    """
    wanted = list(genes)
    # Of a transcriptome the tables name a few dozen.
    rows = [_text_row(evidence(gene, cancer_type)) for gene in sorted(named_genes().intersection(wanted))]
    columns = list(_text_row(Evidence("", None, None, (), (), ())))
    table = pd.DataFrame(rows, columns=columns, dtype=object).set_index("gene")
    return table.reindex(pd.Index(wanted, dtype=object, name="gene"), fill_value="").reset_index()


def with_evidence(table: pd.DataFrame, cancer_type: str | None = None) -> pd.DataFrame:
    """Put the columns of `evidence_table` beside a table that has a column ``gene``; a column it has stays its own."""
    genes = pd.unique(table["gene"])
    beside = evidence_table(genes, cancer_type).set_index("gene")
    beside = beside.drop(columns=beside.columns.intersection(table.columns))
    return table.join(beside, on="gene")


def _text_row(found: Evidence) -> dict[str, str]:
    here = [finding for finding in found.findings if finding.in_cancer_type is not False]
    elsewhere = [finding for finding in found.findings if finding.in_cancer_type is False]
    return {
        "gene": found.gene,
        "literature_direction": found.literature_direction or "",
        "literature": _joined(here),
        "literature_elsewhere": _joined(elsewhere),
        "partners": _joined(interaction.partner for interaction in found.interactions),
        "interacting_cells": _joined(row.interacting_cells for row in found.interactions if row.interacting_cells),
        "interactions": _joined(found.interactions),
        "drugs": _joined(found.drugs),
        "trials": _joined(trial for drug in found.drugs for trial in drug.trials),
        "references": _joined(found.citations),
    }


def _joined(parts: Iterable[object]) -> str:
    return " | ".join(dict.fromkeys(map(str, parts)))


def _paper_code(cancer_type: str) -> str:
    code = cancer_type.removeprefix(SIMULATED_PREFIX)
    return published_cancer_type(tcga_codes().get(code, code))


def _findings(gene: str, code: str | None) -> list[Finding]:
    return [
        Finding(
            row=int(row["row"]),
            cancer=row["cancer"],
            cancer_types=_codes_of(row["cancer"]),
            in_cancer_type=_is_one_of(code, _codes_of(row["cancer"])),
            literature_hr=row["literature_hr"],
            tcga_hr=row["tcga_hr"],
            references=numbers_cited(row["references"]),
            remark=_remarks().get((gene, row["cancer"], row["references"])),
        )
        for row in _rows_of("findings").get(gene, ())
    ]


def _interactions(gene: str, code: str | None) -> tuple[Interaction, ...]:
    return tuple(
        Interaction(
            cancer=row["cancer"],
            in_cancer_type=_is_one_of(code, _codes_of(row["cancer"])),
            role=row["role"],
            partner=row["ligands"] if row["role"] == TARGET else row["target"],
            partner_genes=tuple((row["ligand_genes"] if row["role"] == TARGET else row["target"]).split()),
            interacting_cells=_unless_na(row["interacting_cells"]),
            source_tissue=row["source_tissue"],
            references=numbers_cited(row["reference"]),
        )
        for row in _rows_of("interactions").get(gene, ())
    )


def _drugs(gene: str, code: str | None) -> tuple[Drug, ...]:
    return tuple(
        Drug(
            cancer=row["cancer"],
            drug=row["drug"],
            target=tuple(row["target"].split()),
            role=row["role"],
            current_use=_unless_na(row["current_use"]),
            potential_use=_unless_na(row["potential_use"]),
            in_cancer_type=_is_one_of(code, _CODE.findall(row["potential_use"])),
            references=numbers_cited(row["references"]),
            trials=trials_named(row["references"]),
            source=row["source"],
        )
        for row in _rows_of("drugs").get(gene, ())
    )


@cache
def _rows_of(name: str) -> dict[str, list[dict[str, Any]]]:
    """Return a table's rows under each gene that they name, with the gene's role in each."""
    rows = _TABLES[name]()
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows.to_dict("records"):
        targets, ligands = str(row["target"]).split(), str(row["ligand_genes"]).split()
        for gene in dict.fromkeys((*targets, *ligands)):
            found.setdefault(gene, []).append({**row, "role": TARGET if gene in targets else LIGAND})
    return found


def _finding_rows() -> pd.DataFrame:
    # A printed row concerns one cancer type or several: here it is one row again.
    return literature_directions().drop_duplicates("row").assign(target=lambda t: t["gene"], ligand_genes="")


def _drug_rows() -> pd.DataFrame:
    """Return Table 4 and the text's drugs, the ligands' genes as Table 1 has them."""
    of_text = _read("text_drugs").rename(columns={"cancer_type": "cancer"})
    rows = pd.concat([drugs().assign(source=TABLE_4), of_text.assign(source=SECTION_6)], ignore_index=True)
    genes = interactions_table().set_index("ligands")["ligand_genes"].to_dict()
    return rows.assign(ligand_genes=rows["ligands"].map(genes))


_TABLES = {"findings": _finding_rows, "interactions": interactions_table, "drugs": _drug_rows}


@cache
def _remarks() -> dict[tuple[str, str, str], str]:
    rows = _read("table3_remarks").to_dict("records")
    return {(row["gene"], row["cancer"], row["references"]): row["remark"] for row in rows}


@cache
def _codes() -> dict[str, tuple[str, ...]]:
    return {str(cancer): tuple(rows) for cancer, rows in _read("cancer_names").groupby("cancer")["cancer_type"]}


def _codes_of(cancers: str) -> tuple[str, ...]:
    return tuple(code for cancer in cancers.split(", ") for code in _codes()[cancer])


def _is_one_of(code: str | None, codes: Iterable[str]) -> bool | None:
    return None if code is None else code in codes


def _unless_na(cell: str) -> str | None:
    return None if cell == "NA" else cell


def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(_PAPER / f"{name}.tsv", sep="\t", keep_default_na=False)
