"""The gene panel as data: each gene with its identifiers, its role and its source in the paper."""

from __future__ import annotations

from dataclasses import dataclass

PANELS = ("ctc_core", "ctc_interaction", "ctc_review")


@dataclass(frozen=True)
class Gene:
    """One gene of the panel.

    Parameters
    ----------
    symbol, hgnc_id, ensembl_id : str
        Current HGNC symbol, ``HGNC:1681``, ``ENSG00000026508`` (no version).
    entrez_id : int
    previous_symbols, aliases : tuple of str
    panel : str
        The smallest of the nested panels that holds it.
    role : str
        ``receptor``, ``ligand``, ``adhesion``, ``transcription factor``, ``marker``, …
    cluster : int or None
        1 or 2 of the paper's Figure 3.
    compartment : str or None
        ``epithelial`` or ``mesenchymal`` where the review names it as such a marker.
    partners : tuple of str
        Symbols of its partners in Table 1.
    source : str
        The table, figure or section of the paper, with the paper's own reference number.
    """

    symbol: str
    hgnc_id: str
    entrez_id: int
    ensembl_id: str
    previous_symbols: tuple[str, ...]
    aliases: tuple[str, ...]
    panel: str
    role: str
    cluster: int | None
    compartment: str | None
    partners: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Interaction:
    """A receptor and its ligand of Table 1; a ligand of several genes is the mean of their normal scores."""

    name: str
    receptor: str
    ligands: tuple[str, ...]


@dataclass(frozen=True)
class Panel:
    """A gene set and the interactions among its genes."""

    name: str
    genes: tuple[Gene, ...]
    interactions: tuple[Interaction, ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Current HGNC symbols, in the panel's order."""
        return tuple(gene.symbol for gene in self.genes)


def load_panel(name_or_path: str) -> Panel:
    """Load a shipped panel by name, or a user's own from a TOML file."""
    raise NotImplementedError
