"""The review's references and the trials it names: from what stands in a printed cell to whom it cites."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

_PAPER = Path(__file__).parent / "paper"
_CITED = re.compile(r"[(\[]([\d, –-]+)[)\]]")
_RANGE = re.compile(r"(\d+)(?:\s*[–-]\s*(\d+))?")
_TRIAL = re.compile(r"\bNCT\d{8}\b")


@dataclass(frozen=True)
class Citation:
    """A reference of the review.

    Parameters
    ----------
    number : int
        In the review's list.
    first_author : str
    year : int
    journal : str
        Abbreviated as printed.
    doi : str or None
        None where the list prints none.
    """

    number: int
    first_author: str
    year: int
    journal: str
    doi: str | None

    def __str__(self) -> str:
        """Return ``[84] Sekino 2021, Anticancer Res, doi:10.21873/anticancer.15301``."""
        doi = f", doi:{self.doi}" if self.doi else ""
        return f"[{self.number}] {self.first_author} {self.year}, {self.journal}{doi}"


@dataclass(frozen=True)
class Trial:
    """A trial that the review names.

    Parameters
    ----------
    identifier : str
        At ClinicalTrials.gov, ``NCT04729959``.
    studied_in : str or None
        The cancer, where the review's text says it.
    remark : str or None
        What else the text says.
    """

    identifier: str
    studied_in: str | None
    remark: str | None

    def __str__(self) -> str:
        """Return ``NCT05103917``, with what is known of it in brackets."""
        known = "; ".join(word for word in (self.studied_in, self.remark) if word)
        return f"{self.identifier} ({known})" if known else self.identifier


def numbers_cited(cell: str) -> tuple[int, ...]:
    """Return the reference numbers that a printed cell cites, ranges written out.

    Parameters
    ----------
    cell : str
        ``(129, 130, 133-135) NCT04729959``: numbers stand in round or square brackets, and nothing else is read.
    """
    ranges = [found for bracket in _CITED.findall(cell) for found in _RANGE.findall(bracket)]
    return tuple(n for first, last in ranges for n in range(int(first), int(last or first) + 1))


def trials_named(cell: str) -> tuple[Trial, ...]:
    """Return the trials whose identifiers stand in a printed cell, in its order."""
    known = _trials()
    return tuple(known.get(name) or Trial(name, None, None) for name in _TRIAL.findall(cell))


def citations(numbers: Iterable[int]) -> tuple[Citation, ...]:
    """Return the references of these numbers, each once, by number.

    Raises
    ------
    KeyError
        If a number is not among those that the shipped tables use.
    """
    known = _references()
    return tuple(known[number] for number in sorted(set(numbers)))


@cache
def _references() -> dict[int, Citation]:
    table = pd.read_csv(_PAPER / "references.tsv", sep="\t", keep_default_na=False)
    rows = zip(table["number"], table["first_author"], table["year"], table["journal"], table["doi"], strict=True)
    return {int(n): Citation(int(n), author, int(year), journal, doi or None) for n, author, year, journal, doi in rows}


@cache
def _trials() -> dict[str, Trial]:
    table = pd.read_csv(_PAPER / "trials.tsv", sep="\t", keep_default_na=False)
    rows = zip(table["trial"], table["studied_in"], table["remark"], strict=True)
    return {name: Trial(name, studied_in or None, remark or None) for name, studied_in, remark in rows}
