"""What a scan leaves: Parquet, CSV, pictures and a page, each file whole or not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from matplotlib.figure import Figure

from experiments.scan_page import scan_page, svg
from features.errors import PrognosisError

TABLE, EVIDENCE, PAGE, FIGURES = "hazard_ratios", "evidence", "index.html", "figures"
#: What journals ask of a picture in colour, at the size at which it is drawn, is 300; twice the screen's is enough.
PRINT_DOTS_PER_INCH = 200


class ScanOutputError(PrognosisError):
    """The results of a scan cannot be written where they were wanted."""


def write_scan(table: pd.DataFrame, evidence: pd.DataFrame, figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write a scan's table, the evidence, the figures and the page that shows them.

    Parameters
    ----------
    table : DataFrame
        The long table of the scan.
    evidence : DataFrame
        As `features.evidence.evidence_table`; with a column ``cancer_type`` where it depends on it.
    figures : dict of Figure
        By the names of their files.
    folder : Path
        Made if it is not there; what else lies in it stays.

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
        table.to_parquet(draft / f"{TABLE}.parquet", index=False)
        table.to_csv(draft / f"{TABLE}.csv", index=False)
        evidence.to_csv(draft / f"{EVIDENCE}.csv", index=False)
        write_figures(figures, draft / FIGURES)
        (draft / PAGE).write_text(scan_page(table, evidence, figures), encoding="utf-8")
    return written


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
            # The page last: whoever sees a new page finds what it stands on.
            for path in sorted(_files(draft), key=lambda path: (path.name == PAGE, str(path))):
                written.insert(0 if path.name == PAGE else len(written), _moved(path, draft, folder))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ScanOutputError(f"{folder}: nothing can be written there ({reason}); name another folder.") from error


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _moved(path: Path, draft: Path, folder: Path) -> Path:
    target = folder / path.relative_to(draft)
    target.parent.mkdir(parents=True, exist_ok=True)
    return path.replace(target)
