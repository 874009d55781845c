"""What a spoiled folder must give: an error that is clear, or of the sound cohort what the folder still holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.cohort import Cohort
from features.errors import CohortError, PrognosisError, ScaleError
from features.readers import read_cohort

#: What the ledger says where a value may have been cut.
NOT_WHOLE = "last line has no end"


def attempt(folder: Path, declared: Mapping[str, Any]) -> Cohort | PrognosisError:
    """Read a folder."""
    try:
        return read_cohort(folder, endpoint="OS", **declared)
    except PrognosisError as error:
        return error


def require_clear(error: PrognosisError, file: str) -> None:
    """Check that an error is of one line, and says where."""
    assert isinstance(error, CohortError | ScaleError)
    assert "\n" not in str(error)
    assert Path(file).name in str(error) or "cohort" in str(error)


def require_right(found: Cohort, whole: Cohort, *, traceless: bool) -> None:
    """Check that a cohort is what the sound one holds of it, and that nobody is lost in silence."""
    told = str(found.ledger)
    assert set(found.patients) <= set(whole.patients), told
    lost = set(whole.patients) - set(found.patients)
    assert traceless or len(lost - named(found, "dropped", lost)) <= n_unnamed(found), (lost, told)
    at = whole.patients.get_indexer(found.patients)
    changed = set(found.patients[(found.time != whole.time[at]) | (found.event != whole.event[at])])
    unexplained = changed - named(found, "kept", changed)
    assert len(unexplained) <= (NOT_WHOLE in told), (unexplained, told)
    require_right_values(found, whole, traceless=traceless)
    for name in ("age", "sex"):
        read, known = found.clinical[name], whole.clinical[name].loc[found.patients]
        assert (read.isna() | (read == known)).all(), (name, told)


def named(found: Cohort, action: str, patients: set[str]) -> set[str]:
    """Return the patients whom a line of the ledger names, or a sample of theirs."""
    examples = [name for entry in found.ledger.entries if entry.action == action for name in entry.examples]
    return {patient for patient in patients if any(patient in name for name in examples)}


def n_unnamed(found: Cohort) -> int:
    """Return how many patients and samples lines of the ledger count without naming them."""
    dropped = [entry for entry in found.ledger.entries if entry.action == "dropped"]
    of_people = [entry for entry in dropped if entry.examples or "row" in entry.what or "sample" in entry.what]
    return sum(entry.count - len(entry.examples) for entry in of_people)


def require_right_values(found: Cohort, whole: Cohort, *, traceless: bool) -> None:
    told = str(found.ledger)
    genes = found.expression.columns.intersection(whole.expression.columns)
    values, expected = found.expression[genes], whole.expression.loc[found.patients, genes]
    assert values.notna().to_numpy().all() or "expression values that are missing" in told, told
    # Of two rows of a gene the ledger says that one was chosen.
    doubled = {
        name for entry in found.ledger.entries if "further rows of a gene" in entry.what for name in entry.examples
    }
    once = genes.difference(doubled)
    differing = sum(int((values[gene].notna() & (values[gene] != expected[gene])).sum()) for gene in once)
    assert differing <= (traceless or NOT_WHOLE in told), told
    lost, new = len(whole.expression.columns) - len(genes), len(found.expression.columns) - len(genes)
    counted = sum(entry.count for entry in found.ledger.entries if "gene" in entry.what or "symbol" in entry.what)
    assert traceless or lost <= new + counted, told
