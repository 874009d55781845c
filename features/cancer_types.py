"""Cancer types: from OncoTree's codes, file names and words to TCGA's codes, the simulated ones kept apart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from features.cohort import SIMULATED_PREFIX
from features.errors import CohortError

_CODES = Path(__file__).with_name("cancer_types.tsv")
_WRITTEN = re.compile(r"[A-Z][A-Z0-9_-]{1,39}")


@cache
def tcga_codes() -> dict[str, str]:
    """Return OncoTree's and TCGA's codes, each with its TCGA code; colon and rectum are one cancer type."""
    rows = [line.split("\t") for line in _CODES.read_text(encoding="utf-8").splitlines()[1:]]
    return {code: tcga for tcga, _, codes in rows for code in codes.split()}


def cancer_type(code: str, *, simulated: bool = False) -> str:
    """Return the cancer type that a code names.

    Parameters
    ----------
    code : str
        An OncoTree or TCGA code in any case, ``SIMULATED-`` before it where the patients are simulated; a code that
        is neither is a cancer type of its own.
    simulated : bool
        Whether the cohort says elsewhere that it is simulated: no override makes its patients real.

    Raises
    ------
    CohortError
        If it cannot be a code.
    """
    written = code.strip().upper()
    bare = written.removeprefix(SIMULATED_PREFIX)
    if not _WRITTEN.fullmatch(bare):
        raise CohortError(
            f"cancer type {code[:40]!r} is not a code: use letters and digits, as in KIRC, CCRCC or SIMULATED-KIRC."
        )
    prefix = SIMULATED_PREFIX if simulated or bare != written else ""
    return prefix + tcga_codes().get(bare, bare)


def named_in(texts: Iterable[str]) -> str | None:
    """Return the cancer type whose TCGA code one of the file or folder names holds as a word; the first that does."""
    for text in texts:
        # "read" in small letters is a word of file names (read_counts), not the rectum.
        words = [word if word == "read" else word.upper() for word in re.split(r"[^A-Za-z0-9]+", text)]
        for word in words:
            if word in tcga_codes() and (word == tcga_codes()[word] or word in {"COAD", "READ"}):
                return (SIMULATED_PREFIX if "SIMULATED" in words else "") + tcga_codes()[word]
    return None
