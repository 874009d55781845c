"""One TCGA cohort as several: its patients split by the hospital that sent the tissue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.cohort import Cohort
from features.errors import CohortError

#: A TCGA barcode's first two fields: the project, then the tissue-source site.
BARCODE = r"^TCGA-([A-Z0-9]{2})-"
#: Below this many events a log hazard ratio is too far from normal, and too often infinite, to be pooled.
SMALLEST_EVENTS = 5


@dataclass(frozen=True)
class SiteSplit:
    """A cohort split by tissue-source site.

    Parameters
    ----------
    cohorts : mapping of str to Cohort
        By site, the one with the most events first.
    left_out : DataFrame
        ``site``, ``patients``, ``events`` of each site that has too few events for a Cox model.
    without_site : tuple of str
        Patients whose id is no TCGA barcode; in no cohort.
    """

    cohorts: Mapping[str, Cohort]
    left_out: pd.DataFrame
    without_site: tuple[str, ...]

    def __str__(self) -> str:
        """Name what the split kept and what it left out, in words."""
        kept = ", ".join(f"{site} ({_counts(len(part.time), part.n_events)})" for site, part in self.cohorts.items())
        small = ", ".join(f"{row.site} ({_counts(row.patients, row.events)})" for row in self.left_out.itertuples())
        words = [f"{len(self.cohorts)} tissue-source sites: {kept}"]
        words += [f"left out for too few events: {small}"] if small else []
        words += [f"{len(self.without_site)} patients without a site"] if self.without_site else []
        return "; ".join(words)


def split_by_tissue_source(cohort: Cohort, *, smallest_events: int = SMALLEST_EVENTS) -> SiteSplit:
    """Split a TCGA cohort into one cohort per tissue-source site, the second field of the barcode.

    Parameters
    ----------
    cohort : Cohort
    smallest_events : int
        A site with fewer is left out, and named.

    Returns
    -------
    SiteSplit

    Raises
    ------
    CohortError
        If no patient's id is a TCGA barcode, or no site has enough events.
    """
    sites = pd.Series(cohort.patients.astype("str").str.extract(BARCODE)[0].to_numpy(), dtype="str")
    if sites.isna().all():
        raise CohortError(
            f"{cohort}: tissue-source sites stand in TCGA barcodes (TCGA-B0-…), but none of {len(sites)} patient ids "
            f"is one (first: {cohort.patients[0]!r}); give the cohorts as folders of their own."
        )
    counts = pd.DataFrame({"site": sites, "event": cohort.event}).groupby("site")["event"].agg(["size", "sum"])
    counts = counts.sort_values(["sum", "size"], ascending=False, kind="stable")
    large = counts["sum"] >= smallest_events
    if not large.any():
        raise CohortError(
            f"{cohort}: a Cox model per tissue-source site needs {smallest_events} events, but the largest of "
            f"{len(counts)} sites has {counts['sum'].iloc[0]}; analyse the cohort whole."
        )
    left_out = counts[~large].reset_index().set_axis(["site", "patients", "events"], axis=1)
    known = sites.notna().to_numpy()
    return SiteSplit(
        cohorts={str(site): _of_site(cohort, sites, str(site)) for site in counts.index[large]},
        left_out=left_out,
        without_site=tuple(map(str, cohort.patients[~known])),
    )


def _of_site(cohort: Cohort, sites: pd.Series, site: str) -> Cohort:
    part = cohort.subset(np.flatnonzero(sites == site))
    return replace(part, source=f"{cohort.source}, tissue-source site {site}")


def _counts(patients: int, events: int) -> str:
    return f"{patients} patient{'s' if patients != 1 else ''}, {events} event{'s' if events != 1 else ''}"
