"""Write simulated cohorts as cBioPortal study folders, each whole or not at all."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from experiments.simulated_settings import SETTINGS_FILE, SIMULATED_PANEL, cohort_settings, simulated_cancer_types
from experiments.simulation import DECIMALS, DEFAULT_SEED, simulate_cohort
from features.cohort import Cohort, days_to_months
from features.errors import CohortError
from features.panel import load_panel
from features.published import published_hazard_ratios

#: Raised whenever the same seed would no longer write the same bytes for a reason that the settings do not show.
STUDY_FORMAT = 2
PATIENT_FILE = "data_clinical_patient.txt"
SAMPLE_FILE = "data_clinical_sample.txt"
EXPRESSION_FILE = "data_mrna_seq_log2_tpm.txt"
STUDY_META_FILE = "meta_study.txt"
#: TCGA's code of a primary tumour.
SAMPLE_SUFFIX = "-01"

Progress = Callable[[str], None]


def write_simulated_cohorts(
    folder: Path,
    *,
    cancer_types: Sequence[str] | None = None,
    seed: int = DEFAULT_SEED,
    n_patients: int | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Write a study folder for each cancer type, or leave the one that is already there with the same content.

    Parameters
    ----------
    folder : Path
        Where the study folders go; made if it is not there.
    cancer_types : sequence of str or None
        TCGA's codes; all nine of the paper's Table 2 unless some are named.
    seed : int
        The same seed gives the same bytes.
    n_patients : int or None
        In each; TCGA's number unless given.
    progress : callable or None
        Called with one line per cohort.

    Returns
    -------
    list of Path
        ``folder/simulated_kirc`` and so on, in the order of `cancer_types`.

    Raises
    ------
    SimulationError
        If a cancer type cannot be simulated.
    CohortError
        If a folder of that name holds something else, or no folder can be made there.
    """
    named = simulated_cancer_types() if cancer_types is None else cancer_types
    chosen = tuple(dict.fromkeys(code.strip().upper() for code in named))
    for cancer_type in chosen:
        cohort_settings(cancer_type)  # Raises before anything is written.
    return [_write_study(folder, code, seed=seed, n_patients=n_patients, say=progress or _silent) for code in chosen]


def _silent(_line: str) -> None:
    """Report nothing."""


def study_identifier(cancer_type: str) -> str:
    """Return the study's identifier and folder name, ``simulated_kirc``."""
    return f"simulated_{cancer_type.lower()}"


def _write_study(folder: Path, cancer_type: str, *, seed: int, n_patients: int | None, say: Progress) -> Path:
    target = folder / study_identifier(cancer_type)
    meta = _meta_files(cancer_type, seed, n_patients)
    if target.exists():
        _check_same(target, meta)
        say(f"{target.name}: there already, seed {seed}")
        return target
    cohort = simulate_cohort(cancer_type, seed=seed, n_patients=n_patients)
    try:
        _write_whole(target, _study_files(cohort, cancer_type) | meta)
    except OSError as error:
        raise CohortError(
            f"{target}: the study cannot be written ({error.strerror}); free the place or choose another folder."
        ) from error
    say(f"{target.name}: {len(cohort.patients)} patients, {cohort.n_events} deaths, seed {seed}")
    return target


