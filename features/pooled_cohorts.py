"""Cohorts of one cancer type and endpoint put together, each patient's own cohort kept beside them as a stratum."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from features.cohort import Cohort, CohortPart
from features.errors import CohortError
from features.ledger import Ledger, LedgerEntry
from features.persons import OF, Namesakes, namesakes, persons

#: What a name of a pooled cohort may be: it names a folder in a bundle and a reference in a request.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
#: Namesakes of whom no clinical column tells who they are: so few are pooled as other patients, and so small a share
#: of the smaller cohort.
FEW_NAMESAKES, SMALL_SHARE = 4, 0.2


def pooled(cohorts: Sequence[Cohort], names: Sequence[str] | None = None) -> Cohort:
    """Put cohorts of one cancer type and endpoint together.

    Parameters
    ----------
    cohorts : sequence of Cohort
        At least two, none of them pooled; their scales may differ, as values are only ever compared within one.
    names : sequence of str, optional
        What to call them: letters, digits, points, hyphens and underscores, unique; by default the last word of each
        one's source.

    Returns
    -------
    Cohort
        Its genes are those that all have; its clinical columns those that any has, unless one cohort holds numbers
        where another holds words; `scale` is that of the largest. A patient who is in several (by TCGA's name, or by
        identifier and outcome) is kept in the first.

    Raises
    ------
    CohortError
        If cancer types or endpoints differ, names do not do, no gene is common, a cohort is left without an event, or
        one looks like an older export of another: the same identifiers with another follow-up.
    """
    _check(cohorts)
    called = _names(cohorts, names)
    _check_namesakes(cohorts, called)
    parted, ledger = _each_person_once(cohorts, called, _common_ledger(cohorts, called))
    for name, cohort in zip(called, parted, strict=True):
        if not cohort.n_events:
            raise CohortError(
                f"{cohort}: {name} has no event among the {len(cohort.time)} patients that no other cohort has, and "
                "cannot be a stratum; leave it out."
            )
    expression, ledger = _expression(parted, called, ledger)
    clinical, ledger = _clinical(parted, ledger)
    patients, ledger = _patients(parted, called, ledger)
    largest = max(parted, key=lambda cohort: len(cohort.time))
    return Cohort(
        cancer_type=largest.cancer_type,
        endpoint=largest.endpoint,
        scale=largest.scale,
        zscore_reference=largest.zscore_reference,
        expression=expression.set_axis(patients, axis=0),
        clinical=clinical.set_axis(patients, axis=0),
        time=np.concatenate([cohort.time for cohort in parted]),
        event=np.concatenate([cohort.event for cohort in parted]),
        source="; ".join(f"{name}: {cohort.source}" for name, cohort in zip(called, cohorts, strict=True)),
        ledger=ledger,
        strata=np.repeat(np.array(called), [len(cohort.time) for cohort in parted]),
        parts=tuple(
            CohortPart(name, cohort.scale, cohort.zscore_reference, cohort.source, cohort.digest())
            for name, cohort in zip(called, cohorts, strict=True)
        ),
    )


def stratum(cohort: Cohort, name: str) -> Cohort:
    """Return the patients of one of the cohorts that were pooled, on its own scale, as a cohort of its own.

    Raises
    ------
    CohortError
        If no cohort of this name was pooled.
    """
    part = next((part for part in cohort.parts if part.name == name), None)
    if part is None or cohort.strata is None:
        known = ", ".join(part.name for part in cohort.parts) or "none: it is one cohort alone"
        raise CohortError(f"{cohort}: no cohort called {name!r} was pooled; those that were: {known}.")
    members = np.flatnonzero(cohort.strata == name)
    return Cohort(
        cancer_type=cohort.cancer_type,
        endpoint=cohort.endpoint,
        scale=part.scale,
        zscore_reference=part.zscore_reference,
        expression=cohort.expression.iloc[members],
        clinical=cohort.clinical.iloc[members],
        time=cohort.time[members],
        event=cohort.event[members],
        source=part.source,
        ledger=cohort.ledger,
    )


def _check(cohorts: Sequence[Cohort]) -> None:
    if len(cohorts) < 2:
        raise CohortError(f"pooling needs two cohorts or more, but {len(cohorts)} came; add another, or train on one.")
    first = cohorts[0]
    for other in cohorts[1:]:
        if (other.cancer_type, other.endpoint) != (first.cancer_type, first.endpoint):
            raise CohortError(
                f"{other}: cannot be pooled with {first}: cancer types and endpoints must be equal, and simulated "
                "patients never stand beside real ones; leave it out."
            )
    for cohort in cohorts:
        if cohort.strata is not None:
            raise CohortError(f"{cohort}: is pooled already ({cohort.source}); give its cohorts one by one.")


def _check_namesakes(cohorts: Sequence[Cohort], names: Sequence[str]) -> None:
    """Refuse cohorts that share patients whose follow-up was updated: folds would hold the same person apart."""
    for (name, cohort), (later, other) in combinations(zip(names, cohorts, strict=True), 2):
        found = namesakes(cohort, other)
        if not found.n_differing or found.same_persons is False:
            continue
        if found.same_persons or _many(found):
            why = (
                "their clinical values are those of the same persons"
                if found.same_persons
                else "no clinical column tells whether they are the same persons"
            )
            raise CohortError(
                f"{other}: {later} shares {found.n_shared} of {found.n_smaller} identifiers with {name}, "
                f"{found.n_differing} of them with another follow-up, and {why}: patients of a later export would be "
                "counted twice. Leave the older export out and train on the newer alone; or, if they are other people, "
                "give them identifiers of their own."
            )


def _many(found: Namesakes) -> bool:
    return found.n_shared > FEW_NAMESAKES and found.n_shared > SMALL_SHARE * found.n_smaller


def _names(cohorts: Sequence[Cohort], names: Sequence[str] | None) -> tuple[str, ...]:
    if names is None:
        return _unique([_last_word(cohort.source) for cohort in cohorts])
    if len(names) != len(cohorts):
        raise CohortError(f"{len(cohorts)} cohorts are to be pooled, but {len(names)} names came; give one each.")
    for name in names:
        if not NAME.fullmatch(name):
            raise CohortError(
                f"{name!r} cannot name a cohort: take up to 40 letters, digits, points, hyphens and underscores, the "
                "first a letter or digit."
            )
    # Folded: a name becomes a folder's, and some file systems do not tell capitals.
    if len({name.casefold() for name in names}) < len(names):
        raise CohortError(f"the names of pooled cohorts must differ, but these came: {', '.join(names)}.")
    return tuple(names)


def _last_word(source: str) -> str:
    words = re.sub(r"[^A-Za-z0-9._-]+", " ", source).split()
    word = (words[-1] if words else "").lstrip("._-")[:32]
    return word or "cohort"


def _unique(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words, one that came before (capitals or not) with the lowest number that makes it another."""
    names: list[str] = []
    for word in words:
        taken = {name.casefold() for name in names}
        numbered = (f"{word}-{number}" for number in range(2, len(words) + 2))
        names.append(next(name for name in (word, *numbered) if name.casefold() not in taken))
    return tuple(names)


