"""One GCT file (1.2 or 1.3): identifiers and metadata of its rows and samples, and its matrix, checked for its size.

::

    #1.3                                          #1.2
    rows  samples  row fields  sample fields      rows  samples
    id        row fields …       samples …        Name  Description  samples …
    field     (nothing)          metadata …       row   description  values …
    row       metadata …         values …

References
----------
GSEA and GenePattern, Data formats: GCT, Gene Cluster Text file format
(software.broadinstitute.org/cancer/software/gsea/wiki/index.php/Data_formats): version 1.2, missing values empty.
Enache OM et al. 2019. The GCTx format and cmap{Py, R, M, J} packages. doi 10.1093/bioinformatics/bty784: version 1.3;
cmapPy's files for its own tests have lines that are filled up with tabs, -666 where nothing is known, and in the block
above the row metadata either nothing or -666.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pandas as pd

from features.errors import CohortError
from features.ledger import Ledger
from features.matrices import read_matrix
from features.tables import LITERAL, Head, known_words, opened, readable, refuse_pointer, shown
from features.whole_files import matrix_ledger, require_text

#: What stands for "not known" in the files of the Connectivity Map.
NOT_KNOWN = "-666"
_VERSIONS = {"#1.2": 2, "#1.3": 4}
_MOST_SAMPLE_FIELDS = 10_000


@dataclass(frozen=True)
class GctFile:
    """A GCT file whose head has been read.

    Parameters
    ----------
    path : Path
    head : Head
        Where its header line and its rows are.
    n_rows, n_samples : int
        As its second line states them.
    n_labels : int
        How many columns come before the samples: the rows' ids and their metadata.
    sample_rows : tuple of str
        The lines of the samples' metadata.
    """

    path: Path
    head: Head
    n_rows: int
    n_samples: int
    n_labels: int
    sample_rows: tuple[str, ...]

    @property
    def fields(self) -> list[str]:
        """The fields of its header, without those that have no name at the end."""
        return self.head.fields(LITERAL)[: self.n_labels + self.n_samples]

    def samples(self) -> pd.DataFrame:
        """Return the samples' metadata as words, NaN where missing; index: sample ids as the file has them.

        Raises
        ------
        CohortError
            If a line is cut short, or a field occurs twice.
        """
        found: dict[str, list[str]] = {}
        require_text("\n".join(self.sample_rows), self.path)
        for line in self.sample_rows:
            name, *words = line.split(self.head.divider)
            words, further = words[self.n_labels - 1 :][: self.n_samples], words[self.n_labels - 1 + self.n_samples :]
            name = name.strip()
            if len(words) != self.n_samples or any(word.strip() for word in further):
                raise CohortError(
                    f"{shown(self.path)}: metadata {name[:40]!r} has {len(words) + len(further)} values for "
                    f"{self.n_samples} samples; copy it anew."
                )
            if not name or name in found:
                what = f"metadata {name[:40]!r} occurs twice" if name else "metadata of samples has no name"
                raise CohortError(f"{shown(self.path)}: {what}; name each field once.")
            found[name] = ["" if word.strip() == NOT_KNOWN else word for word in words]
        index = pd.Index(self.fields[self.n_labels :], dtype="str", name="sample")
        return known_words(pd.DataFrame(found, index=index, dtype="str"))

    def labels(self) -> pd.DataFrame:
        """Return the rows' ids and their metadata as words, empty where missing, before any number is read."""
        with readable(self.path), opened(self.path, "utf-8-sig") as lines:
            rows = [
                line.rstrip("\r\n").split(self.head.divider, self.n_labels)[: self.n_labels]
                for line in islice(lines, self.head.n_until_rows, None)
                if line.strip()
            ]
        filled = [row + [""] * (self.n_labels - len(row)) for row in rows]
        return pd.DataFrame(filled, columns=_distinct(self.fields[: self.n_labels]), dtype="str")

    def matrix(self, by: int, is_wanted: Callable[[str], bool] | None) -> tuple[pd.DataFrame, pd.DataFrame, Ledger]:
        """Read the matrix.

        Parameters
        ----------
        by : int
            The position of the column of genes.
        is_wanted : callable or None
            Says by its gene whether a row is read; None for all.

        Returns
        -------
        labels : DataFrame of str
            Of the rows that are read.
        values : DataFrame of float64, shape (n_rows_read, n_samples)
        ledger : Ledger

        Raises
        ------
        CohortError
            If the file has not as many rows and columns as it states, or a word stands where a number must.
        """
        counted = Counter[bool]()

        def is_read(gene: str) -> bool:
            read = is_wanted is None or is_wanted(gene)
            counted[read] += 1
            return read

        by_gene = None if is_wanted is None or self.head.by_returns else is_read
        labels, values = read_matrix(self.path, range(self.n_labels), is_wanted=by_gene, wanted_by=by, first=self.head)
        self.require_stated(sum(counted.values()) or len(values), self.n_rows, "rows")
        self.require_stated(values.shape[1], self.n_samples, "samples")
        unknown = values.eq(float(NOT_KNOWN))
        n_unknown = int(unknown.to_numpy().sum())
        ledger = matrix_ledger(self.path, first=self.head)
        if n_unknown:
            values = values.mask(unknown)
            ledger = ledger.with_note("mapped", f"values of {NOT_KNOWN}, which stands for missing", n_unknown)
        if counted[False]:
            ledger = ledger.with_note("dropped", "rows of genes that were not asked for", counted[False])
        return labels, values, ledger

    def require_stated(self, found: int, stated: int, what: str) -> None:
        """Raise CohortError unless the file has as many as it states."""
        if found != stated:
            raise CohortError(
                f"{shown(self.path)}: states {stated} {what} in its second line, but has {found}: it was cut short or "
                "edited; copy it anew, or correct that line."
            )


