"""The gene panel as data: each gene with its identifiers, its role and its source in the paper."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from features.errors import PanelError

PANELS = ("ctc_core", "ctc_interaction", "ctc_review")

_CTC = Path(__file__).parent / "panels" / "ctc.toml"
_REQUIRED = ("symbol", "hgnc_id", "entrez_id", "ensembl_id", "role", "source")
_FORMS = {
    "symbol": (r"[^\s|]+", "one word"),
    "hgnc_id": (r"HGNC:\d+", "HGNC: and its number"),
    "ensembl_id": (r"ENSG\d{11}", "ENSG and eleven digits, without a version"),
    "compartment": (r"epithelial|mesenchymal", "epithelial or mesenchymal"),
}
_TEXT = (r"\S(.*\S)?", "text in quotes, not empty and without spaces around it")
_OPTIONAL = ("previous_symbols", "aliases", "panel", "cluster", "compartment", "partners")


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


@dataclass(frozen=True)
class _Entry:
    """One table of the file, which knows its place for an error."""

    place: str
    values: dict[str, object]

    def fault(self, what: str, mend: str) -> PanelError:
        return PanelError(f"{self.place}: {what}; {mend}.")

    def check_keys(self, required: Iterable[str], optional: Iterable[str] = ()) -> None:
        required, known = tuple(required), {*required, *optional}
        if unknown := [key for key in self.values if key not in known]:
            raise self.fault(
                f"unknown key {unknown[0]!r} ({len(unknown)} in all)", f"the keys are {', '.join(sorted(known))}"
            )
        if missing := [key for key in required if key not in self.values]:
            raise self.fault(f"{missing[0]!r} is missing ({len(missing)} keys in all)", "add it")

    def text(self, key: str) -> str:
        value = self.values[key]
        pattern, form = _FORMS.get(key, _TEXT)
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self.fault(f"{key} = {value!r} is not of its form", f"write {form}")
        return value

    def number(self, key: str) -> int:
        value = self.values[key]
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.fault(f"{key} = {value!r} is not a positive whole number", "write it without quotes")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.values.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, str) and value.strip() for value in values):
            raise self.fault(f"{key} = {values!r} is not a list of names", f'write {key} = ["NAME", …]')
        return tuple(values)

    def tables(self, key: str) -> list[_Entry]:
        values = self.values.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise self.fault(f"{key} is not a list of tables", f"begin each with [[{key}]]")
        return [
            _Entry(f"{self.place}, [[{key}]] {number} ({value.get('symbol') or value.get('name')})", value)
            for number, value in enumerate(values, start=1)
        ]


def _gene(entry: _Entry, panels: Sequence[str]) -> Gene:
    entry.check_keys(_REQUIRED, _OPTIONAL)
    panel = entry.text("panel") if "panel" in entry.values else panels[-1]
    if panel not in panels:
        raise entry.fault(f"panel = {panel!r} is unknown", f"the file's panels are {', '.join(panels)}")
    cluster = entry.number("cluster") if "cluster" in entry.values else None
    if cluster not in (None, 1, 2):
        raise entry.fault(f"cluster = {cluster} is unknown", "write 1 or 2 of the paper's Figure 3, or leave it out")
    return Gene(
        symbol=entry.text("symbol"),
        hgnc_id=entry.text("hgnc_id"),
        entrez_id=entry.number("entrez_id"),
        ensembl_id=entry.text("ensembl_id"),
        previous_symbols=entry.texts("previous_symbols"),
        aliases=entry.texts("aliases"),
        panel=panel,
        role=entry.text("role"),
        cluster=cluster,
        compartment=entry.text("compartment") if "compartment" in entry.values else None,
        partners=entry.texts("partners"),
        source=entry.text("source"),
    )


def _interaction(entry: _Entry, symbols: Sequence[str]) -> Interaction:
    entry.check_keys(("name", "receptor", "ligands", "source"))
    interaction = Interaction(entry.text("name"), entry.text("receptor"), entry.texts("ligands"))
    entry.text("source")
    if not interaction.ligands:
        raise entry.fault("ligands is empty", "name at least one gene, or leave the interaction out")
    _check_known(entry, (interaction.receptor, *interaction.ligands), symbols)
    return interaction


def _check_known(entry: _Entry, named: Iterable[str], symbols: Sequence[str]) -> None:
    if unknown := [symbol for symbol in named if symbol not in symbols]:
        raise entry.fault(
            f"{unknown[0]!r} is no gene of this file ({len(unknown)} such in all)", "add a [[gene]] for it, or drop it"
        )


def _check_unique(entries: Sequence[_Entry], key: str) -> None:
    first: dict[str, _Entry] = {}
    repeated = [entry for entry in entries if first.setdefault(str(entry.values[key]).upper(), entry) is not entry]
    if repeated:
        value = repeated[0].values[key]
        raise repeated[0].fault(
            f"{key} = {value!r} is there already ({len(repeated)} such entries in all)", "keep one entry of each"
        )


def _panels(top: _Entry) -> tuple[str, ...]:
    top.check_keys(("name", "gene"), ("panels", "interaction"))
    return top.texts("panels") or (top.text("name"),)


def _read(path: Path) -> _Entry:
    try:
        return _Entry(str(path), tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise PanelError(
            f"{path}: no panel can be read here ({error.strerror}); name one of {', '.join(PANELS)}, or a TOML file."
        ) from error
    except ValueError as error:
        raise PanelError(f"{path}: not a TOML file in UTF-8 ({error}); mend it there.") from error


def _parse(top: _Entry) -> tuple[tuple[str, ...], Panel]:
    """Return the file's nested panels, smallest first, and the panel of all its genes."""
    panels = _panels(top)
    gene_entries, interaction_entries = top.tables("gene"), top.tables("interaction")
    genes = tuple(_gene(entry, panels) for entry in gene_entries)
    if not genes:
        raise top.fault("it holds no gene", "add at least one [[gene]]")
    for key in ("symbol", "hgnc_id", "entrez_id", "ensembl_id"):
        _check_unique(gene_entries, key)
    symbols = tuple(gene.symbol for gene in genes)
    for entry, gene in zip(gene_entries, genes, strict=True):
        _check_known(entry, gene.partners, symbols)
    interactions = tuple(_interaction(entry, symbols) for entry in interaction_entries)
    _check_unique(interaction_entries, "name")
    return panels, Panel(top.text("name"), genes, interactions)