def _common_ledger(cohorts: Sequence[Cohort], names: Sequence[str]) -> Ledger:
    """Return the entries of all, each said to be of its cohort."""
    return Ledger(
        tuple(
            LedgerEntry(entry.action, f"{name}: {entry.what}", entry.count, entry.examples)
            for name, cohort in zip(names, cohorts, strict=True)
            for entry in cohort.ledger.entries
        )
    )


def _each_person_once(cohorts: Sequence[Cohort], names: Sequence[str], ledger: Ledger) -> tuple[list[Cohort], Ledger]:
    seen: set[tuple[object, ...]] = set()
    parted = []
    for name, cohort in zip(names, cohorts, strict=True):
        own = persons(cohort)
        stays = np.array([person not in seen for person in own], dtype=np.bool_)
        what = f"{name}: patients who are in a cohort before it too, and are counted there"
        ledger = ledger.with_entry("dropped", what, cohort.patients[~stays])
        parted.append(cohort if stays.all() else cohort.subset(np.flatnonzero(stays)))
        seen.update(own)
    return parted, ledger


def _expression(cohorts: Sequence[Cohort], names: Sequence[str], ledger: Ledger) -> tuple[pd.DataFrame, Ledger]:
    common = [gene for gene in cohorts[0].expression if all(gene in other.expression for other in cohorts[1:])]
    if not common:
        raise CohortError(
            f"{cohorts[0]}: no gene is in all of {', '.join(names)}; check that their genes are named alike."
        )
    for name, cohort in zip(names, cohorts, strict=True):
        others = cohort.expression.columns.difference(common, sort=False)
        ledger = ledger.with_entry("dropped", f"{name}: genes that not all pooled cohorts have", others)
    return pd.concat([cohort.expression[common] for cohort in cohorts]), ledger