def read_head(path: Path) -> GctFile:
    """Read the lines of a GCT file that come before its rows.

    Raises
    ------
    CohortError
        If it cannot be read, is of no known version, or states no size.
    """
    with readable(path), opened(path, "utf-8-sig") as lines:
        numbered = enumerate(lines)
        version = _next(numbered, path, "its version, #1.2 or #1.3")[1]
        refuse_pointer(version, path)
        n_sizes = _VERSIONS.get(version.strip().replace(" ", ""))
        if n_sizes is None:
            raise CohortError(
                f"{shown(path)}: begins with {version.strip()[:20]!r}, but a GCT file begins with #1.2 or #1.3; export "
                "it anew, divided by tabs."
            )
        sizes = _sizes(_next(numbered, path, "its size")[1], n_sizes, path)
        at, header = _next(numbered, path, "its header")
        head = Head(at, header.rstrip("\r\n"), "\t", sizes[3], by_returns=header.endswith("\r"))
        sample_rows = tuple(line.rstrip("\r\n") for line in islice(lines, sizes[3]))
    file = GctFile(path, head, sizes[0], sizes[1], sizes[2] + 1, sample_rows)
    if "\t" not in header:
        raise CohortError(f"{shown(path)}: its header line has no tabs, which must divide its fields; export it anew.")
    n_fields = len([name for name in head.fields(LITERAL) if name])
    file.require_stated(n_fields - file.n_labels, file.n_samples, "samples")
    file.require_stated(len(sample_rows), sizes[3], "lines of metadata")
    return file


def _next(numbered: enumerate[str], path: Path, what: str) -> tuple[int, str]:
    """Return the next line that is not blank, and its number."""
    for number, line in numbered:
        if line.strip():
            return number, line
    raise CohortError(f"{shown(path)}: ends before {what}; copy it anew.")


def _sizes(line: str, n_sizes: int, path: Path) -> tuple[int, int, int, int]:
    """Return how many rows, samples, fields of rows and fields of samples a file states."""
    words = line.split()
    if len(words) != n_sizes or not all(word.isascii() and word.isdigit() for word in words):
        raise CohortError(
            f"{shown(path)}: its second line must state {n_sizes} sizes ({
                'rows, samples' if n_sizes == 2 else 'rows, samples, fields of rows, fields of samples'
            }), but is {line.strip()[:40]!r}; export it anew."
        )
    rows, samples, *fields = map(int, words)
    of_rows, of_samples = fields or (1, 0)
    if not rows or not samples or of_samples > _MOST_SAMPLE_FIELDS:
        raise CohortError(f"{shown(path)}: states {rows} rows and {samples} samples; it needs some of both.")
    return rows, samples, of_rows, of_samples


def _distinct(names: list[str]) -> list[str]:
    """Return names of which each occurs once: a further one of a name has its position behind it."""
    return [name if name not in names[:at] else f"{name} ({at})" for at, name in enumerate(names)]