def _within(name: str, panels: Sequence[str], widest: Panel) -> Panel:
    """Keep the genes of one nested panel, and the interactions that it holds whole."""
    held = panels[: panels.index(name) + 1]
    genes = tuple(gene for gene in widest.genes if gene.panel in held)
    symbols = {gene.symbol for gene in genes}
    whole = tuple(term for term in widest.interactions if symbols.issuperset((term.receptor, *term.ligands)))
    return Panel(name, genes, whole)


@cache
def _shipped() -> tuple[tuple[str, ...], Panel]:
    return _parse(_read(_CTC))


def load_panel(name_or_path: str) -> Panel:
    """Load a shipped panel by name, or a user's own from a TOML file.

    Parameters
    ----------
    name_or_path : str
        One of ``PANELS``, or the path of a file in the format of ``features/panels/ctc.toml``. In a file of one's own
        ``panels`` may be left out, and of a gene every key but its symbol, its three identifiers, role and source.

    Returns
    -------
    Panel
        A shipped panel has those interactions of Table 1 whose genes it all holds; a file's panel is the whole file.

    Raises
    ------
    PanelError
        The file cannot be read, has an unknown or missing key, a value of the wrong form, a gene or interaction twice,
        or names a gene that it does not hold.
    """
    if name_or_path in PANELS:
        return _within(name_or_path, *_shipped())
    return _parse(_read(Path(name_or_path)))[1]