def _clinical(cohorts: Sequence[Cohort], ledger: Ledger) -> tuple[pd.DataFrame, Ledger]:
    columns = list(dict.fromkeys(column for cohort in cohorts for column in cohort.clinical))
    differing = [column for column in columns if len(_kinds(cohorts, column)) > 1]
    ledger = ledger.with_entry(
        "dropped", "clinical columns that are numbers in one cohort, words in another", differing
    )
    some = [c for c in columns if c not in differing and not all(_known(cohort, c) for cohort in cohorts)]
    ledger = ledger.with_entry("kept", "clinical columns that not all pooled cohorts know, missing in the others", some)
    kept = [column for column in columns if column not in differing]
    tables = [{column: _cells(cohort, column) for column in kept} for cohort in cohorts]
    joined = {c: [cell for table in tables for cell in table[c]] for c in kept}
    dtypes = {c: np.float64 if _kinds(cohorts, c) == {"number"} else object for c in kept}
    patients = pd.RangeIndex(sum(len(cohort.time) for cohort in cohorts))
    return pd.DataFrame({c: pd.Series(joined[c], index=patients, dtype=dtypes[c]) for c in kept}, patients), ledger


def _known(cohort: Cohort, column: str) -> bool:
    return column in cohort.clinical and bool(cohort.clinical[column].notna().any())


def _kinds(cohorts: Sequence[Cohort], column: str) -> set[str]:
    """Return what a column holds in the cohorts that know it."""
    known = [cohort.clinical[column] for cohort in cohorts if _known(cohort, column)]
    return {"number" if pd.api.types.is_numeric_dtype(values) else "words" for values in known}


def _cells(cohort: Cohort, column: str) -> list[object]:
    if not _known(cohort, column):
        return [np.nan] * len(cohort.time)
    return list(cohort.clinical[column])


def _patients(cohorts: Sequence[Cohort], names: Sequence[str], ledger: Ledger) -> tuple[pd.Index, Ledger]:
    """Return unique identifiers: one that an earlier cohort uses for someone else gets its cohort's name."""
    taken: set[str] = set()
    identifiers: list[str] = []
    for name, cohort in zip(names, cohorts, strict=True):
        own = [str(patient) for patient in cohort.patients]
        shared = [patient for patient in own if patient in taken]
        what = (
            f"{name}: identifiers that a cohort before it has with another follow-up, taken for other patients and "
            f"named {name}{OF}…"
        )
        ledger = ledger.with_entry("mapped", what, shared)
        identifiers += [f"{name}{OF}{patient}" if patient in taken else patient for patient in own]
        taken.update(own)
    return pd.Index(identifiers, dtype="str"), ledger
