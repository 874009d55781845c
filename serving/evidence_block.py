"""What the review knows of a gene, as it stands beside its hazard ratio in an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import Field

from serving.wire import Wire

# What only starts the service needs the shape of an answer, but not the tables, which pandas reads.
# ruff: noqa: PLC0415

_ROLE = "What the gene is in this row."
_CONCERNS = "Whether it is of the model's cancer type."
_REFERENCES = "Numbers of the answer's `citations`."

Number = Annotated[int, Field(ge=1)]
Numbers = tuple[Number, ...]
Role = Literal["target", "ligand"]


class CitationBlock(Wire):
    """A reference of the review."""

    number: Number
    first_author: str
    year: int = Field(ge=1800, le=2100)
    journal: str
    doi: str | None


class FindingBlock(Wire):
    """A row of the review's Table 3; `high` means that high expression is worse."""

    row: Number
    cancer: str = Field(description="As printed.")
    cancer_types: tuple[str, ...] = Field(description="TCGA's codes for it.")
    in_cancer_type: bool | None = Field(description=_CONCERNS)
    literature_hr: Literal["high", "low"] = Field(description="What the studies found.")
    tcga_hr: Literal["high", "low"] = Field(description="What the review itself found in TCGA.")
    references: Numbers = Field(description=_REFERENCES)
    remark: str | None = Field(description="Where the review's text or the studies' titles say more or otherwise.")


class InteractionBlock(Wire):
    """A row of the review's Table 1."""

    cancer: str
    in_cancer_type: bool | None = Field(description=_CONCERNS)
    role: Role = Field(description=_ROLE)
    partner: str = Field(description="The other side, as printed.")
    partner_genes: tuple[str, ...]
    interacting_cells: str | None
    source_tissue: str
    references: Numbers = Field(description=_REFERENCES)


class TrialBlock(Wire):
    """A trial that the review names."""

    identifier: str
    studied_in: str | None
    remark: str | None


class DrugBlock(Wire):
    """A row of the review's Table 4."""

    cancer: str
    drug: str
    target: tuple[str, ...]
    role: Role = Field(description=_ROLE)
    current_use: str | None
    potential_use: str | None
    in_cancer_type: bool | None = Field(description="Whether `potential_use` names the model's cancer type.")
    references: Numbers = Field(description=_REFERENCES)
    trials: tuple[TrialBlock, ...]
    source: str


class EvidenceBlock(Wire):
    """What the review's tables say of a gene: facts from other studies, none of which the model uses."""

    findings: tuple[FindingBlock, ...] = Field(description="Table 3, the model's cancer type first.")
    interactions: tuple[InteractionBlock, ...] = Field(description="Table 1.")
    drugs: tuple[DrugBlock, ...] = Field(description="Table 4.")


def evidence_block(gene: str, cancer_type: str) -> EvidenceBlock | None:
    """Return what the review's tables say of a gene; None where they do not name it."""
    from features.evidence import evidence

    found = evidence(gene, cancer_type)
    told = asdict(found)
    return EvidenceBlock.model_validate({part: told[part] for part in EvidenceBlock.model_fields}) if found else None


def citation_blocks(genes: Iterable[str]) -> list[CitationBlock]:
    """Return the references behind the evidence of several genes, each once, by number."""
    from features.citations import citations
    from features.evidence import evidence

    cited = citations(citation.number for gene in genes for citation in evidence(gene).citations)
    return [CitationBlock.model_validate(asdict(citation)) for citation in cited]
