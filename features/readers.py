"""Cohorts from the folders in which users hold them: the format is recognised, and each yields the same Cohort."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from features.anndata_cohort import AnnDataReader
from features.assembly import RawCohort, assemble
from features.cbioportal import CBioPortalReader
from features.cohort import ENDPOINTS, Cohort
from features.cohort_settings import SETTINGS_FILE, read_settings, said
from features.errors import CohortError
from features.gct import GctReader
from features.gdc_download import GdcDownloadReader
from features.installed_readers import InstalledReader, installed_reader, installed_readers
from features.plain_table import PlainTableReader
from features.profiles import Declared
from features.tables import readable, shown
from features.whole_files import refuse_broken_links
from features.xena import XenaReader

logger = logging.getLogger(__name__)


class CohortReader(Protocol):
    """What reads one format: anyone may write another (``docs/cohort_formats.md``).

    Attributes
    ----------
    name : str
        The format, in words.
    layout : str
        The files that it needs, in words, for whoever holds another folder.
    """

    name: str
    layout: str

    def recognises(self, folder: Path) -> bool:
        """Return whether a folder is of this format, by its file names alone."""
        ...

    def read(self, folder: Path, declared: Declared) -> RawCohort:
        """Read the folder."""
        ...


#: In the order in which they are asked: a plain table is what is none of the others. Readers that packages offer
#: (`features.installed_readers`) are asked after all of these, and read nothing that one of these recognises, unless
#: ``reader`` in the folder's ``cohort.toml`` names one.
READERS: tuple[CohortReader, ...] = (
    CBioPortalReader(),
    XenaReader(),
    GdcDownloadReader(),
    GctReader(),
    AnnDataReader(),
    PlainTableReader(),
)


def read_cohort(
    folder: Path,
    *,
    endpoint: str,
    cancer_type: str | None = None,
    profile: str | None = None,
    scale: str | None = None,
    zscore_reference: str | None = None,
    only: Collection[str] | None = None,
    time_unit: str | None = None,
) -> Cohort:
    """Read a cohort from a folder of any known format.

    Parameters
    ----------
    folder : Path
    endpoint : str
        ``OS``, ``DSS``, ``DFI`` or ``PFI``.
    cancer_type : str or None
        A TCGA or OncoTree code; None where the folder says it. A simulated cohort stays simulated.
    profile : str or None
        The expression file to read, by stable id or file name; None for raw before log before z.
    scale, zscore_reference : str or None
        What the expression is, where the folder does not say it.
    only : collection of str or None
        Genes by the names that they have in the cohort (a panel's current symbols); None for all. To score or to
        validate, a panel's genes are enough, and a whole transcriptome is read several times faster for them alone.
    time_unit : str or None
        ``days``, ``months`` or ``years``: of times whose column states no unit.

    What is not declared here may be stated in the folder's ``cohort.toml``: see `features.cohort_settings`.

    Returns
    -------
    Cohort
        Patients and genes sorted by name. In ``clinical``, ``age`` is float64 and all else pandas' str, NaN where
        missing; ``age``, ``sex``, ``stage`` and ``grade`` are always there, if need be empty.

    Raises
    ------
    CohortError, ScaleError
        If the folder is of no known format or malformed, the endpoint is not in it, or it does not say what it must.
    """
    folder = Path(folder)
    if endpoint not in ENDPOINTS:
        raise CohortError(f"endpoint {endpoint!r} is not one of {', '.join(ENDPOINTS)}.")
    if folder.is_dir():
        refuse_broken_links(folder)
    reader = reader_of(folder)
    genes = None if only is None else frozenset(only)
    declared = Declared(cancer_type, profile, scale, zscore_reference, genes, time_unit)
    declared = said(declared, read_settings(folder))
    raw = reader.read(folder, declared)
    raw = replace(raw, time_unit=raw.time_unit or declared.time_unit)
    if isinstance(reader, InstalledReader):
        with reader.held_to(f"describe {folder.name}"):
            cohort = assemble(raw, endpoint, only=declared.only)
    else:
        cohort = assemble(raw, endpoint, only=declared.only)
    logger.info("%s: %d patients, %d events", cohort, len(cohort.patients), cohort.n_events)
    return cohort


def reader_of(folder: Path) -> CohortReader:
    """Return the reader of a folder's format.

    Raises
    ------
    CohortError
        If there is no such folder, or its format is not known.
    """
    reader = _recognised(folder)
    if reader is None:
        raise CohortError(f"{folder}: is no cohort folder of a known format; {_layouts()}.")
    return reader


def find_cohorts(folders: Iterable[Path]) -> list[Path]:
    """Return the cohort folders among these folders and directly below them, each once, in order.

    Raises
    ------
    CohortError
        If one of them neither is a cohort folder nor holds any.
    """
    found: dict[Path, Path] = {}
    for folder in map(Path, folders):
        below = [folder] if _recognised(folder) else sorted(child for child in folder.iterdir() if _is_cohort(child))
        if not below:
            raise CohortError(f"{folder}: is no cohort folder and holds none; {_layouts()}.")
        for cohort in below:
            found.setdefault(cohort.resolve(), cohort)
    return list(found.values())


def _is_cohort(folder: Path) -> bool:
    return folder.is_dir() and not folder.name.startswith(".") and _recognised(folder) is not None


def _recognised(folder: Path) -> CohortReader | None:
    if not folder.is_dir():
        raise CohortError(f"{folder}: is no folder; name a cohort folder, or a folder that holds some.")
    named = _named_by_settings(folder)
    if named is not None:
        return named
    with readable(folder):
        shipped = next((reader for reader in READERS if reader.recognises(folder)), None)
    return shipped or next((reader for reader in installed_readers() if reader.recognises(folder)), None)


def _named_by_settings(folder: Path) -> CohortReader | None:
    """Return the reader that ``cohort.toml`` names.

    Raises
    ------
    CohortError
        If there is none of that name.
    """
    try:
        name = read_settings(folder).reader
    except CohortError:
        # Whoever reads the folder will say so; until then it is a cohort's all the same.
        return None
    if name is None:
        return None
    found = next((reader for reader in READERS if reader.name == name), None) or installed_reader(name)
    if found is None:
        raise CohortError(
            f"{shown(folder / SETTINGS_FILE)}: there is no reader {name!r}; {_layouts()}. Is the package "
            "that offers it installed?"
        )
    return found


def _layouts() -> str:
    known = (*READERS, *installed_readers())
    return "known are " + "; ".join(f"{reader.name} ({reader.layout})" for reader in known)
