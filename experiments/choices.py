"""What a command line says about the cohorts that it names and the trainings that it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from features.cohort import Cohort


@dataclass(frozen=True)
class Choices:
    """What a command says; None where it says nothing, and the folder or the definition decides.

    Parameters
    ----------
    endpoint : str
    cancer_type, profile : str or None
        In place of what the cohort folder says.
    scale, zscore_reference, time_unit : str or None
        Of the expression and of the follow-up, where the folder does not say it.
    definition : Path or None
        In place of the definition of the cancer type and endpoint.
    trials, seed : int or None
        In place of the definition's.
    workers : int or None
        Processes; the numbers do not depend on it. As many as there are processors unless given.
    """

    endpoint: str
    cancer_type: str | None = None
    profile: str | None = None
    scale: str | None = None
    zscore_reference: str | None = None
    time_unit: str | None = None
    definition: Path | None = None
    trials: int | None = None
    seed: int | None = None
    workers: int | None = None

    def read(self, folder: Path) -> Cohort:
        """Read a cohort as the command wants it read."""
        # pandas and the formats take a while to import, and most commands read no cohort.
        from features.readers import read_cohort  # noqa: PLC0415

        return read_cohort(
            folder,
            endpoint=self.endpoint,
            cancer_type=self.cancer_type,
            profile=self.profile,
            scale=self.scale,
            zscore_reference=self.zscore_reference,
            time_unit=self.time_unit,
        )
