"""Which genes a scan is of: as a command names them, under the symbols that cohorts have, the unknown ones named."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from features.errors import PrognosisError
from features.genes import GeneResolver
from features.panel import PANELS, load_panel
from features.published import published_hazard_ratios

#: The widest of the shipped panels, by whose names readers find genes, too.
WIDEST_PANEL = "ctc_review"
LIST_ENDINGS = (".txt", ".csv", ".tsv", ".list")
#: So many are named; the count says how many there are.
NAMED = 10


@dataclass(frozen=True)
class FoundGenes:
    """What became of the genes that were asked for.

    Parameters
    ----------
    genes : tuple of str or None
        The symbols under which cohorts have them, each once; None for all.
    renamed : dict of str to str
        The symbol of each that was asked for by another name.
    unknown : tuple of str
        Those that no cohort has.
    """

    genes: tuple[str, ...] | None
    renamed: dict[str, str]
    unknown: tuple[str, ...]

    @property
    def notes(self) -> list[str]:
        """What a reader must know of it, in sentences."""
        count = f"{len(self.unknown)} of {len(self.genes or ()) + len(self.unknown)}"
        renamed = [f"{symbol} for {name}" for name, symbol in self.renamed.items()]
        return [
            *([f"Taken under their current symbols: {some(renamed)}."] if renamed else []),
            *([f"{count} genes are in no cohort: {some(self.unknown)}."] if self.unknown else []),
        ]


def genes_named(words: str) -> tuple[str, ...] | None:
    """Return the genes that a command line names: a shipped panel, a file of one symbol a line, symbols; None for all.

    Raises
    ------
    PrognosisError
        If a file is not there, cannot be read or is empty, or no gene is named.
    """
    if words == "all":
        return None
    if words in PANELS or words.endswith(".toml"):
        return tuple(load_panel(words).symbols)
    path = Path(words)
    if path.is_file():
        return _listed(path)
    if "/" in words or "\\" in words or words.lower().endswith(LIST_ENDINGS):
        raise PrognosisError(f"{path}: there is no such file of genes; name a file of one a line, a panel, or symbols.")
    symbols = tuple(dict.fromkeys(symbol.strip() for symbol in words.split(",") if symbol.strip()))
    if not symbols:
        raise PrognosisError(f"{words!r} names no gene; write symbols with commas between them.")
    return symbols


def _listed(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PrognosisError(f"{path}: is no list of genes that can be read ({error}); write one a line.") from error
    symbols = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not symbols:
        raise PrognosisError(f"{path}: names no gene; write one symbol a line.")
    return symbols


def found_genes(genes: Sequence[str] | None, present: Collection[str]) -> FoundGenes:
    """Find genes among those that cohorts have, by their symbols or the panel's other names for them.

    Parameters
    ----------
    genes : sequence of str or None
    present : collection of str
        What any of the cohorts has.

    Raises
    ------
    PrognosisError
        If none of the genes is there.
    """
    if genes is None:
        return FoundGenes(None, {}, ())
    there = set(present)
    by_name = GeneResolver.for_panel(load_panel(WIDEST_PANEL)).resolve(gene for gene in genes if gene not in there)
    renamed = {name: symbol for name, symbol in by_name.symbols.items() if symbol in there}
    symbols = {gene: renamed.get(gene, gene) for gene in genes}
    if symbols and not there.intersection(symbols.values()):
        raise PrognosisError(f"no cohort has any of the {len(symbols)} genes asked for ({some(genes)}); name others.")
    return FoundGenes(
        genes=tuple(dict.fromkeys(symbol for symbol in symbols.values() if symbol in there)),
        renamed=renamed,
        unknown=tuple(gene for gene, symbol in symbols.items() if symbol not in there),
    )


def genes_of_paper(further: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the genes of Table 2 and of the core panel, and further ones, each once."""
    return tuple(dict.fromkeys([*published_hazard_ratios()["gene"], *load_panel("ctc_core").symbols, *further]))


def some(words: Sequence[str]) -> str:
    """Name the first of these."""
    return ", ".join(words[:NAMED]) + (", …" if len(words) > NAMED else "")
