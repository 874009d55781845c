"""Small sound cohort folders of every format, the same eight patients in each: real layouts, invented values."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from gdc_folders import HEADER as COUNTS_HEADER
from gdc_folders import NEW_HEADERS, file_id, file_name, manifest_text, sheet_row, sheet_text, table_text, visits_text

PATIENTS = tuple(f"TCGA-AA-{number:04d}" for number in range(1, 9))
DAYS = (100, 2000, 310, 900, 1500, 45, 700, 1200)
EVENTS = (1, 0, 1, 0, 1, 0, 1, 1)
AGES = (50, 61, 47, 70, 66, 58, 39, 73)
SEXES = ("female", "male", "female", "male", "male", "female", "male", "female")
#: Symbol: Ensembl id, Entrez id, values on a scale of log2(TPM + 1).
GENES = {
    "CD44": ("ENSG00000026508.18", 960, (1.5, 2.0, 3.25, 0.5, 4.0, 2.5, 6.75, 5.0)),
    "ICAM1": ("ENSG00000090339.9", 3383, (0.0, 1.25, 2.0, 7.5, 3.0, 1.0, 0.25, 4.5)),
    "VCAM1": ("ENSG00000162692.12", 7412, (5.0, 4.0, 3.0, 2.0, 1.5, 6.0, 2.25, 0.75)),
    "EPCAM": ("ENSG00000119888.11", 4072, (9.5, 8.25, 0.5, 3.5, 7.0, 6.5, 5.75, 1.25)),
    "TSPAN6": ("ENSG00000000003.15", 7105, (2.75, 3.5, 4.25, 1.0, 0.5, 5.25, 6.25, 7.25)),
}
SETTINGS = 'cancer_type = "KIRC"\nscale = "log2_tpm_1"\n'

Files = dict[str, bytes]


@dataclass(frozen=True)
class Format:
    """A format.

    Parameters
    ----------
    files : callable
        Makes the files of a sound folder, by name; the text of packed ones is not yet packed.
    matrix, outcome : str
        Which file holds the expression, and which the outcomes.
    tables : tuple of str
        Further tables.
    texts : tuple of str
        Files that are no tables.
    declared : mapping
        What is declared when it is read.
    status, time : str
        The columns of the outcome.
    """

    files: Callable[[], dict[str, str]]
    matrix: str
    outcome: str
    tables: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    declared: Mapping[str, str] = field(default_factory=dict)
    status: str = "OS"
    time: str = "OS.time"
    quoted: bool = False


def table(rows: Sequence[Sequence[object]], divider: str = "\t") -> str:
    return "".join(divider.join(map(str, row)) + "\n" for row in rows)


def matrix(
    first: str, names: Sequence[str], suffix: str = "", further: Mapping[str, Sequence[float]] | None = None
) -> str:
    """Genes × samples; `further` samples follow, by name."""
    further = further or {}
    rows = [[first, *(patient + suffix for patient in PATIENTS), *further]]
    for at, (name, (_, _, values)) in enumerate(zip(names, GENES.values(), strict=True)):
        rows.append([name, *map(str, values), *(str(sample[at]) for sample in further.values())])
    return table(rows)


def clinical(header: Sequence[str], suffix: str = "", divider: str = "\t", last: Sequence[object] = ()) -> str:
    """Sample or patient, status, time in days, age, sex, and a last column."""
    rows: list[list[object]] = [list(header)]
    for at, patient in enumerate(PATIENTS):
        rows.append([patient + suffix, EVENTS[at], DAYS[at], AGES[at], SEXES[at], *last])
    return table(rows, divider)


def cbioportal() -> dict[str, str]:
    months = [repr(days / (365.2425 / 12)) for days in DAYS]
    status = ["1:DECEASED" if event else "0:LIVING" for event in EVENTS]
    patients = [["PATIENT_ID", "AGE", "OS_STATUS", "OS_MONTHS", "SEX"]]
    patients += [list(map(str, row)) for row in zip(PATIENTS, AGES, status, months, SEXES, strict=True)]
    samples = [["PATIENT_ID", "SAMPLE_ID", "ONCOTREE_CODE"], *([p, f"{p}-01", "CCRCC"] for p in PATIENTS)]
    header = ["Hugo_Symbol", "Entrez_Gene_Id", *(f"{patient}-01" for patient in PATIENTS)]
    rows = [[symbol, entrez, *values] for symbol, (_, entrez, values) in GENES.items()]
    return {
        "meta_study.txt": "type_of_cancer: ccrcc\ncancer_study_identifier: kirc_small\nname: Kidney\n",
        "meta_mrna_seq_tpm.txt": "cancer_study_identifier: kirc_small\ngenetic_alteration_type: MRNA_EXPRESSION\n"
        "datatype: CONTINUOUS\nstable_id: mrna_seq_tpm\nprofile_name: mRNA expression (TPM)\n"
        "data_filename: data_mrna_seq_tpm.txt\n",
        "data_mrna_seq_tpm.txt": table([header, *rows]),
        "data_clinical_patient.txt": "#Patient\tAge\n#STRING\tNUMBER\n" + table(patients),
        "data_clinical_sample.txt": table(samples),
    }


def xena_legacy() -> dict[str, str]:
    phenotypes = [["sampleID", "_PATIENT", "age_at_initial_pathologic_diagnosis", "gender", "sample_type"]]
    phenotypes += [[f"{p}-01", p, *row, "Primary Tumor"] for p, *row in zip(PATIENTS, AGES, SEXES, strict=True)]
    survival = [["sample", "_PATIENT", "OS", "OS.time", "Redaction"]]
    survival += [[f"{p}-01", p, *row, ""] for p, *row in zip(PATIENTS, EVENTS, DAYS, strict=True)]
    names = [f"{symbol}|{entrez}" if symbol == "TSPAN6" else symbol for symbol, (_, entrez, _) in GENES.items()]
    return {
        "HiSeqV2.gz": matrix("sample", names, "-01"),
        "KIRC_survival.txt": table(survival),
        "KIRC_clinicalMatrix": table(phenotypes),
    }


def xena_gdc() -> dict[str, str]:
    header = ["sample", "id", "submitter_id", "gender.demographic", "age_at_index.demographic", "sample_type.samples"]
    phenotypes = [header]
    phenotypes += [
        [f"{p}-01A", f"x{age}", p, sex, str(age), "Primary Tumor"]
        for p, age, sex in zip(PATIENTS, AGES, SEXES, strict=True)
    ]
    survival = [["sample", "OS", "_PATIENT", "OS.time"]]
    survival += [[f"{p}-01A", event, p, days] for p, event, days in zip(PATIENTS, EVENTS, DAYS, strict=True)]
    normal = {f"{PATIENTS[0]}-11A": (9.0, 9.0, 9.0, 9.0, 9.0)}
    return {
        "TCGA-KIRC.star_tpm.tsv.gz": matrix("Ensembl_ID", [each[0] for each in GENES.values()], "-01A", normal),
        "TCGA-KIRC.survival.tsv": table(survival),
        "TCGA-KIRC.clinical.tsv.gz": table(phenotypes),
    }


def toil() -> dict[str, str]:
    kidney = "Kidney Clear Cell Carcinoma"
    phenotypes = [
        ["sample", "detailed_category", "primary disease or tissue", "_primary_site", "_sample_type", "_gender"]
    ]
    phenotypes += [
        [f"{p}-01", kidney, kidney, "Kidney", "Primary Tumor", sex] for p, sex in zip(PATIENTS, SEXES, strict=True)
    ]
    phenotypes += [["GTEX-S341-1126-SM", "Kidney", "Kidney - Cortex", "Kidney", "Normal Tissue", "male"]]
    survival = [["sample", "OS", "OS.time", "_PATIENT"]]
    survival += [[f"{p}-01", event, days, p] for p, event, days in zip(PATIENTS, EVENTS, DAYS, strict=True)]
    others = {"GTEX-S341-1126-SM": (1.0, 1.0, 1.0, 1.0, 1.0)}
    return {
        "TcgaTargetGtex_rsem_gene_tpm.gz": matrix("sample", [each[0] for each in GENES.values()], "-01", others),
        "TCGA_survival_data": table(survival),
        "TcgaTargetGTEX_phenotype.txt.gz": table(phenotypes),
    }


def gdc() -> dict[str, str]:
    rows = [sheet_row(at, patient, f"{patient}-01A") for at, patient in enumerate(PATIENTS, start=1)]
    cases = [
        {
            "patient": patient,
            "vital_status": "Dead" if EVENTS[at] else "Alive",
            "days_to_death": DAYS[at] if EVENTS[at] else "'--",
            "last": "'--" if EVENTS[at] else min(DAYS[at], 600),
            "sex": SEXES[at],
            "age": AGES[at] * 365.25,
            "treatment": "Therapy",
            "diagnosis": f"d{at}",
        }
        for at, patient in enumerate(PATIENTS)
    ]
    visits = [(patient, DAYS[at]) for at, patient in enumerate(PATIENTS) if not EVENTS[at]]
    files = {
        "gdc_sample_sheet.2025-08-18.tsv": sheet_text(rows),
        "clinical.tsv": table_text(cases, NEW_HEADERS),
        "follow_up.tsv": visits_text(visits),
    }
    for at in range(len(PATIENTS)):
        counts = [["gene_id", *COUNTS_HEADER.split("\t")[1:]]]
        counts += [["N_unmapped", "", "", 7, 1, 1, "", "", ""]]
        for symbol, (ensembl, _, values) in GENES.items():
            tpm = repr(2 ** values[at] - 1)
            counts.append([ensembl, symbol, "protein_coding", 5, 1, 1, tpm, tpm, tpm])
        files[f"{file_id(at + 1)}/{file_name(at + 1)}"] = "# gene-model: GENCODE v36\n" + table(counts)
    return files


def gct() -> dict[str, str]:
    lines = matrix("Name", [each[0] for each in GENES.values()]).splitlines()
    described = [
        f"{line.partition(chr(9))[0]}\t{symbol}\t{line.partition(chr(9))[2]}"
        for line, symbol in zip(lines, ("Description", *GENES), strict=True)
    ]
    return {
        "cohort.toml": SETTINGS,
        "expression.gct": "\n".join([f"#1.2\n{len(GENES)}\t{len(PATIENTS)}", *described]) + "\n",
        "clinical.tsv": clinical(["id", "OS_STATUS", "OS_DAYS", "age", "sex"]),
    }


def gct_with_metadata() -> dict[str, str]:
    fields = {"patient_id": PATIENTS, "OS_STATUS": EVENTS, "OS_DAYS": DAYS, "age": AGES, "sex": SEXES}
    rows: list[list[object]] = [["id", "symbol", *(f"s{at}" for at in range(8))]]
    rows += [[name, "-666", *values] for name, values in fields.items()]
    rows += [[f"row{at}", symbol, *GENES[symbol][2]] for at, symbol in enumerate(GENES)]
    return {
        "cohort.toml": SETTINGS,
        "KIRC.gct.gz": f"#1.3\n{len(GENES)}\t8\t1\t{len(fields)}\n" + table(rows),
    }


def plain(divider: str = "\t", suffix: str = "tsv") -> dict[str, str]:
    return {
        "cohort.toml": SETTINGS,
        f"expression.{suffix}": matrix("gene", list(GENES)).replace("\t", divider),
        f"clinical.{suffix}": clinical(["id", "OS_STATUS", "OS_DAYS", "age", "sex"], divider=divider),
    }


def one_table() -> dict[str, str]:
    rows: list[list[object]] = [["id", "OS_STATUS", "OS_DAYS", "age", "sex", *GENES]]
    for at, patient in enumerate(PATIENTS):
        values = [each[2][at] for each in GENES.values()]
        rows.append([patient, EVENTS[at], DAYS[at], AGES[at], SEXES[at], *values])
    return {"cohort.toml": SETTINGS, "all.csv.gz": table(rows, ",")}


FORMATS = {
    "cBioPortal": Format(
        cbioportal,
        "data_mrna_seq_tpm.txt",
        "data_clinical_patient.txt",
        ("data_clinical_sample.txt",),
        ("meta_study.txt", "meta_mrna_seq_tpm.txt"),
        status="OS_STATUS",
        time="OS_MONTHS",
    ),
    "Xena legacy": Format(xena_legacy, "HiSeqV2.gz", "KIRC_survival.txt", ("KIRC_clinicalMatrix",)),
    "Xena GDC": Format(xena_gdc, "TCGA-KIRC.star_tpm.tsv.gz", "TCGA-KIRC.survival.tsv", ("TCGA-KIRC.clinical.tsv.gz",)),
    "Toil": Format(
        toil,
        "TcgaTargetGtex_rsem_gene_tpm.gz",
        "TCGA_survival_data",
        ("TcgaTargetGTEX_phenotype.txt.gz",),
        declared={"cancer_type": "KIRC"},
    ),
    "GDC": Format(
        gdc,
        f"{file_id(3)}/{file_name(3)}",
        "clinical.tsv",
        ("gdc_sample_sheet.2025-08-18.tsv", "follow_up.tsv"),
        status="demographic.vital_status",
        time="demographic.days_to_death",
    ),
    "GCT": Format(gct, "expression.gct", "clinical.tsv", (), ("cohort.toml",), status="OS_STATUS", time="OS_DAYS"),
    "GCT 1.3": Format(
        gct_with_metadata, "KIRC.gct.gz", "KIRC.gct.gz", (), ("cohort.toml",), status="OS_STATUS", time="OS_DAYS"
    ),
    "plain TSV": Format(
        plain, "expression.tsv", "clinical.tsv", (), ("cohort.toml",), status="OS_STATUS", time="OS_DAYS", quoted=True
    ),
    "plain CSV": Format(
        lambda: plain(",", "csv"), "expression.csv", "clinical.csv", status="OS_STATUS", time="OS_DAYS", quoted=True
    ),
    "one table": Format(one_table, "all.csv.gz", "all.csv.gz", status="OS_STATUS", time="OS_DAYS", quoted=True),
}


def written(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write a folder; what is text is packed where the name says so, bytes are as they are."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            data = content.encode()
            path.write_bytes(gzip.compress(data, 1) if name.endswith(".gz") else data)
    return folder


def parquet(folder: Path) -> Path:
    """The plain tables as Parquet."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cohort.toml").write_text(SETTINGS)
    expression = pd.DataFrame(
        {symbol: each[2] for symbol, each in GENES.items()}, index=pd.Index(PATIENTS, name="id")
    ).T
    expression.rename_axis("gene").to_parquet(folder / "expression.parquet")
    outcome = {"OS_STATUS": EVENTS, "OS_DAYS": DAYS, "age": AGES, "sex": SEXES}
    pd.DataFrame(outcome, index=pd.Index(PATIENTS, name="id")).to_parquet(folder / "clinical.parquet")
    return folder


__all__ = ["FORMATS", "GENES", "PATIENTS", "SETTINGS", "Files", "Format", "manifest_text", "parquet", "written"]
