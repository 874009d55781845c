"""cBioPortal study folders: ``meta_study.txt``, clinical tables of patients and samples, expression profiles."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from features.assembly import RawCohort
from features.cancer_types import cancer_type, named_in, tcga_codes
from features.clinical_table import one_row_a_patient, one_row_each
from features.cohort import SIMULATED_PREFIX
from features.errors import CohortError
from features.ledger import Ledger
from features.matrices import read_matrix
from features.profiles import Declared, Profile, choose, stated_scale
from features.tables import read_header, read_strings, readable, shown
from features.whole_files import matrix_ledger, whole_ledger

#: The columns of an expression file that are no samples, in lower case.
LABEL_COLUMNS = ("hugo_symbol", "entrez_gene_id", "cytoband", "composite.element.ref", "gene_id", "gene")
SAMPLES_FILE = "data_clinical_sample.txt"
Meta = dict[str, str]


class CBioPortalReader:
    """Read a cBioPortal study folder."""

    name = "cBioPortal study folder"
    layout = (
        "meta_study.txt, data_clinical_patient.txt, data_clinical_sample.txt and data_mrna_*.txt with its meta_*.txt"
    )

    def recognises(self, folder: Path) -> bool:
        """Return whether the folder holds a study's meta file or its clinical table."""
        return any((folder / file).is_file() for file in ("meta_study.txt", "data_clinical_patient.txt"))

    def read(self, folder: Path, declared: Declared) -> RawCohort:
        """Read the study.

        Parameters
        ----------
        folder : Path
        declared : Declared

        Returns
        -------
        RawCohort

        Raises
        ------
        CohortError, ScaleError
            If a table is missing or malformed, or the cancer type or the scale is neither stated nor declared.
        """
        source = f"{self.name} {folder.resolve().name}"
        metas = [read_meta(path) for path in sorted(folder.glob("meta_*.txt"))]
        study = read_meta(folder / "meta_study.txt") if (folder / "meta_study.txt").is_file() else {}
        identifier = study.get("cancer_study_identifier", folder.resolve().name)
        profile = choose(_profiles(folder, metas), declared, study=identifier, source=source)
        patients, read = _patients(folder, metas, source)
        samples, listed = _samples(folder, metas)
        code, typed = _cancer_type(study, samples, folder, declared, source)
        samples, patients, selected = _of_cancer_type(code, study, samples, patients)
        symbols, entrez, expression = _expression(profile.path)
        told = (typed, profile.ledger, read, listed, selected, matrix_ledger(profile.path), _absent(folder, metas))
        return RawCohort(
            source=source,
            cancer_type=code,
            scale=profile.scale,
            zscore_reference=profile.zscore_reference,
            expression=expression,
            symbols=symbols,
            entrez=entrez,
            patients=patients,
            samples=samples,
            ledger=Ledger(tuple(entry for ledger in told for entry in ledger.entries)),
        )


def read_meta(path: Path) -> Meta:
    """Read a meta file, lines of ``key: value``.

    Raises
    ------
    CohortError
        If it cannot be read.
    """
    with readable(path):
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _profiles(folder: Path, metas: list[Meta]) -> list[Profile]:
    """Find the expression files: those that a meta file describes, then those that are merely there."""
    described: dict[Path, Profile] = {}
    for meta in metas:
        path = _existing(folder / meta.get("data_filename", "?"))
        if meta.get("genetic_alteration_type") == "MRNA_EXPRESSION" and path is not None:
            described[path] = Profile(path, meta.get("stable_id", path.name), _scale(meta, path))
    for path in sorted(folder.glob("data_mrna*.txt*")):
        if path not in described and path.suffix in {".txt", ".gz"}:
            described[path] = Profile(path, path.name.split(".")[0].removeprefix("data_"), stated_scale(path.name))
    return list(described.values())


def _scale(meta: Meta, path: Path) -> str | None:
    if meta.get("datatype", "").upper() == "Z-SCORE":
        return "zscore"
    stable_id = meta.get("stable_id", "")
    if stable_id == "mrna" or stable_id.startswith("mrna_U133"):
        return "microarray_log2"
    texts = (stable_id, meta.get("profile_name", ""), meta.get("profile_description", ""), path.name)
    return stated_scale(" | ".join(texts))


def _existing(path: Path) -> Path | None:
    return next((file for file in (path, path.with_name(path.name + ".gz")) if file.is_file()), None)


def _clinical_file(folder: Path, metas: list[Meta], datatype: str, usual: str) -> Path | None:
    """Return the clinical table that a meta file names, else the usual one, if it is there."""
    names = [meta.get("data_filename", "?") for meta in metas if meta.get("datatype") == datatype]
    files = (_existing(folder / name) for name in (*names, usual))
    return next((file for file in files if file is not None), None)


def _clinical_table(path: Path, needed: tuple[str, ...]) -> tuple[pd.DataFrame, Ledger]:
    """Read a clinical table, its columns in capitals.

    Raises
    ------
    CohortError
        If it is malformed, or has not the columns that it needs.
    """
    ledger = whole_ledger(path)
    table = read_strings(path)
    table = table.set_axis([name.upper() for name in table.columns], axis=1)
    missing = [name for name in needed if name not in table]
    if missing:
        has = ", ".join(name[:24] for name in table.columns[:6])
        raise CohortError(f"{shown(path)}: has no column {missing[0]} (it has {has} …); add it, or copy the file anew.")
    without = table[list(needed)].isna().any(axis=1)
    what = f"rows of {path.name} without {' or '.join(needed)}"
    return table[~without], ledger.with_note("dropped", what, int(without.sum())) if without.any() else ledger


