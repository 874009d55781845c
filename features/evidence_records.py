"""The rows of the review's tables, seen from one gene: what was found, what it binds, and which drugs reach it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

from features.citations import Citation, Trial, citations, numbers_cited
from features.published import BETTER, WORSE

TARGET, LIGAND = "target", "ligand"
TABLE_4, SECTION_6 = "Table 4", "section 6"

_WORDS = {"high": WORSE, "low": BETTER}


@dataclass(frozen=True)
class Finding:
    """A row of Table 3: what studies found, beside the review's own finding in TCGA.

    Parameters
    ----------
    row : int
        1 to 26, as printed.
    cancer : str
        As printed.
    cancer_types : tuple of str
        TCGA's codes for it.
    in_cancer_type : bool or None
        Whether the cancer type that was asked for is one of them; None if none was asked for.
    literature_hr, tcga_hr : str
        ``high``: the hazard ratio of high expression is above 1, so worse; ``low``: below 1, so better.
    references : tuple of int
    remark : str or None
        What the review's text or a reference's title adds: another outcome, a subgroup, the other direction.
    """

    row: int
    cancer: str
    cancer_types: tuple[str, ...]
    in_cancer_type: bool | None
    literature_hr: str
    tcga_hr: str
    references: tuple[int, ...]
    remark: str | None

    def __str__(self) -> str:
        """Return the row in words."""
        tcga = _WORDS[self.tcga_hr].removeprefix("high expression ")
        remark = f" ({self.remark})" if self.remark else ""
        return (
            f"{self.cancer}: {_WORDS[self.literature_hr]}, TCGA in the review {tcga} {_cited(self.references)}{remark}"
        )


@dataclass(frozen=True)
class Interaction:
    """A row of Table 1, seen from one of its genes.

    Parameters
    ----------
    cancer, source_tissue : str
        As printed.
    in_cancer_type : bool or None
        As in `Finding`.
    role : str
        ``target`` or ``ligand``: what the gene is in this row.
    partner : str
        The other side as printed; `partner_genes` are its symbols, none where it is no single gene's product.
    partner_genes : tuple of str
    interacting_cells : str or None
        None where the table prints NA.
    references : tuple of int
    """

    cancer: str
    in_cancer_type: bool | None
    role: str
    partner: str
    partner_genes: tuple[str, ...]
    interacting_cells: str | None
    source_tissue: str
    references: tuple[int, ...]

    def __str__(self) -> str:
        """Return the row in words."""
        cells = f"{self.interacting_cells}, " if self.interacting_cells else ""
        return f"{self.role} of {self.partner} ({cells}{self.cancer}, {self.source_tissue}) {_cited(self.references)}"


@dataclass(frozen=True)
class Drug:
    """A row of Table 4, seen from one of its genes.

    Parameters
    ----------
    cancer, drug : str
        As printed; the cancer is the one in which the target acts in clusters.
    target : tuple of str
        Symbols of what the drug is against.
    role : str
        ``target``, or ``ligand`` where the gene is that of the target's ligand.
    current_use, potential_use : str or None
        As printed; None where the table prints NA.
    in_cancer_type : bool or None
        Whether `potential_use` names the cancer type that was asked for; None if none was asked for.
    references : tuple of int
    trials : tuple of Trial
    source : str
        ``Table 4``, or ``section 6`` for a drug that only the review's text names.
    """

    cancer: str
    drug: str
    target: tuple[str, ...]
    role: str
    current_use: str | None
    potential_use: str | None
    in_cancer_type: bool | None
    references: tuple[int, ...]
    trials: tuple[Trial, ...]
    source: str

    def __str__(self) -> str:
        """Return the row in words, without its trials."""
        against = f" against {', '.join(self.target)}" if self.role == LIGAND else ""
        uses = [f"used in {self.current_use}" if self.current_use else ""]
        uses += [f"proposed for {self.potential_use}" if self.potential_use else ""]
        told = "; ".join(use for use in uses if use)
        return f"{self.drug}{against}: {told} {_cited(self.references)}".rstrip()


@dataclass(frozen=True)
class Evidence:
    """What the review's Tables 1, 3 and 4 say of a gene; empty where they do not name it.

    Parameters
    ----------
    gene : str
    cancer_type : str or None
        The paper's code of the cancer type that was asked for.
    literature_direction : str or None
        Of the studies in that cancer type: `features.published.literature_direction`.
    findings : tuple of Finding
        Of every cancer, those in the cancer type first.
    interactions : tuple of Interaction
    drugs : tuple of Drug
    """

    gene: str
    cancer_type: str | None
    literature_direction: str | None
    findings: tuple[Finding, ...]
    interactions: tuple[Interaction, ...]
    drugs: tuple[Drug, ...]

    def __bool__(self) -> bool:
        """Tell whether the tables name the gene."""
        return bool(self.findings or self.interactions or self.drugs)

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The references of all rows and remarks, each once, by number."""
        rows: tuple[Finding | Interaction | Drug, ...] = (*self.findings, *self.interactions, *self.drugs)
        remarked = (numbers_cited(finding.remark) for finding in self.findings if finding.remark)
        return citations(chain(*(row.references for row in rows), *remarked))

    def as_dict(self) -> dict[str, Any]:
        """Return it as objects of JSON, the references resolved under ``citations``."""
        return {**asdict(self), "citations": [asdict(citation) for citation in self.citations]}


def _cited(references: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, references))}]" if references else ""
