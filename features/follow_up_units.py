"""The unit of times of follow-up: as their column states, tried against what a follow-up can be; never silently."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.cohort import months_to_days
from features.errors import CohortError
from features.ledger import Ledger

UNITS = ("days", "months", "years")
#: Fifty years: nobody's follow-up after a cancer is so many months; longer times are days.
LONGEST_MONTHS = 600.0
LONGEST_YEARS = 80.0
#: A follow-up of so many years is rare, of so many months it is not; fractions up to it can be either.
SHORT_YEARS = 50.0
#: Twenty years in months. Whole numbers that all lie below may be months; so short a follow-up in days is rare.
WHOLE_MONTHS = 240.0
#: Days are whole: more than so many fractions are not of days.
FRACTIONS_MAX = 0.5
#: Fewer times than these say nothing against what files of their kind are known to hold.
FEW = 20
_MEND = (
    "give the column a name that states its unit, as OS_DAYS, OS_MONTHS or OS_YEARS do (in a plain table folder, "
    'time_unit = "days" in cohort.toml does it too)'
)


@dataclass(frozen=True)
class SettledUnit:
    """The unit of a column of times, and what was decided."""

    unit: str
    ledger: Ledger


def settled_unit(
    times: NDArray[np.float64], unit: str | None, *, stated: bool, column: str, source: str
) -> SettledUnit:
    """Settle the unit of a column of times.

    Parameters
    ----------
    times : array, shape (n_patients,)
        As the column has them; NaN where missing.
    unit : str or None
        One of `UNITS`; None where nothing is known of it.
    stated : bool
        Whether the column's name or the user states the unit; else it is what such files are known to hold.
    column, source : str
        For the ledger and errors.

    Returns
    -------
    SettledUnit
        A ledger line says what was decided where nothing states the unit, or the times are not what is usual.

    Raises
    ------
    CohortError
        If the times cannot be in the unit that is stated, or in which they are cannot be told.
    """
    known = times[np.isfinite(times) & (times > 0)]
    if not len(known):
        return SettledUnit(unit or "days", Ledger())
    longest = float(known.max())
    fractional = float(np.mean(known != np.round(known))) > FRACTIONS_MAX
    if stated and unit is not None:
        _check_stated(unit, longest, f"{source}, column {column}", fractional=fractional)
        return SettledUnit(unit, Ledger())
    found, why = _by_evidence(longest, fractional=fractional)
    if unit is not None and (found == unit or (found is None and not _doubtful(known, fractional=fractional))):
        return SettledUnit(unit, Ledger())
    if found is None:
        raise CohortError(f"{source}, column {column}: in which unit its times are cannot be told ({why}); {_MEND}.")
    return SettledUnit(found, Ledger().with_entry("guessed", f"times are {found}, since {why}", (column,)))


def days_of(times: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    """Convert times to whole days."""
    return np.round(times) if unit == "days" else months_to_days(times if unit == "months" else 12 * times)


def _by_evidence(longest: float, *, fractional: bool) -> tuple[str | None, str]:
    if longest > LONGEST_MONTHS:
        return "days", f"some are above {LONGEST_MONTHS:.0f}, which no follow-up in months is"
    if fractional and longest > SHORT_YEARS:
        return "months", f"most have fractions, which days have not, and some are above {SHORT_YEARS:.0f}"
    if fractional:
        return None, f"most have fractions and none is above {SHORT_YEARS:.0f}: months, or years"
    return None, f"whole numbers, none above {LONGEST_MONTHS:.0f}: days of a short follow-up, or months"


def _doubtful(known: NDArray[np.float64], *, fractional: bool) -> bool:
    """Return whether times that nothing states contradict the unit, days, that files of their kind hold."""
    return fractional or (bool(known.max() <= WHOLE_MONTHS) and len(known) >= FEW)


def _check_stated(unit: str, longest: float, where: str, *, fractional: bool) -> None:
    if unit == "days" and fractional and longest <= LONGEST_MONTHS:
        what = f"stated as days, but most times have fractions and none is above {LONGEST_MONTHS:.0f}, as of months"
    elif unit == "months" and longest > LONGEST_MONTHS:
        what = f"stated as months, but some times are above {LONGEST_MONTHS:.0f}, more than fifty years, as of days"
    elif unit == "years" and longest > LONGEST_YEARS:
        what = f"stated as years, but some times are above {LONGEST_YEARS:.0f}"
    else:
        return
    raise CohortError(f"{where}: {what}; correct the times, or {_MEND}.")
