"""Gene symbols that a spreadsheet has turned into dates or numbers, and those of them that can be told back.

HGNC renamed the families that suffer most (MARCH to MARCHF, MARC to MTARC, SEPT to SEPTIN, SEP15 to SELENOF, DEC1 to
DELEC1): the table beside this module holds the current symbols of each date. An old symbol that came through unharmed
(``SEPT2``) is no date, and stays as the file has it.

References
----------
Ziemann M et al. 2016. Gene name errors are widespread in the scientific literature. doi 10.1186/s13059-016-1044-7
Bruford EA et al. 2020. Guidelines for human gene nomenclature. doi 10.1038/s41588-020-0669-3
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pandas as pd

from features.ledger import Ledger

_TABLE = Path(__file__).with_name("spreadsheet_names.tsv")
#: How months are written, in English and in German, by the first letters.
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_GERMAN = {"mrz": "mar", "mär": "mar", "mai": "may", "okt": "oct", "dez": "dec"}
_NAME = "|".join((*_MONTHS, *_GERMAN))
_DAY_FIRST = re.compile(rf"(\d{{1,2}})[-. ]{{1,2}}({_NAME})t?\.?(?:[-. ]\d{{2,4}})?", re.IGNORECASE)
_MONTH_FIRST = re.compile(rf"({_NAME})t?[-. ](\d{{1,2}})", re.IGNORECASE)
_ISO = re.compile(r"\d{4}-(\d{2})-(\d{2})(?:[ T]00:00(?::00)?)?")
#: What remains of a clone's name such as 2310009E13.
_NUMBER = re.compile(r"\d(?:[.,]\d+)?E\+\d{2}", re.IGNORECASE)


def genes_of_date(name: str) -> tuple[str, ...] | None:
    """Return the genes whose symbol a spreadsheet turns into this date; None where it is no date.

    Returns
    -------
    tuple of str or None
        Current symbols; empty where no gene is known to become that date.
    """
    if match := _DAY_FIRST.fullmatch(name):
        day, month = match[1], match[2]
    elif match := _MONTH_FIRST.fullmatch(name):
        month, day = match[1], match[2]
    elif match := _ISO.fullmatch(name):
        month, day = _MONTHS[(int(match[1]) - 1) % len(_MONTHS)], match[2]
    else:
        return None
    short = month.lower()
    return _genes().get((_GERMAN.get(short, short), int(day)), ())


def restored(symbols: pd.Series, beside: pd.Series) -> tuple[pd.Series, Ledger]:
    """Tell back what a spreadsheet has turned into dates, and empty what cannot be told.

    Parameters
    ----------
    symbols : Series of str, shape (n_rows,)
        Empty where missing.
    beside : Series of str, shape (n_rows,)
        Another identifier of the same row (Entrez), empty where missing: with it nothing is lost.

    Returns
    -------
    symbols : Series of str
        A date is the one gene that becomes it, unless that is there under its own name; empty where it may be several.
    ledger : Ledger
    """
    suspects = [name for name in symbols.unique() if name and name[-1].isalnum() and _is_mangled(name)]
    if not suspects:
        return symbols, Ledger()
    present = set(symbols)
    genes = {name: genes_of_date(name) or () for name in suspects}
    meaning = {name: found[0] for name, found in genes.items() if len(found) == 1 and found[0] not in present}
    mangled = symbols.isin(suspects)
    told = symbols.map(lambda name: meaning.get(name, "") if name in genes else name).astype("str")
    pairs = [f"{name} → {meaning[name]}" for name in symbols[mangled] if name in meaning]
    ledger = Ledger().with_entry("mapped", "dates that a spreadsheet has made of symbols, to the one such gene", pairs)
    lost = symbols[mangled & (told == "") & (beside == "")]
    what = "rows whose symbol a spreadsheet has turned into a date or a number; of which gene they are is lost"
    ledger = ledger.with_entry("dropped", what, lost)
    by_number = symbols[mangled & (told == "") & (beside != "")]
    what = "rows whose symbol a spreadsheet has turned into a date or a number, by their Entrez id"
    return told, ledger.with_entry("mapped", what, by_number)


def _is_mangled(name: str) -> bool:
    return genes_of_date(name) is not None or _NUMBER.fullmatch(name) is not None


@cache
def _genes() -> dict[tuple[str, int], tuple[str, ...]]:
    rows = [line.split("\t") for line in _TABLE.read_text(encoding="utf-8").splitlines()[1:]]
    return {(month, int(day)): tuple(genes.split()) for month, day, genes in rows}
