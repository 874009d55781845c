"""What the rows of a benchmark say of their making: cohort, date, definition, code and commit."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from joblib import cpu_count

from experiments.runner import code_version
from features.cohort import Cohort
from training.definition import Definition


def origin(cohort: Cohort, definition: Definition, made_from: Mapping[str, str]) -> dict[str, str | int]:
    """Say whose row it is and what it was made from.

    Parameters
    ----------
    cohort : Cohort
    definition : Definition
    made_from : mapping of str to str
        ``created``, ``definition_digest`` and ``code_version``.
    """
    return {
        "cancer_type": cohort.cancer_type,
        "endpoint": cohort.endpoint,
        "patients": len(cohort.patients),
        "events": cohort.n_events,
        "created": made_from["created"],
        "definition_digest": made_from["definition_digest"],
        "code_version": made_from["code_version"],
        "commit": clean_commit(),
        "seed": definition.seed,
        "outer_folds": definition.resampling.outer_folds,
        "outer_repeats": definition.resampling.outer_repeats,
    }


def made_now() -> dict[str, str | int | float]:
    """Say when, by which code and on what machine a benchmark is made, and how busy that is."""
    return {
        "processors": cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "code_version": code_version(),
        "commit": clean_commit(),
    }


@cache
def clean_commit(file: Path = Path(__file__)) -> str:
    """Return the commit (hex) that the code is of; empty without git, outside its tree, or where anything was changed.

    Parameters
    ----------
    file : Path
        One of the code's: an installed copy may lie within a tree of something else, which does not know it.
    """
    tracked = _git("ls-files", "--error-unmatch", file.name, folder=file.parent)
    changed = _git("status", "--porcelain", folder=file.parent)
    return "" if tracked is None or changed != "" else (_git("rev-parse", "HEAD", folder=file.parent) or "")


def _git(*arguments: str, folder: Path) -> str | None:
    """Return what git prints; None where there is no git, or it refuses."""
    git = shutil.which("git")
    if git is None:
        return None
    done = subprocess.run([git, *arguments], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() if done.returncode == 0 else None


def code_in_words(about: Mapping[str, object]) -> str:
    """Return the code's digest, and its commit where one is known."""
    commit = about.get("commit")
    # Rows of a table without the column, or with nothing in it, hold NaN.
    known = isinstance(commit, str) and commit
    return f"code {about['code_version']}" + (f" (commit {str(commit)[:12]})" if known else "")
