"""GDC downloads for the tests: real headers, real oddities, invented patients and values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

HEADER = (
    "gene_id\tgene_name\tgene_type\tunstranded\tstranded_first\tstranded_second\t"
    "tpm_unstranded\tfpkm_unstranded\tfpkm_uq_unstranded"
)
#: Identifier and name; two share a name, and one is there twice, on X and on Y.
GENES = (
    ("ENSG00000026508.19", "CD44"),
    ("ENSG00000121966.7", "CXCR4"),
    ("ENSG00000090339.9", "ICAM1"),
    ("ENSG00000000003.15", "TSPAN6"),
    ("ENSG00000199000.1", "Y_RNA"),
    ("ENSG00000200000.1", "Y_RNA"),
    ("ENSG00000182378.15", "PLCXD1"),
    ("ENSG00000182378.15_PAR_Y", "PLCXD1"),
)
TOTALS = ("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous")
SHEET_START = ("File ID", "File Name", "Data Category", "Data Type", "Project ID", "Case ID", "Sample ID")
NEW_HEADERS = {
    "patient": "cases.submitter_id",
    "index_date": "cases.index_date",
    "vital_status": "demographic.vital_status",
    "days_to_death": "demographic.days_to_death",
    "sex": "demographic.sex_at_birth",
    "age": "diagnoses.age_at_diagnosis",
    "stage": "diagnoses.ajcc_pathologic_stage",
    "grade": "diagnoses.tumor_grade",
    "last": "diagnoses.days_to_last_follow_up",
    "of_tumor": "diagnoses.classification_of_tumor",
    "is_primary": "diagnoses.diagnosis_is_primary_disease",
    "diagnosis": "diagnoses.diagnosis_id",
    "treatment": "treatments.treatment_type",
}
OLD_HEADERS = {
    "patient": "case_submitter_id",
    "vital_status": "vital_status",
    "days_to_death": "days_to_death",
    "sex": "gender",
    "age": "age_at_diagnosis",
    "stage": "ajcc_pathologic_stage",
    "grade": "tumor_grade",
    "last": "days_to_last_follow_up",
    "treatment": "treatment_type",
}
OLDEST_HEADERS = {**OLD_HEADERS, "patient": "submitter_id"}


def tpm(seed: int, gene: int) -> float:
    """An invented abundance, another for each gene of each file."""
    return round(0.5 * (seed + 1) * (gene + 1), 4)


def counts_text(seed: int, genes: Iterable[tuple[str, str]] = GENES) -> str:
    lines = ["# gene-model: GENCODE v36", HEADER]
    lines += [f"{total}\t\t\t{100 + seed}\t{10 + seed}\t{20 + seed}\t\t\t" for total in TOTALS]
    for number, (identifier, name) in enumerate(genes):
        value = 0.0 if identifier.endswith("_PAR_Y") else tpm(seed, number)
        whole = round(4 * value)
        lines.append(
            f"{identifier}\t{name}\tprotein_coding\t{whole}\t1\t1\t{value:.4f}\t{value / 2:.4f}\t{value / 4:.4f}"
        )
    return "\n".join(lines) + "\n"


def file_id(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def file_name(number: int) -> str:
    return f"{number:08x}-1111-4000-8000-000000000000.rna_seq.augmented_star_gene_counts.tsv"


def sheet_row(number: int, patient: str, sample: str, kind: str = "Primary Tumor", project: str = "TCGA-KIRC") -> dict:
    return {"number": number, "patient": patient, "sample": sample, "kind": kind, "project": project}


def sheet_text(rows: Iterable[Mapping[str, object]], *, new: bool = True) -> str:
    """The portal's sample sheet: of today, or with the one column of sample types of before."""
    kinds = ("Tissue Type", "Tumor Descriptor", "Specimen Type", "Preservation Method") if new else ("Sample Type",)
    lines = ["\t".join((*SHEET_START, *kinds))]
    for row in rows:
        number = int(str(row["number"]))
        start = (file_id(number), str(row.get("name", file_name(number))), "Transcriptome Profiling")
        start += ("Gene Expression Quantification", str(row["project"]), str(row["patient"]), str(row["sample"]))
        lines.append("\t".join((*start, *(_new_kinds(str(row["kind"])) if new else (str(row["kind"]),)))))
    return "\n".join(lines) + "\n"


def _new_kinds(kind: str) -> tuple[str, ...]:
    if "Normal" in kind:
        return ("Normal", "Not Applicable", "Solid Tissue", "Unknown")
    descriptor = {"Primary Tumor": "Primary", "Recurrent Tumor": "Recurrence", "Metastatic": "Metastatic"}[kind]
    return ("Tumor", descriptor, "Solid Tissue", "Unknown")


def table_text(rows: Iterable[Mapping[str, object]], headers: Mapping[str, str], missing: str = "'--") -> str:
    """A clinical table under these headers; what a row does not say is missing."""
    lines = ["\t".join(headers.values())]
    lines += ["\t".join(str(row.get(name, missing)) for name in headers) for row in rows]
    return "\n".join(lines) + "\n"


def visits_text(visits: Iterable[tuple[str, object]], *, new: bool = True) -> str:
    start = "follow_ups." if new else ""
    patient = "cases.submitter_id" if new else "case_submitter_id"
    lines = [f"{patient}\t{start}follow_up_id\t{start}days_to_follow_up\t{start}progression_or_recurrence"]
    lines += [f"{who}\tvisit-{number}\t{day}\t'--" for number, (who, day) in enumerate(visits)]
    return "\n".join(lines) + "\n"


def write_counts(folder: Path, numbers: Iterable[int], *, flat: bool = False) -> None:
    """Write files as gdc-client leaves them, or side by side."""
    for number in numbers:
        place = folder if flat else folder / file_id(number)
        place.mkdir(parents=True, exist_ok=True)
        (place / file_name(number)).write_text(counts_text(number))
        if not flat:
            (place / "logs").mkdir(exist_ok=True)
            (place / "logs" / f"{file_name(number)}.parcel").write_bytes(b"\x00\x01")
            (place / "annotations.txt").write_text("id\tsubmitter_id\nx\ty\n")


def manifest_text(folder: Path) -> str:
    """The manifest of the files of counts that a folder holds."""
    lines = ["id\tfilename\tmd5\tsize\tstate"]
    for path in sorted(folder.rglob("*star_gene_counts.tsv")):
        data = path.read_bytes()
        number = int(path.name[:8], 16)
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        lines.append(f"{file_id(number)}\t{path.name}\t{digest}\t{len(data)}\treleased")
    return "\n".join(lines) + "\n"


def patient(number: int) -> str:
    return f"TCGA-AA-{number:04d}"


def case(number: int, *, treatments: int = 2, **values: object) -> list[dict[str, object]]:
    """The rows of a case: one for each treatment, as the portal repeats it."""
    known = {"vital_status": "Alive", "sex": "male", "age": 365.25 * (40 + number), "index_date": "Diagnosis"}
    row = {"patient": patient(number), **known, "of_tumor": "primary", "is_primary": "true", "diagnosis": f"d{number}"}
    return [{**row, **values, "treatment": f"Therapy {k}"} for k in range(treatments)]
