"""The unit of times of follow-up: stated, documented by the format, told by the times, or asked for; never silently.

What is known of a unit, from surest to least:

- *stated*: by the column's name (``OS_MONTHS``) or by the user (``time_unit``);
- *documented*: by whoever publishes files of this kind (UCSC: ``OS.time`` of Xena's survival files is in days);
- *usual*: columns of such a name (``OS.time`` in any other file) hold days as a rule;
- nothing (``time``).

The first two are taken, unless the times contradict them. Of the others the times must tell, and the ledger says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from features.cohort import months_to_days
from features.errors import CohortError
from features.ledger import Ledger

Basis = Literal["stated", "documented", "usual"]

UNITS = ("days", "months", "years")
#: Fifty years: nobody's follow-up after a cancer is so many months; longer times are days.
LONGEST_MONTHS = 600.0
LONGEST_YEARS = 80.0
#: A hundred years: no follow-up is so many days.
LONGEST_DAYS = 36_525.0
#: A follow-up of so many years is rare, of so many months it is not; fractions up to it can be either.
SHORT_YEARS = 50.0
#: Twenty years in months. Whole numbers that all lie below may be months; so short a follow-up in days is rare.
WHOLE_MONTHS = 240.0
#: Days are whole: more than so many fractions are not of days.
FRACTIONS_MAX = 0.5
_MEND = (
    'write time_unit = "days" (or "months" or "years") in cohort.toml in the cohort\'s folder, state --time-unit, or '
    "give the column a name that states its unit, as OS_DAYS, OS_MONTHS and OS_YEARS do"
)


@dataclass(frozen=True)
class SettledUnit:
    """The unit of a column of times, and what was decided."""

    unit: str
    ledger: Ledger


def settled_unit(
    times: NDArray[np.float64], unit: str | None, *, basis: Basis, column: str, source: str
) -> SettledUnit:
    """Settle the unit of a column of times.

    Parameters
    ----------
    times : array, shape (n_patients,)
        As the column has them; NaN where missing.
    unit : str or None
        One of `UNITS`; None where nothing is known of it.
    basis : str
        Whence the unit is known: ``stated``, ``documented`` or ``usual``.
    column, source : str
        For the ledger and errors.

    Returns
    -------
    SettledUnit
        A ledger line says what was decided wherever nothing states the unit.

    Raises
    ------
    CohortError
        If the times cannot be in the unit that is stated or documented, or in which they are cannot be told.
    """
    known = times[np.isfinite(times) & (times > 0)]
    if not len(known):
        return SettledUnit(unit or "days", Ledger())
    longest = float(known.max())
    fractional = float(np.mean(known != np.round(known))) > FRACTIONS_MAX
    if unit is not None and basis != "usual":
        _check_known(unit, basis, longest, f"{source}, column {column}", fractional=fractional)
        named = (column,) if basis == "documented" else ()
        return SettledUnit(unit, Ledger().with_entry("kept", f"times are {unit}, as documented of such files", named))
    found, why = _by_evidence(longest, usual=unit, fractional=fractional)
    if found is None:
        raise CohortError(f"{source}, column {column}: in which unit its times are cannot be told ({why}); {_MEND}.")
    return SettledUnit(found, Ledger().with_entry("guessed", f"times are {found}, since {why}", (column,)))


def days_of(times: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    """Convert times to whole days."""
    return np.round(times) if unit == "days" else months_to_days(times if unit == "months" else 12 * times)


def _by_evidence(longest: float, *, usual: str | None, fractional: bool) -> tuple[str | None, str]:
    if longest > LONGEST_MONTHS:
        return "days", f"some are above {LONGEST_MONTHS:.0f}, which no follow-up in months is"
    if fractional and longest > SHORT_YEARS:
        return "months", f"most have fractions, which days have not, and some are above {SHORT_YEARS:.0f}"
    if fractional:
        return None, f"most have fractions and none is above {SHORT_YEARS:.0f}: months, or years"
    if usual is not None and longest > WHOLE_MONTHS:
        return usual, f"columns of that name hold {usual}, and whole numbers up to {longest:.0f} are hardly months"
    most = LONGEST_MONTHS if usual is None else WHOLE_MONTHS
    return None, f"whole numbers, none above {most:.0f}: days of a short follow-up, or months"


def _check_known(unit: str, basis: Basis, longest: float, where: str, *, fractional: bool) -> None:
    if unit == "days" and fractional and longest <= LONGEST_MONTHS:
        what = f"{basis} as days, but most times have fractions and none is above {LONGEST_MONTHS:.0f}, as of months"
    elif unit == "months" and longest > LONGEST_MONTHS:
        what = f"{basis} as months, but some times are above {LONGEST_MONTHS:.0f}, more than fifty years, as of days"
    elif unit == "years" and longest > LONGEST_YEARS:
        what = f"{basis} as years, but some times are above {LONGEST_YEARS:.0f}"
    else:
        return
    mend = _MEND if basis == "documented" else "the unit that the column's name, or time_unit in cohort.toml, states"
    raise CohortError(f"{where}: {what}; correct the times, or {mend}.")
