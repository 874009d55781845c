"""Which files make up a public cohort at which source, and whom to cite for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from experiments.fetch_http import FetchError
from experiments.fetch_settings import FetchSettings
from features.cancer_types import tcga_codes

XENA, XENA_GDC, GDC = "xena", "xena-gdc", "gdc"
#: TCGA's cohorts that Xena's legacy hub holds beside those with a code of their own.
_JOINT = ("COAD", "READ", "COADREAD", "GBMLGG", "LUNG")
_PROJECT = re.compile(r"[A-Z0-9][A-Z0-9.]*(-[A-Z0-9]+)+")
_TCGA = "TCGA-"


@dataclass(frozen=True)
class Place:
    """Where a file is, and what it is called in the cohort's folder.

    Parameters
    ----------
    path : str
        In the cohort's folder, with slashes.
    url : str
    md5 : str or None
        As the source states it, in small letters.
    size : int or None
        In bytes, as the source states it.
    """

    path: str
    url: str
    md5: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Wanted:
    """One file of a cohort.

    Parameters
    ----------
    places : tuple of Place
        The first of them that is there is taken: hubs have packed or renamed files over the years.
    needed : bool
        Whether the cohort is none without it.
    """

    places: tuple[Place, ...]
    needed: bool = True


@dataclass(frozen=True)
class Source:
    """Who gives the data, under which terms, and whom to cite.

    Parameters
    ----------
    name : str
    licence : str
    citations : tuple of str
    """

    name: str
    licence: str
    citations: tuple[str, ...]


#: https://gdc.cancer.gov/about-gdc/gdc-policies and https://gdc.cancer.gov/analyze-data/data-analysis-policies
_OPEN_ACCESS = (
    "Open access through NCI's Genomic Data Commons under the NIH Genomic Data Sharing Policy: free to use and to "
    "publish on; do not attempt to identify participants, and acknowledge the data set and where it was obtained."
)
_XENA_PAPER = (
    "Goldman MJ, Craft B, Hastie M, et al. Visualizing and interpreting cancer genomics data via the Xena platform. "
    "Nat Biotechnol 2020;38:675-678. doi:10.1038/s41587-020-0546-8"
)
_GDC_PAPER = (
    "Grossman RL, Heath AP, Ferretti V, et al. Toward a shared vision for cancer genomic data. "
    "N Engl J Med 2016;375:1109-1112. doi:10.1056/NEJMp1607591"
)
_ENDPOINTS_PAPER = (
    "Liu J, Lichtenberg T, Hoadley KA, et al. An integrated TCGA pan-cancer clinical data resource to drive "
    "high-quality survival outcome analytics. Cell 2018;173:400-416. doi:10.1016/j.cell.2018.02.052"
)
_TCGA_NETWORK = "TCGA Research Network: https://www.cancer.gov/tcga"

SOURCES = {
    XENA: Source("UCSC Xena, TCGA hub", _OPEN_ACCESS, (_XENA_PAPER, _ENDPOINTS_PAPER)),
    XENA_GDC: Source("UCSC Xena, GDC hub", _OPEN_ACCESS, (_XENA_PAPER, _GDC_PAPER)),
    GDC: Source("NCI Genomic Data Commons", _OPEN_ACCESS, (_GDC_PAPER,)),
}


def citations(source: str, project: str) -> tuple[str, ...]:
    """Return whom to cite for a project's data from a source."""
    return (*SOURCES[source].citations, *((_TCGA_NETWORK,) if project.startswith(_TCGA) else ()))


def project_of(name: str, source: str) -> str:
    """Return the project that a name names at a source: ``TCGA-KIRC`` or ``kirc``.

    Raises
    ------
    FetchError
        If it can be none. Whether the source holds it only the source knows.
    """
    written = name.strip().upper()
    if _is_tcga(written):
        return _TCGA + written
    if written.startswith(_TCGA) and not _is_tcga(written.removeprefix(_TCGA)):
        raise FetchError(f"project {name[:40]!r} is none of TCGA's; these are {', '.join(_tcga_codes())}.")
    if not _PROJECT.fullmatch(written):
        raise FetchError(f"project {name[:40]!r} is not a project's name; use one such as TCGA-KIRC.")
    if source == XENA and not written.startswith(_TCGA):
        raise FetchError(f"project {written}: Xena's TCGA hub holds TCGA's cohorts only; choose another source for it.")
    return written


def wanted_from_xena(project: str, settings: FetchSettings) -> tuple[Wanted, ...]:
    """Return the files of a TCGA cohort at Xena's legacy hub: RSEM as log2(x + 1), survival, clinical matrix.

    Notes
    -----
    ``HiSeqV2.json`` is Xena's metadata, with the unit and the version. The tables have stood there plain and packed.

    References
    ----------
    https://xenabrowser.net/datapages/?cohort=TCGA%20Kidney%20Clear%20Cell%20Carcinoma%20(KIRC), the download links;
    ropensci/UCSCXenaTools, ``XenaQuery``: ``HUB/download/DATASET``, with ``.gz`` where that is not there.
    """
    code = project.removeprefix(_TCGA)

    def at(data_set: str, name: str) -> Place:
        return Place(name, f"{settings.xena_hub}/download/{quote(f'{data_set}/{name}', safe='')}")

    def packed_or_not(data_set: str, name: str) -> tuple[Place, ...]:
        return at(data_set, name), at(data_set, f"{name}.gz")

    samples = f"TCGA.{code}.sampleMap"
    return (
        Wanted(packed_or_not("survival", f"{code}_survival.txt")),
        Wanted(packed_or_not(samples, f"{code}_clinicalMatrix")),
        Wanted((at(samples, "HiSeqV2.json"),), needed=False),
        Wanted((at(samples, "HiSeqV2.gz"),)),
    )


def wanted_from_xena_gdc(project: str, settings: FetchSettings) -> tuple[Wanted, ...]:
    """Return the files of a project at Xena's GDC hub: STAR's TPM as log2(x + 1), survival, clinical data.

    References
    ----------
    https://xenabrowser.net/datapages/?cohort=GDC%20TCGA%20Kidney%20Clear%20Cell%20Carcinoma%20(KIRC), the download
    links; ropensci/UCSCXenaTools, ``XenaQuery``; ucscXena/xena-GDC-ETL for the tables' older names.
    """

    def at(*endings: str) -> tuple[Place, ...]:
        names = [f"{project}.{ending}" for ending in endings]
        return tuple(Place(name, f"{settings.xena_gdc_hub}/download/{quote(name)}") for name in names)

    return (
        Wanted(at("survival.tsv.gz", "survival.tsv")),
        Wanted(at("clinical.tsv.gz", "clinical.tsv", "GDC_phenotype.tsv.gz")),
        Wanted(at("star_tpm.tsv.json"), needed=False),
        Wanted(at("star_tpm.tsv.gz")),
    )


def _tcga_codes() -> list[str]:
    return sorted({*tcga_codes().values(), *_JOINT})


def _is_tcga(code: str) -> bool:
    return code in _tcga_codes()