def _patients(folder: Path, metas: list[Meta], source: str) -> tuple[pd.DataFrame, Ledger]:
    path = _clinical_file(folder, metas, "PATIENT_ATTRIBUTES", "data_clinical_patient.txt")
    if path is None:
        raise CohortError(f"{source}: has no table of patients; add data_clinical_patient.txt.")
    table, read = _clinical_table(path, ("PATIENT_ID",))
    patients, unique = one_row_a_patient(table.set_index("PATIENT_ID"), shown(path))
    return patients, Ledger((*read.entries, *unique.entries))


def _samples(folder: Path, metas: list[Meta]) -> tuple[pd.DataFrame, Ledger]:
    path = _clinical_file(folder, metas, "SAMPLE_ATTRIBUTES", SAMPLES_FILE)
    if path is None:
        ledger = Ledger().with_entry("kept", "samples by their barcodes alone: there is no such table", (SAMPLES_FILE,))
        return pd.DataFrame(index=pd.Index([], dtype="str")), ledger
    table, read = _clinical_table(path, ("PATIENT_ID", "SAMPLE_ID"))
    samples, unique = one_row_each(
        table.set_index("SAMPLE_ID"), shown(path), f"further rows of a sample in {path.name}"
    )
    samples = samples.rename(columns={"PATIENT_ID": "patient", "SAMPLE_TYPE": "sample_type"})
    return samples, Ledger((*read.entries, *unique.entries))


def _absent(folder: Path, metas: list[Meta]) -> Ledger:
    """Say which of the files that matter here are described, but not there."""
    names = [
        meta.get("data_filename", "")
        for meta in metas
        if meta.get("genetic_alteration_type") == "MRNA_EXPRESSION" or meta.get("datatype", "").endswith("_ATTRIBUTES")
    ]
    absent = [name for name in names if name and _existing(folder / name) is None]
    return Ledger().with_entry("dropped", "files that a meta file describes and that are not there", absent)


def _cancer_type(
    study: Meta, samples: pd.DataFrame, folder: Path, declared: Declared, source: str
) -> tuple[str, Ledger]:
    """Return the cancer type: as declared, else by the study, the samples' OncoTree codes, or the folder's name."""
    said = f"{study.get('cancer_study_identifier', '')} {study.get('name', '')} {study.get('type_of_cancer', '')}"
    simulated = "simulated" in said.lower()
    if declared.cancer_type is not None:
        return cancer_type(declared.cancer_type, simulated=simulated), Ledger()
    stated = study.get("type_of_cancer", "")
    if stated and stated.lower() != "mixed":
        code = cancer_type(stated, simulated=simulated)
        renamed = (stated,) if stated.upper() != code else ()
        return code, Ledger().with_entry("mapped", f"type_of_cancer read as {code}", renamed)
    return _by_samples(samples, folder, simulated=simulated, source=source)


def _of_cancer_type(
    code: str, study: Meta, samples: pd.DataFrame, patients: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, Ledger]:
    """Return the samples and patients of one cancer type, where the study is a mixture of several."""
    if study.get("type_of_cancer", "mixed").lower() != "mixed" or "ONCOTREE_CODE" not in samples:
        return samples, patients, Ledger()
    codes = samples["ONCOTREE_CODE"].str.upper()
    other = codes.map(tcga_codes()).fillna(codes) != code.removeprefix(SIMULATED_PREFIX)
    ledger = Ledger().with_entry("dropped", f"samples that are not {code}", samples.index[other])
    samples = samples[~other]
    return samples, patients[patients.index.isin(samples["patient"])], ledger


def _by_samples(samples: pd.DataFrame, folder: Path, *, simulated: bool, source: str) -> tuple[str, Ledger]:
    oncotree = samples["ONCOTREE_CODE"].dropna() if "ONCOTREE_CODE" in samples else pd.Series([], dtype="str")
    codes = {tcga_codes().get(code.upper(), code) for code in oncotree.unique()}
    found = codes.pop() if len(codes) == 1 else named_in((folder.resolve().name,)) if not codes else None
    if found is None:
        several = (
            f"its samples are of {len(codes)} cancer types ({', '.join(sorted(codes)[:5])})"
            if codes
            else "no file says"
        )
        raise CohortError(f"{source}: of which cancer type it is cannot be told ({several}); declare the cancer type.")
    code = cancer_type(found, simulated=simulated)
    what = (
        f"cancer type {code}, from {'the OncoTree codes of the samples' if len(oncotree) else 'the name of the folder'}"
    )
    return code, Ledger().with_entry("guessed", what, (found,))


def _expression(path: Path) -> tuple[pd.Series, pd.Series | None, pd.DataFrame]:
    _, header = read_header(path)
    labels = [position for position, name in enumerate(header) if name.lower() in LABEL_COLUMNS]
    if not labels:
        raise CohortError(
            f"{shown(path)}: has neither a column Hugo_Symbol nor Entrez_Gene_Id; name the column of genes."
        )
    words, values = read_matrix(path, labels)
    words = words.set_axis([name.lower() for name in words.columns], axis=1)
    entrez = words.get("entrez_gene_id")
    symbols = next((words[name] for name in LABEL_COLUMNS if name in words and name != "entrez_gene_id"), None)
    if symbols is None:
        symbols = pd.Series("", index=words.index, dtype="str")
    return symbols, entrez, values
