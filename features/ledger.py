"""What a reader dropped, mapped, converted or guessed, with counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class LedgerEntry:
    """One decision of a reader.

    Parameters
    ----------
    action : str
        ``dropped``, ``mapped``, ``converted``, ``guessed`` or ``kept``.
    what : str
        What it happened to and why, in words; names of genes and columns, never a patient's value.
    count : int
        How many patients, samples, genes or values were concerned.
    examples : tuple of str
        The first few names (genes, columns, sample barcodes).
    """

    action: str
    what: str
    count: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = (
            f" ({', '.join(self.examples)}{', …' if self.count > len(self.examples) else ''})" if self.examples else ""
        )
        return f"{self.action} {self.count}: {self.what}{names}"


@dataclass(frozen=True)
class Ledger:
    """The entries of one cohort, in the order in which they were taken."""

    entries: tuple[LedgerEntry, ...] = ()

    def with_entry(self, action: str, what: str, names: Iterable[object], *, shown: int = 5) -> Ledger:
        """Return the ledger with one more entry; no entry where there is nothing to name."""
        listed = [str(name) for name in names]
        if not listed:
            return self
        return Ledger((*self.entries, LedgerEntry(action, what, len(listed), tuple(listed[:shown]))))

    def with_note(self, action: str, what: str, count: int) -> Ledger:
        """Return the ledger with one more entry that has a count and no names."""
        return Ledger((*self.entries, LedgerEntry(action, what, count)))

    def __str__(self) -> str:
        return "\n".join(str(entry) for entry in self.entries)
