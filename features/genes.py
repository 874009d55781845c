"""Which gene of the panel an identifier names, in whatever vocabulary a data file uses."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from features.panel import Gene, Panel

Symbols = dict[str, tuple[str, ...]]

_ENSEMBL = re.compile(r"(ENSG\d{11})(?:\.\d+)?", re.IGNORECASE)
_ENTREZ = re.compile(r"0*([1-9]\d*)(?:\.0)?")  # a column of whole numbers with a gap reads as 960.0


@dataclass(frozen=True)
class Resolution:
    """What each identifier of a data file names; identifiers that name no gene of the panel are absent.

    Parameters
    ----------
    symbols : dict of str to str
        Identifier as given → current symbol of the panel's gene.
    renamed : dict of str to str
        Those of ``symbols`` whose identifier is not the symbol itself.
    ambiguous : dict of str to tuple of str
        Identifiers that name several genes of the panel equally well, and are therefore not in ``symbols``.
    duplicated : dict of str to tuple of str
        Symbols that several identifiers name equally well (or one repeated), all of them in ``symbols``.
    passed_over : dict of str to str
        Previous symbols and aliases of a gene that is there under a better identifier; not in ``symbols``.
    """

    symbols: dict[str, str]
    renamed: dict[str, str]
    ambiguous: dict[str, tuple[str, ...]]
    duplicated: dict[str, tuple[str, ...]]
    passed_over: dict[str, str]


@dataclass(frozen=True)
class _Level:
    """One vocabulary: how an identifier is written in it, and which genes each of its words names."""

    word: Callable[[str], str | None]
    genes: Mapping[str, tuple[str, ...]]

    def lookup(self, identifier: str) -> tuple[str, ...]:
        word = self.word(identifier)
        return () if word is None else self.genes.get(word, ())


def _ensembl(identifier: str) -> str | None:
    match = _ENSEMBL.fullmatch(identifier)
    return match[1].upper() if match else None


def _entrez(identifier: str) -> str | None:
    # UCSC Xena writes SYMBOL|ENTREZ where a symbol is missing or not unique: there the number decides.
    match = _ENTREZ.fullmatch(identifier.rpartition("|")[2])
    return match[1] if match else None


def _hgnc(identifier: str) -> str | None:
    return identifier.upper() if identifier[:5].upper() == "HGNC:" else None


def _index(genes: Iterable[Gene], words: Callable[[Gene], Iterable[str]]) -> Symbols:
    index: dict[str, list[str]] = defaultdict(list)
    for gene in genes:
        for word in dict.fromkeys(words(gene)):
            index[word].append(gene.symbol)
    return {word: tuple(symbols) for word, symbols in index.items()}


def _names(genes: Iterable[Gene], words: Callable[[Gene], Iterable[str]]) -> tuple[_Level, _Level]:
    """Build two levels for names: as they are written, then in any case."""
    genes = tuple(genes)
    folded = _index(genes, lambda gene: (word.upper() for word in words(gene)))
    return _Level(str, _index(genes, words)), _Level(str.upper, folded)


@dataclass(frozen=True)
class GeneResolver:
    """Resolve identifiers to the current symbols of a panel; build it with ``for_panel``.

    Notes
    -----
    In order: current symbol, Ensembl (with or without version), Entrez, HGNC id, current symbol in any case, previous
    symbol, alias. The last two have changed hands between genes, so they count only for a gene that is not there
    under a better identifier. That no alias is another human gene's current symbol is the panel file's promise: it
    leaves such aliases out.
    """

    certain: tuple[_Level, ...]
    previous: tuple[_Level, ...]
    alias: tuple[_Level, ...]

    @classmethod
    def for_panel(cls, panel: Panel) -> GeneResolver:
        """Index a panel's identifiers."""
        genes = panel.genes
        symbol, symbol_in_any_case = _names(genes, lambda gene: (gene.symbol,))
        return cls(
            certain=(
                symbol,
                _Level(_ensembl, _index(genes, lambda gene: (gene.ensembl_id,))),
                _Level(_entrez, _index(genes, lambda gene: (str(gene.entrez_id),))),
                _Level(_hgnc, _index(genes, lambda gene: (gene.hgnc_id,))),
                symbol_in_any_case,
            ),
            previous=_names(genes, lambda gene: gene.previous_symbols),
            alias=_names(genes, lambda gene: gene.aliases),
        )

    def may_name(self, identifier: str) -> frozenset[str]:
        """Return every gene of the panel that an identifier can name in a file, whatever else is in that."""
        stripped = identifier.strip()
        levels = (*self.certain, *self.previous, *self.alias)
        return frozenset(symbol for level in levels for symbol in level.lookup(stripped))

    def resolve(self, identifiers: Iterable[str | int]) -> Resolution:
        """Find the panel's genes among a data file's identifiers.

        Parameters
        ----------
        identifiers : iterable of str or int
            In the file's order, repeats included; a number is read, and reported, as its text.

        Returns
        -------
        Resolution
        """
        given = [str(identifier) for identifier in identifiers]
        found: dict[str, str] = {}
        ambiguous: Symbols = {}
        passed_over: dict[str, str] = {}
        for levels in (self.certain, self.previous, self.alias):
            taken = set(found.values())
            for identifier in dict.fromkeys(given):
                if identifier in found or identifier in ambiguous or identifier in passed_over:
                    continue
                named = _first(levels, identifier)
                if len(named) > 1:
                    ambiguous[identifier] = named
                elif named:
                    (passed_over if named[0] in taken else found)[identifier] = named[0]
        symbols = {identifier: found[identifier] for identifier in given if identifier in found}
        return Resolution(
            symbols=symbols,
            renamed={identifier: symbol for identifier, symbol in symbols.items() if identifier != symbol},
            ambiguous=ambiguous,
            duplicated=_duplicated(given, symbols),
            passed_over=passed_over,
        )


def _first(levels: Iterable[_Level], identifier: str) -> tuple[str, ...]:
    stripped = identifier.strip()
    for level in levels:
        if named := level.lookup(stripped):
            return named
    return ()


def _duplicated(given: Iterable[str], symbols: Mapping[str, str]) -> Symbols:
    identifiers: dict[str, list[str]] = defaultdict(list)
    for identifier in given:
        if identifier in symbols:
            identifiers[symbols[identifier]].append(identifier)
    return {symbol: tuple(names) for symbol, names in identifiers.items() if len(names) > 1}
