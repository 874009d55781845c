"""What a scan leaves: Parquet, CSV, pictures and a page, each file whole or not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import pandas as pd
from matplotlib.figure import Figure

from experiments.scan_columns import SHORT_EVIDENCE
from experiments.scan_page import scan_page, svg
from features.errors import PrognosisError

TABLE, EVIDENCE, PAGE, FIGURES = "hazard_ratios", "evidence", "index.html", "figures"
POOLED, LEDGER = "pooled_hazard_ratios", "ledger"
#: What scans and the paper's reproduction write: what an earlier run left of it does not outlive the next.
OWN = (
    PAGE, f"{TABLE}.parquet", f"{TABLE}.csv", f"{EVIDENCE}.csv", f"{POOLED}.parquet", f"{POOLED}.csv", f"{LEDGER}.csv",
    "table_2.csv", "table_2.parquet", "table_2.md", "gene_groups.csv", "gene_groups_by_choice.csv",
    *(f"{FIGURES}/{what}_*.{kind}" for what in ("survival", "forest", "heatmap", "figure_3?")
      for kind in ("png", "svg")),
)  # fmt: skip
#: What journals ask of a picture in colour, at the size at which it is drawn, is 300; twice the screen's is enough.
PRINT_DOTS_PER_INCH = 200


class ScanOutputError(PrognosisError):
    """The results of a scan cannot be written where they were wanted."""


def write_scan(
    table: pd.DataFrame,
    evidence: pd.DataFrame,
    figures: Mapping[str, Figure],
    folder: Path,
    *,
    pooled: pd.DataFrame | None = None,
    ledger: pd.DataFrame | None = None,
    notes: Sequence[str] = (),
) -> list[Path]:
    """Write a scan's table, the evidence, the figures and the page that shows them.

    Parameters
    ----------
    table : DataFrame
        The long table of the scan.
    evidence : DataFrame
        As `features.evidence.evidence_table`; with a column ``cancer_type`` where it depends on it. What is short of it
        stands beside each row of the table.
    figures : dict of Figure
        By the names of their files.
    folder : Path
        Made if it is not there; what else lies in it stays, but not what an earlier run has left.
    pooled : DataFrame, optional
        As `training.scan.pooled_scans.pool_scans`.
    ledger : DataFrame, optional
        What the readers did.
    notes : sequence of str
        What could not be scanned or drawn, for the page.

    Returns
    -------
    list of Path
        The page first.

    Raises
    ------
    ScanTableError
        If two rows are of the same gene, cohort and cut.
    ScanOutputError
        If the folder cannot be written to.

    Notes
    -----
    All is written beside the folder first, then moved into it file by file, the page last: an error changes nothing,
    and no file is ever half written.
    """
    with written_whole(folder) as (draft, written):
        _write_table(_with_short_evidence(table, evidence), draft / TABLE)
        evidence.to_csv(draft / f"{EVIDENCE}.csv", index=False)
        if pooled is not None:
            _write_table(pooled, draft / POOLED)
        if ledger is not None:
            ledger.to_csv(draft / f"{LEDGER}.csv", index=False)
        write_figures(figures, draft / FIGURES)
        page = scan_page(table, evidence, figures, pooled=pooled, notes=notes)
        (draft / PAGE).write_text(page, encoding="utf-8")
    return written


def _write_table(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path.with_suffix(".parquet"), index=False)
    table.to_csv(path.with_suffix(".csv"), index=False)


def _with_short_evidence(table: pd.DataFrame, evidence: pd.DataFrame) -> pd.DataFrame:
    """Put the evidence that fits into a cell beside each row."""
    short = [name for name in SHORT_EVIDENCE if name in evidence.columns and name not in table.columns]
    keys = [key for key in ("cancer_type", "gene") if key in evidence.columns]
    return table.merge(evidence[[*keys, *short]].drop_duplicates(keys), on=keys, how="left") if short else table


def check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be made or written to, before anything is computed.

    Raises
    ------
    ScanOutputError
    """
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    try:
        TemporaryFile(dir=there).close()
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> ScanOutputError:
    reason = error.strerror or str(error)
    return ScanOutputError(f"{folder}: nothing can be written there ({reason}); name another folder.")


def write_figures(figures: Mapping[str, Figure], folder: Path) -> None:
    """Write each figure as PNG and as SVG."""
    folder.mkdir(parents=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=PRINT_DOTS_PER_INCH)
        (folder / f"{name}.svg").write_bytes(svg(figure))


@contextmanager
def written_whole(folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Yield a draft to write into, and a list that holds the files' final paths once all are in the folder.

    Raises
    ------
    ScanOutputError
        If the folder cannot be made or written to; what is in it is then as it was.
    """
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".draft-") as name:
            draft = Path(name)
            yield draft, written
            files = _files(draft)
            _remove_older(folder, {path.relative_to(draft) for path in files})
            # The page last: whoever sees a new page finds what it stands on.
            for path in sorted(files, key=lambda path: (path.name == PAGE, str(path))):
                written.insert(0 if path.name == PAGE else len(written), _moved(path, draft, folder))
    except OSError as error:
        raise _unwritable(folder, error) from error


def _remove_older(folder: Path, kept: set[Path]) -> None:
    """Remove what an earlier run has left and this one does not replace; its page first, for it shows the rest."""
    for pattern in OWN:
        for path in folder.glob(pattern):
            if path.relative_to(folder) not in kept:
                path.unlink()


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _moved(path: Path, draft: Path, folder: Path) -> Path:
    target = folder / path.relative_to(draft)
    target.parent.mkdir(parents=True, exist_ok=True)
    return path.replace(target)
