"""What every test shares: where the repository and the real cohorts are, and a home that is thrown away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def real_cohorts_folder() -> Path:
    """Return where real cohorts are looked for: ``PROGNOSIS_COHORTS``, else beside the repository."""
    declared = os.environ.get("PROGNOSIS_COHORTS")
    return Path(declared) if declared else REPOSITORY.parent / "shared" / "cohorts"


@pytest.fixture(scope="session")
def real_cohorts() -> Path:
    """The folder of real cohorts; skips where there are none."""
    folder = real_cohorts_folder()
    if not folder.is_dir():
        pytest.skip(f"no real cohorts at {folder}: set PROGNOSIS_COHORTS to a folder that holds them")
    return folder


@pytest.fixture(scope="session", autouse=True)
def prognosis_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Point ``PROGNOSIS_HOME`` at a temporary folder, and leave no store of the user's in sight."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROGNOSIS_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield home
