"""Which endpoint is sound for which of TCGA's cancer types, after Liu et al. 2018, as data."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from features.cohort import ENDPOINTS

RECOMMENDED = "recommended"
CAUTION = "caution"
NOT_RECOMMENDED = "not recommended"
UNAVAILABLE = "unavailable"
#: From best to worst.
VERDICTS = (RECOMMENDED, CAUTION, NOT_RECOMMENDED, UNAVAILABLE)

SOURCE = "Liu et al. 2018, Table 3, doi:10.1016/j.cell.2018.02.052"
#: Cohorts that pool several of TCGA's cancer types are as sound as the worst of them.
POOLED = {"COADREAD": ("COAD", "READ")}

_TABLE = Path(__file__).with_name("endpoint_advice.tsv")
_WORDS = {
    RECOMMENDED: "{endpoint} is recommended for TCGA's {cancer_type}",
    CAUTION: "{endpoint} of TCGA's {cancer_type} is to be used with caution",
    NOT_RECOMMENDED: "{endpoint} is not recommended for TCGA's {cancer_type}",
    UNAVAILABLE: "{endpoint} is not available for TCGA's {cancer_type}",
}


@dataclass(frozen=True)
class Advice:
    """What the curators of TCGA's outcomes say of one endpoint of one cancer type.

    Parameters
    ----------
    verdict : str
        One of `VERDICTS`.
    sentence : str
        The verdict with its reason, the endpoints that fare better, and the source.
    """

    verdict: str
    sentence: str

    @property
    def is_warning(self) -> bool:
        """Whether the endpoint is anything but recommended."""
        return self.verdict != RECOMMENDED


def endpoint_advice(cancer_type: str, endpoint: str) -> Advice | None:
    """Return what is known of an endpoint's soundness.

    Parameters
    ----------
    cancer_type : str
        TCGA's code; ``COADREAD`` is the worse of ``COAD`` and ``READ``.
    endpoint : str
        ``OS``, ``DSS``, ``DFI`` or ``PFI``.

    Returns
    -------
    Advice or None
        None for simulated cohorts, for cancer types that TCGA did not study, and for other endpoints.

    Notes
    -----
    The advice concerns TCGA's patients and how long they were followed, not the disease. The table was taken from
    the copies that cSurvival and SurvScope ship: they agree in every cell, and with what the paper's text counts
    (OS sound in 23 cancer types, PFI in 29, all four endpoints in 13, none in PCPG).

    References
    ----------
    Liu J et al. An integrated TCGA pan-cancer clinical data resource to drive high-quality survival outcome analytics.
    Cell 2018;173:400-416. doi:10.1016/j.cell.2018.02.052
    """
    members = POOLED.get(cancer_type, (cancer_type,))
    if endpoint not in ENDPOINTS or not all(member in _verdicts() for member in members):
        return None
    worst = max(members, key=lambda member: VERDICTS.index(_verdicts()[member][endpoint]))
    verdict = _verdicts()[worst][endpoint]
    named = cancer_type if worst == cancer_type else f"{worst}, a part of {cancer_type}"
    sentence = _WORDS[verdict].format(endpoint=endpoint, cancer_type=named)
    if verdict != RECOMMENDED:
        sentence += f": {_verdicts()[worst]['reason']}{_better(members)}"
    return Advice(verdict, f"{sentence} ({SOURCE}).")


def _better(members: tuple[str, ...]) -> str:
    """Name the endpoints that are recommended for every member."""
    sound = [name for name in ENDPOINTS if all(_verdicts()[member][name] == RECOMMENDED for member in members)]
    return f"; recommended: {', '.join(sound)}" if sound else "; no endpoint is recommended without reserve"


@cache
def _verdicts() -> dict[str, dict[str, str]]:
    """Return, by cancer type, each endpoint's verdict and the reason for those that are not recommended."""
    with _TABLE.open(encoding="utf-8", newline="") as lines:
        return {row.pop("cancer_type"): row for row in csv.DictReader(lines, delimiter="\t")}