def _write_whole(target: Path, files: Mapping[str, str]) -> None:
    """Write the files into a folder beside the target and rename it in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as unfinished:
        study = Path(unfinished) / target.name
        study.mkdir()
        for name, text in files.items():
            (study / name).write_text(text, encoding="utf-8", newline="\n")
        study.rename(target)


def _check_same(target: Path, meta: Mapping[str, str]) -> None:
    """Raise unless the folder holds the study with exactly these meta files, and its data files."""
    missing = [name for name in (PATIENT_FILE, SAMPLE_FILE, EXPRESSION_FILE, *meta) if not (target / name).is_file()]
    if missing:
        raise CohortError(
            f"{target}: is in the way of a simulated study, but is not one ({len(missing)} files are not there, first: "
            f"{missing[0]}); delete it or choose another folder."
        )
    other = [name for name, text in meta.items() if (target / name).read_bytes() != text.encode()]
    if other:
        raise CohortError(
            f"{target}: holds a simulated study of another seed or version (see {other[0]}); delete it or choose "
            "another folder."
        )


def _meta_files(cancer_type: str, seed: int, n_patients: int | None) -> dict[str, str]:
    """Return the meta files, the study's own last: all a reader needs to know the patients for simulated."""
    study, first = study_identifier(cancer_type), "" if n_patients is None else f"{n_patients} patients, "
    clinical = {
        f"meta_clinical_{what}.txt": {
            "cancer_study_identifier": study,
            "genetic_alteration_type": "CLINICAL",
            "datatype": f"{what.upper()}_ATTRIBUTES",
            "data_filename": file,
        }
        for what, file in (("patient", PATIENT_FILE), ("sample", SAMPLE_FILE))
    }
    expression = {
        "cancer_study_identifier": study,
        "genetic_alteration_type": "MRNA_EXPRESSION",
        "datatype": "CONTINUOUS",
        "stable_id": "rna_seq_mrna_log2_tpm_1",
        "show_profile_in_analysis_tab": "false",
        "profile_name": "SIMULATED mRNA expression, log2(TPM + 1)",
        "profile_description": "SIMULATED expression values of invented patients, log2(TPM + 1).",
        "data_filename": EXPRESSION_FILE,
    }
    whole = {
        "type_of_cancer": f"simulated-{cancer_type.lower()}",
        "cancer_study_identifier": study,
        "name": f"SIMULATED {cancer_type}",
        "description": (
            f"SIMULATED patients, none of them real: hazard ratios of Rozenberg et al. 2023, Table 2, {cancer_type}; "
            f"{first}seed {seed}, version {STUDY_FORMAT}-{_settings_digest()}."
        ),
        "add_global_case_list": "true",
    }
    files = clinical | {f"meta_{EXPRESSION_FILE.removeprefix('data_')}": expression, STUDY_META_FILE: whole}
    return {name: "".join(f"{key}: {value}\n" for key, value in content.items()) for name, content in files.items()}


@lru_cache(maxsize=1)
def _settings_digest() -> str:
    """Digest of all that the patients follow from beside the seed: settings, panel, published hazard ratios."""
    parts = (
        SETTINGS_FILE.read_bytes(),
        repr(load_panel(SIMULATED_PANEL)).encode(),
        published_hazard_ratios().to_csv().encode(),
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _study_files(cohort: Cohort, cancer_type: str) -> dict[str, str]:
    return {
        PATIENT_FILE: _patient_table(cohort),
        SAMPLE_FILE: _sample_table(cohort, cancer_type),
        EXPRESSION_FILE: _expression_table(cohort),
    }


def _patient_table(cohort: Cohort) -> str:
    """Clinical covariates and overall survival, in cBioPortal's columns and words."""
    clinical = cohort.clinical
    table = pd.DataFrame(
        {
            "PATIENT_ID": cohort.patients,
            "AGE": clinical["age"].to_numpy(),
            "SEX": clinical["sex"].str.capitalize().to_numpy(),
            "AJCC_PATHOLOGIC_TUMOR_STAGE": ("Stage " + clinical["stage"]).to_numpy(),
            "GRADE": clinical["grade"].to_numpy(),
            "OS_STATUS": np.where(cohort.event, "1:DECEASED", "0:LIVING"),
            "OS_MONTHS": np.round(days_to_months(cohort.time), 6),
        }
    )
    types = {"AGE": "NUMBER", "OS_MONTHS": "NUMBER"}
    return _with_header(table, [types.get(column, "STRING") for column in table])


def _sample_table(cohort: Cohort, cancer_type: str) -> str:
    table = pd.DataFrame(
        {
            "PATIENT_ID": cohort.patients,
            "SAMPLE_ID": cohort.patients + SAMPLE_SUFFIX,
            "ONCOTREE_CODE": cancer_type,
        }
    )
    return _with_header(table, ["STRING"] * len(table.columns))


def _with_header(table: pd.DataFrame, types: Sequence[str]) -> str:
    """Put cBioPortal's four comment lines first: names, descriptions, types, priorities."""
    names = [" ".join(word.capitalize() for word in column.split("_")) for column in table]
    header = "".join("#" + "\t".join(line) + "\n" for line in (names, names, types, ["1"] * len(names)))
    return header + str(table.to_csv(sep="\t", index=False, lineterminator="\n"))


def _expression_table(cohort: Cohort) -> str:
    """Genes in rows, samples in columns; a background gene has no Entrez id, a missing value is NA."""
    entrez = {gene.symbol: str(gene.entrez_id) for gene in load_panel(SIMULATED_PANEL).genes}
    lines = ["\t".join(["Hugo_Symbol", "Entrez_Gene_Id", *(cohort.patients + SAMPLE_SUFFIX)])]
    for symbol, values in zip(cohort.expression.columns, cohort.expression.to_numpy().T, strict=True):
        written = ["NA" if math.isnan(value) else f"{value:.{DECIMALS}f}" for value in values.tolist()]
        lines.append("\t".join([symbol, entrez.get(symbol, ""), *written]))
    return "\n".join(lines) + "\n"
